#!/usr/bin/env bash
# The tests once more, on the newest Python after 3.11 that is here; does nothing where there is none. Those of tests/audit that
# PostgreSQL can run are run on this Python by test-postgres.sh, and tests/meta reads files. Arguments go to pytest.
set -euo pipefail
cd "$(dirname "$0")/.."
. scripts/lib.sh
if ! use_newer_python; then
  echo "left out: there is no Python after 3.11 here"
  exit
fi
step "tests on $("$VENV/bin/python" -V)"
run_tests -m "not servers and not install" --ignore tests/audit --ignore tests/browser --ignore tests/meta "${in_rooms[@]}" "$@"
run_tests tests/audit -m sqlite "${in_rooms[@]}" "$@"
