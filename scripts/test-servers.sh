#!/usr/bin/env bash
# The tests of what processes do to real PostgreSQL and Redis, also when these go away. Arguments go to pytest.
set -euo pipefail
cd "$(dirname "$0")/.."
. scripts/lib.sh
setup_venv requirements-dev.txt
. scripts/servers.sh

step "tests of workers on PostgreSQL and Redis"
run_tests tests/servers -m servers "$@"
if [ -n "${SOAK_MINUTES:-}" ]; then
  step "a worker under random kills, on PostgreSQL and Redis"
  "${as[@]}" "$pg/createdb" -h 127.0.0.1 -p "$pg_port" -U postgres soak
  SOAK_DATABASE_URL="postgres://postgres@127.0.0.1:$pg_port/soak" SOAK_REDIS_URL="$TEST_REDIS_URL" \
    "$VENV/bin/python" scripts/soak.py --minutes "$SOAK_MINUTES" --domains 300 --interval 30 --kill-every 10
fi
