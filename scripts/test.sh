#!/usr/bin/env bash
# Set everything up and run all tests. The browser tests run where Chromium is installed, those on PostgreSQL and Redis where
# these are (.ci/run installs all three). Arguments go to pytest.
set -euo pipefail
cd "$(dirname "$0")/.."
. scripts/lib.sh
chosen="not servers"
if [ -x "${CHROMIUM:-/usr/bin/chromium}" ]; then
  setup_venv requirements-e2e.txt
else
  setup_venv requirements-dev.txt
  chosen="$chosen and not browser"
  echo "leaving out the browser tests (no Chromium here)"
fi
"$VENV/bin/python" -m pytest -m "$chosen" -n "${TEST_PROCESSES:-2}" --dist loadfile "$@"
if ls -d /usr/lib/postgresql/*/bin >/dev/null 2>&1 && command -v redis-server >/dev/null; then
  step "on PostgreSQL and Redis"
  bash scripts/test-servers.sh "$@"
else
  echo "leaving out the tests on PostgreSQL and Redis (not installed here)"
fi
