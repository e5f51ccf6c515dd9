#!/usr/bin/env bash
# Set everything up and run all tests. Browser tests and tests on PostgreSQL and Redis run where those are installed
# (.ci/run installs them); further arguments go to pytest.
set -euo pipefail
cd "$(dirname "$0")/.."
. scripts/lib.sh
if [ -x "${CHROMIUM:-/usr/bin/chromium}" ]; then
  setup_venv requirements-e2e.txt
  skip=""
else
  setup_venv requirements-dev.txt
  skip="not browser"
fi
[ -n "$(ls -d /usr/lib/postgresql/*/bin 2>/dev/null)" ] && command -v redis-server >/dev/null || skip="${skip:+$skip and }not servers"
[ -z "$skip" ] || echo "leaving out: ${skip//and /} (not installed here)"
exec "$VENV/bin/python" -m pytest ${skip:+-m "$skip"} -n "${TEST_PROCESSES:-auto}" --dist loadfile "$@"
