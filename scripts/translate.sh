#!/usr/bin/env bash
# Bring locale/ in step with the code and compile it, for each of LANGUAGES but English (needs gettext). With --check: change
# nothing, and fail where the translations are not in step, not complete, or not compiled.
set -euo pipefail
cd "$(dirname "$0")/.."
. scripts/lib.sh
command -v msgfmt >/dev/null || die "gettext is missing (Debian: apt-get install gettext)"
setup_venv requirements-dev.txt
mode=${1:-}
case $mode in "" | --check) ;; *) die "usage: scripts/translate.sh [--check]" ;; esac

locales=$("$VENV/bin/python" -c '
from django.utils.translation import to_locale
from ligbox.settings import LANGUAGES
print(*(to_locale(code) for code, name in LANGUAGES if code != "en"))') || die "the settings cannot be read"
tmp=$(mktemp -d)

# makemessages works in place, so a check puts the files back, whatever happens.
cp -rp locale "$tmp/before"
finish() {
  [ "$mode" != "--check" ] || { rm -rf locale; cp -rp "$tmp/before" locale; }
  rm -rf "$tmp"
}
trap finish EXIT

ignore=()
for entry in * .[!.]*; do
  case $entry in
    audit | collectors | ligbox | locale | templates) ;;
    *) [ ! -d "$entry" ] || ignore+=(--ignore "$entry/*") ;;
  esac
done
wanted=()
for locale in $locales; do wanted+=(-l "$locale"); done
"$VENV/bin/python" manage.py makemessages "${wanted[@]}" --no-location --no-wrap --no-obsolete "${ignore[@]}" >/dev/null

# Without comments: the flags that xgettext guesses differ from version to version.
said() { grep -v '^#' "$1" || true; }
# Unpacked: two versions of msgfmt lay the same translations out differently.
words() { msgunfmt --sort-output "$1"; }
for locale in $locales; do
  po=locale/$locale/LC_MESSAGES/django.po
  mo=${po%.po}.mo
  # Sorted, so that moving code changes nothing here; without the date, so that running it again changes nothing.
  msgcat --sort-output --no-wrap "$po" | sed '/^"POT-Creation-Date:/d' >"$tmp/sorted.po"
  cat "$tmp/sorted.po" >"$po"
  counts=$(LC_ALL=C msgfmt --check --statistics -o "$tmp/new.mo" "$po" 2>&1) || die "$counts"
  incomplete=$(grep -E 'fuzzy|untranslated' <<<"$counts" || true)
  if [ "$mode" = "--check" ]; then
    before=$tmp/before/${po#locale/}
    [ -e "$before" ] || die "$po is missing: run scripts/translate.sh and translate it"
    if ! diff <(said "$before") <(said "$po") >"$tmp/diff"; then
      head -40 "$tmp/diff" >&2
      die "$po is not in step with the code: run scripts/translate.sh and translate what is new"
    fi
    [ -z "$incomplete" ] || die "$po: $incomplete"
    cmp -s <(words "$tmp/new.mo") <(words "$mo") || die "$mo is old: run scripts/translate.sh"
  else
    cp "$tmp/new.mo" "$mo"
    echo "$locale: $counts"
    [ -z "$incomplete" ] || echo "translate what is missing in $po, remove its fuzzy flags, and run this again" >&2
  fi
done
