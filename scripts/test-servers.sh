#!/usr/bin/env bash
# The tests on real PostgreSQL and Redis (Debian: postgresql, redis-server): both are started here on free ports of loopback,
# in a folder of their own, and stopped at the end. The tests of the database run on PostgreSQL too. Arguments go to pytest.
set -euo pipefail
cd "$(dirname "$0")/.."
. scripts/lib.sh
setup_venv requirements-dev.txt
pg=$(ls -d /usr/lib/postgresql/*/bin 2>/dev/null | sort -V | tail -n 1)
[ -n "$pg" ] && command -v redis-server >/dev/null || die "PostgreSQL and Redis are needed (Debian: apt-get install postgresql redis-server)"

dir=$(mktemp -d)
as=()
if [ "$(id -u)" = 0 ]; then # PostgreSQL refuses to run as root
  chown postgres "$dir"
  as=(runuser -u postgres --)
fi
coproc kept { exec "$VENV/bin/python" scripts/ports.py 2; } # until this script ends
read -r pg_port redis_port <&"${kept[0]}"
stop() {
  kill "${redis_pid:-}" 2>/dev/null || true
  "${as[@]}" "$pg/pg_ctl" -D "$dir/data" -m immediate stop >/dev/null 2>&1 || true
  rm -rf "$dir"
}
trap stop EXIT
(cd "$dir" && "${as[@]}" "$pg/initdb" -D "$dir/data" -U postgres -A trust -E UTF8 >/dev/null)
options="-p $pg_port -k $dir -c listen_addresses=127.0.0.1 -c fsync=off -c max_connections=200"
(cd "$dir" && "${as[@]}" "$pg/pg_ctl" -D "$dir/data" -w -l "$dir/log" -o "$options" start >/dev/null)
(cd "$dir" && exec redis-server --port "$redis_port" --bind 127.0.0.1 --save "" --appendonly no >/dev/null) &
redis_pid=$!

export TEST_POSTGRES_URL="postgres://postgres@127.0.0.1:$pg_port/postgres"
export TEST_REDIS_URL="redis://127.0.0.1:$redis_port/0"
TEST_POSTGRES_RESTART=$(IFS=$'\t'; printf '%s' "${as[*]+${as[*]}	}$pg/pg_ctl	-D	$dir/data	-m	immediate	-w	-l	$dir/log	-o	$options	restart")
export TEST_POSTGRES_RESTART
for _ in $(seq 50); do redis-cli -p "$redis_port" ping >/dev/null 2>&1 && break; sleep 0.1; done

run_tests tests/servers -m servers "$@"
DATABASE_URL="$TEST_POSTGRES_URL" REDIS_URL="$TEST_REDIS_URL" \
  run_tests tests/audit -m "not browser and not fuzz" -p tests.own_servers -n "${TEST_PROCESSES:-2}" --dist loadfile --ignore tests/audit/management/test_worker.py --ignore tests/audit/management/test_backups.py --ignore tests/audit/queue/test_sqlite.py "$@"

if [ -n "${SOAK_MINUTES:-}" ]; then
  step "a worker under random kills, on PostgreSQL and Redis"
  "${as[@]}" "$pg/createdb" -h 127.0.0.1 -p "$pg_port" -U postgres soak
  SOAK_DATABASE_URL="postgres://postgres@127.0.0.1:$pg_port/soak" SOAK_REDIS_URL="$TEST_REDIS_URL" \
    "$VENV/bin/python" scripts/soak.py --minutes "$SOAK_MINUTES" --domains 300 --interval 30 --kill-every 10
fi
