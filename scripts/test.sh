#!/usr/bin/env bash
# Set everything up and run all tests. The browser tests run where Chromium is installed, those on PostgreSQL and Redis where
# these are (.ci/run installs all three); those that install as root, in .ci/run alone. Arguments go to pytest.
set -euo pipefail
cd "$(dirname "$0")/.."
. scripts/lib.sh
browser=${CHROMIUM:-/usr/bin/chromium}
if [ -x "$browser" ]; then setup_venv requirements-e2e.txt; else setup_venv requirements-dev.txt; fi

servers=
if ls -d /usr/lib/postgresql/*/bin >/dev/null 2>&1 && command -v redis-server >/dev/null; then
  servers=1
  beside bash scripts/test-servers.sh "$@"
fi
step "tests"
run_tests -m "not servers and not browser and not install" "${in_rooms[@]}" "$@"
step "tests in Chromium" # apart: the browser's event loop stays in its process
if [ -x "$browser" ]; then
  # a test that is over its time takes the browser of all that follow with it
  run_tests tests/browser -m browser --timeout 900 "${in_rooms[@]}" "$@"
else
  echo "left out: Chromium is not installed here"
fi
step "tests on PostgreSQL and Redis"
if [ -n "$servers" ]; then
  bash scripts/test-postgres.sh "$@"
else
  echo "left out: PostgreSQL and Redis are not installed here"
fi
joined
