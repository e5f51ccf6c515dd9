#!/usr/bin/env bash
# Starts Ligbox Audit on this machine, from a fresh clone with nothing but Python 3.11 or newer.
set -euo pipefail

usage() {
  cat <<'TEXT'
Usage: scripts/start.sh [--no-mock] [--port N]

Starts Ligbox Audit on http://127.0.0.1:8000/ with a made-up hosting company to look at (a demo with its own
database, data/demo.sqlite3). On the first start it makes a virtual environment, the database and two accounts, one
for every day and the administrator's; the next starts use them again. Ctrl-C stops everything.

  --no-mock   without the made-up company: the real thing, empty, in data/ligbox.sqlite3 or what .env says
  --port N    another port for the web
  --help      this text

PYTHON names the Python to use for the virtual environment, VENV its folder (default: .venv).
TEXT
}

wrong() { printf '%s\n' "$1" "Try scripts/start.sh --help." >&2; exit 2; }

arguments=()
while [ $# -gt 0 ]; do
  case $1 in
    -h | --help) usage; exit 0 ;;
    --no-mock) arguments+=(--no-mock) ;;
    --port | --port=*)
      if [ "$1" = --port ]; then shift; port=${1-}; else port=${1#--port=}; fi
      [[ $port =~ ^[0-9]{1,5}$ ]] && [ "$((10#$port))" -ge 1 ] && [ "$((10#$port))" -le 65535 ] || wrong "--port needs a number from 1 to 65535."
      arguments+=(--port "$((10#$port))")
      ;;
    *) wrong "start.sh does not know “$1”." ;;
  esac
  shift
done

CDPATH='' cd "$(dirname "${BASH_SOURCE[0]}")/.."
. scripts/lib.sh
setup_venv requirements.txt
exec "$VENV/bin/python" scripts/start.py "${arguments[@]+"${arguments[@]}"}"
