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
rooms=$(find tests -mindepth 1 -maxdepth 1 \( -type d -o -name "test_*.py" \) ! -name "__*" ! -name audit ! -name browser ! -name meta)
# shellcheck disable=SC2046,SC2086 # none of these names has a blank
run_tests $rooms $(grep -rlw "mark.sqlite" --include "*.py" tests/audit) -m "not servers and not install" "${in_rooms[@]}" "$@"
