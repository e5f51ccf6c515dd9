#!/usr/bin/env bash
# A backup of an installation that scripts/install.sh made, while it runs. The timer ligbox-backup calls it each night.
set -euo pipefail

usage() {
  cat <<'TEXT'
Usage: scripts/backup.sh [--keep DAYS]

Writes the database into a new folder of /var/backups/ligbox-audit, while everything runs, looks whether it can be read,
and removes backups that are older than DAYS (default 14), never the newest. The settings, which hold the keys, are
copied to /var/backups/ligbox-audit-keys when they have changed. Keep both elsewhere too, and apart from each other: who has both
can read the portals' tokens. The last line is the new folder.

  --keep DAYS   how long backups are kept
  --root DIR    of an installation below this folder
  --help        this text
TEXT
}

wrong() { printf '%s\n' "$1" "Try scripts/backup.sh --help." >&2; exit 2; }

keep=14 root=''
while [ $# -gt 0 ]; do
  case $1 in
    -h | --help) usage; exit 0 ;;
    --keep) keep=${2-}; [[ $keep =~ ^[1-9][0-9]{0,4}$ ]] || wrong "--keep needs a number of days."; shift 2 ;;
    --root) root=${2-}; [ -n "$root" ] || wrong "--root needs a folder."; shift 2 ;;
    *) wrong "backup.sh does not know “$1”." ;;
  esac
done

CDPATH='' cd "$(dirname "${BASH_SOURCE[0]}")/.."
. deploy/lib.sh
use_root "$root"
begin backup.sh 1800
installed
umask 077

while name=$(stamp) && [ -e "$BACKUPS/$name" ]; do sleep 1; done
staged=$STATE/.backup-$name
trap 'rm -rf "$staged" "$BACKUPS/.$name" "$KEY_BACKUPS/.$name"' EXIT
manage backup "$staged"
mv "$staged" "$BACKUPS/.$name"
chown -R -h root:root "$BACKUPS/.$name"
mv "$BACKUPS/.$name" "$BACKUPS/$name"

newest=$(find "$KEY_BACKUPS" -maxdepth 1 -name 'environment-*' | sort | tail -n 1)
if [ -z "$newest" ] || ! cmp -s "$newest" "$ENVIRONMENT"; then
  cp "$ENVIRONMENT" "$KEY_BACKUPS/.$name"
  mv "$KEY_BACKUPS/.$name" "$KEY_BACKUPS/environment-$name"
fi

oldest=$(date -u -d "-$keep days" +%Y%m%dT%H%M%SZ)
for folder in "$BACKUPS"/[0-9]*T[0-9]*Z; do
  [[ ${folder##*/} > $oldest || ${folder##*/} = "$name" ]] || rm -rf "$folder"
done
echo "$BACKUPS/$name"
