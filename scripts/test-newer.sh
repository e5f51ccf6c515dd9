#!/usr/bin/env bash
# The tests once more, on the newest Python after 3.11 that is here (python3.x on the PATH, or pyenv's), in an environment of its
# own. Does nothing where there is none. Arguments go to pytest.
set -euo pipefail
cd "$(dirname "$0")/.."
. scripts/lib.sh
VENV=.venv-newer
PYTHON=
for candidate in python3.14 python3.13 python3.12 $(printf "%s\n" "${PYENV_ROOT:-$HOME/.pyenv}"/versions/3.1[2-9]*/bin/python3 | sort -rV); do
  if "$candidate" -c 'import sys; sys.exit(sys.version_info < (3, 12))' 2>/dev/null; then
    PYTHON=$candidate
    break
  fi
done
if [ -z "$PYTHON" ]; then
  echo "left out: there is no Python after 3.11 here"
  exit
fi
setup_venv requirements-dev.txt
step "tests on $("$VENV/bin/python" -V)"
run_tests -m "not servers and not browser and not fuzz" --ignore tests/browser -n "${TEST_PROCESSES:-2}" --dist loadfile "$@"
