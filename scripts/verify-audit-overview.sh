#!/usr/bin/env bash
# Checks a running installation through its API, or a server's portal.
set -euo pipefail

usage() {
  cat <<'TEXT'
Usage: scripts/verify-audit-overview.sh [--url URL] [--token TOKEN] [--tenant ID] [--domain DOMAIN]
       scripts/verify-audit-overview.sh --mock
       scripts/verify-audit-overview.sh --portal URL [--token-file FILE] [--domain DOMAIN]

Checks a running installation through its API: the overview answers within 500 ms (the median of five), an audit
of one domain is done within 30 s, its scorecard holds the eight checks in order. One line each, PASS or FAIL.
With --portal: whether a server's portal keeps its contract (docs/portal.md), asked as an audit does: each GET,
a name that nobody has, a wrong token and none, the time. OPEN: it says that it can't say so at the moment.

  --url URL        where it runs (LIGBOX_URL; default http://127.0.0.1:8000)
  --token TOKEN    an API token with the scope run (better: LIGBOX_TOKEN, which other users of the machine can't see)
  --tenant ID      the tenant of the domain
  --domain DOMAIN  which domain to audit (default: the first one)
  --mock           bring up an installation with the mock tenant, check that, and take it down again
  --portal URL     the portal's address, such as http://10.10.10.112:8090
  --token-file FILE
                   holds its token (or LIGBOX_PORTAL_TOKEN)
  --help           this text

Exit status: 0 all passed, 1 something failed, 2 it could not be measured.
TEXT
}

arguments=("$@")
for argument in "$@"; do
  case $argument in -h | --help) usage; exit 0 ;; esac
done

cd "$(dirname "${BASH_SOURCE[0]}")/.."
. scripts/lib.sh
setup_venv requirements.txt
exec "$VENV/bin/python" scripts/verify_audit_overview.py "${arguments[@]+"${arguments[@]}"}"
