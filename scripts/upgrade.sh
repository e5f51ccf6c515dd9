#!/usr/bin/env bash
# Brings an installation to the version in this folder; goes back by itself where that does not work.
set -euo pipefail

usage() {
  cat <<'TEXT'
Usage: git pull && scripts/upgrade.sh

Brings the installation on this machine to the version in this folder. The new version is laid beside the old one and
checked while that still runs; then web and workers stop, a backup is made, the database is brought up to date, and they start
again. Where it does not get ready, the old version and the backup are put back. Settings and keys stay as they are. Of several
hosts, stop the workers of the others first, upgrade the one with the web, then the others.

  --root DIR    of an installation below this folder
  --help        this text
TEXT
}

wrong() { printf '%s\n' "$1" "Try scripts/upgrade.sh --help." >&2; exit 2; }

root=''
while [ $# -gt 0 ]; do
  case $1 in
    -h | --help) usage; exit 0 ;;
    --root) root=${2-}; [ -n "$root" ] || wrong "--root needs a folder."; shift 2 ;;
    *) wrong "upgrade.sh does not know “$1”." ;;
  esac
done

CDPATH='' cd "$(dirname "${BASH_SOURCE[0]}")/.."
. deploy/lib.sh
use_root "$root"
begin upgrade.sh
installed
is_name "$DOMAIN" || die "ALLOWED_HOSTS in $ENVIRONMENT must begin with the site's name, such as audit.example.com; nothing was changed."
WEB=
[ ! -L "$UNITS/multi-user.target.wants/ligbox-web.service" ] || WEB=1
old=$CODE/$(readlink "$CURRENT")

name_release
if [ "$(readlink "$CURRENT")" = "releases/${RELEASE##*/}" ]; then
  echo "This version is installed already."
  exit
fi
make_release
manage_in "$RELEASE" check --deploy --fail-level ERROR >/dev/null || die "The new version does not take the settings (above); nothing was changed."
[ -z "$WEB" ] || as_service --folder "$RELEASE" -- .venv/bin/gunicorn --config deploy/gunicorn.conf.py --check-config ||
  die "The new version's web does not start (above); nothing was changed."
was_ready=1
wait_ready 0 2>/dev/null || was_ready=''

backup='' migrated=''
# go_back WHY: the old version, and the backup where the database may be another one by now.
go_back() {
  trap - EXIT
  trap : HUP INT TERM PIPE
  if printf '%s Going back.\n' "$1" >&2; then exec >&2; else exec >/dev/null 2>&1; fi # nobody may be there any more
  stop_all || true
  activate "$old"
  (cd "$old" && place_files && { [ -z "$WEB" ] || place_site; }) || echo "Not all of its files could be put back (above)."
  if [ -n "$migrated" ] && ! (cd "$old" && LIGBOX_LOCKED=1 bash scripts/restore.sh ${ROOT:+--root "$ROOT"} "$backup"); then
    die "The old version is back, its database is not: $old/scripts/restore.sh $backup"
  fi
  start_all
  wait_ready 90 || die "The old version was started and is not ready; look at: journalctl -u ligbox-web -u 'ligbox-worker@*'"
  die "The old version runs again${migrated:+ with the database of the moment before (what was audited since is audited again)}; nothing is lost."
}

# Whatever ends this script from here on, a full disk, nginx's no, Ctrl-C or a lost connection, the old version runs again.
trap 'go_back "It was not brought to its end."' EXIT
trap 'exit 1' HUP INT TERM PIPE
step "stopping"
stop_all
if [ -n "$WEB" ]; then
  backup=$(bash scripts/backup.sh ${ROOT:+--root "$ROOT"} --keep 99999 | tail -n 1) && [ -d "$backup" ] ||
    go_back "No backup could be made."
fi
activate "$RELEASE"
place_files
[ -z "$WEB" ] || place_site
if [ -n "$WEB" ] && ! manage migrate --check -v 0 >/dev/null 2>&1; then
  step "bringing the database up to date"
  migrated=1
  manage migrate -v 0 || go_back "The database could not be brought up to date."
fi
step "starting"
start_all || go_back "It does not start."
if ! wait_ready 90; then
  [ -z "$was_ready" ] && wait_ready 5 /healthz || go_back "It does not get ready."
  echo "It answers, but is not ready, as before the upgrade: see “What can go wrong” in docs/operations.md." >&2
fi

trap - EXIT HUP INT TERM PIPE
# The last one stays, to go back to.
for release in "$CODE"/releases/*; do
  [ "$release" = "$RELEASE" ] || [ "$release" = "$old" ] || rm -rf "$release"
done
for venv in "$CODE"/environments/*; do
  [[ " $(readlink "$RELEASE/.venv") $(readlink "$old/.venv") " = *" $venv "* ]] || rm -rf "$venv"
done
printf '\nLigbox Audit is now %s.\n' "${RELEASE##*/}"
[ -z "$backup" ] || echo "To go back: $old/scripts/upgrade.sh and, where the database must go back too, $old/scripts/restore.sh $backup"
