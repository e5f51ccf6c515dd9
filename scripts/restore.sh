#!/usr/bin/env bash
# Puts a backup of scripts/backup.sh in the place of the database.
set -euo pipefail

usage() {
  cat <<'TEXT'
Usage: scripts/restore.sh FOLDER
       scripts/restore.sh --list

Looks whether the backup in FOLDER is whole and not newer than this version, stops web and workers, makes a backup of
what is there now, puts the old one in its place (whole or not at all), starts again and says what was lost. Workers on
other hosts must be stopped by hand; it refuses while one is there.

  --list        the backups that there are
  --root DIR    of an installation below this folder
  --help        this text
TEXT
}

wrong() { printf '%s\n' "$1" "Try scripts/restore.sh --help." >&2; exit 2; }

folder='' list='' root=''
while [ $# -gt 0 ]; do
  case $1 in
    -h | --help) usage; exit 0 ;;
    --list) list=1; shift ;;
    --root) root=${2-}; [ -n "$root" ] || wrong "--root needs a folder."; shift 2 ;;
    -*) wrong "restore.sh does not know “$1”." ;;
    *) [ -z "$folder" ] || wrong "One folder, please."; folder=$1; shift ;;
  esac
done
[ -n "$folder$list" ] || wrong "Which backup?"
[ -z "$folder" ] || folder=$(realpath "$folder")

CDPATH='' cd "$(dirname "${BASH_SOURCE[0]}")/.."
. deploy/lib.sh
use_root "$root"
begin restore.sh
installed
if [ -n "$list" ]; then
  find "$BACKUPS" -mindepth 1 -maxdepth 1 -name '[0-9]*' | sort
  exit
fi

# The service's user may not look into the folder of backups: it gets a copy.
[ -f "$folder/manifest.json" ] || die "$folder is no backup: there is no manifest.json in it."
staged=$STATE/.restore-$$
trap 'rm -rf "$staged"' EXIT
(umask 077 && mkdir "$staged" && cp "$folder/manifest.json" "$folder"/database.* "$staged") || die "$folder can't be read."
chown -R -h "$SERVICE_USER": "$staged"
manage restore --check "$staged"

step "stopping"
trap 'rm -rf "$staged"; start_all' EXIT # whatever ends it, the site is not left stopped
trap 'exit 1' HUP INT TERM PIPE
stop_all
if before=$(bash scripts/backup.sh ${ROOT:+--root "$ROOT"} --keep 99999 | tail -n 1) && [ -d "$before" ]; then
  echo "What is there now: $before"
elif [[ $(setting DATABASE_URL) = sqlite:* ]]; then
  before='' # damaged, or gone: the file itself is kept beside the new one
else
  die "No backup could be made of what is there now; nothing was changed."
fi
step "restoring"
if ! manage restore "$staged"; then
  die "The restore did not end well (above).${before:+ What was there before: scripts/restore.sh $before}"
fi
step "starting"
start_all
wait_ready 90 || die "It was started and is not ready; look at: journalctl -u ligbox-web -u 'ligbox-worker@*'"
echo "Done.${before:+ To go back: scripts/restore.sh $before}"
