#!/usr/bin/env bash
# The tests of tests/audit once more, on real PostgreSQL and Redis; in CI on the newest Python as well: each test sees two databases
# and two Pythons, and not all pairs of them. Arguments go to pytest.
set -euo pipefail
cd "$(dirname "$0")/.."
. scripts/lib.sh
setup_venv requirements-dev.txt
[ -z "${CI:-}" ] || use_newer_python || true
. scripts/servers.sh

step "tests of the database on PostgreSQL, with $("$VENV/bin/python" -V)"
DATABASE_URL="$TEST_POSTGRES_URL" REDIS_URL="$TEST_REDIS_URL" run_tests tests/audit -m "not sqlite and not fuzz" \
  -p tests.own_servers "${in_rooms[@]}" "$@"
