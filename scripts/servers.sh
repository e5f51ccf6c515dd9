# Sourced after lib.sh: a real PostgreSQL and a real Redis (Debian: postgresql, redis-server) for tests, on free ports of loopback,
# in a folder of their own; both stop at the end. TEST_POSTGRES_URL and TEST_REDIS_URL say where they are.
# shellcheck shell=bash
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
