#!/usr/bin/env bash
# Bring locale/ in step with the code and compile it (needs gettext). With --check: fail if that would change anything.
set -euo pipefail
cd "$(dirname "$0")/.."
. scripts/lib.sh
setup_venv requirements-dev.txt
command -v msgfmt >/dev/null || { echo "gettext is missing (Debian: apt-get install gettext)" >&2; exit 1; }
po=locale/pt/LC_MESSAGES/django.po
before=$(mktemp)
cp "$po" "$before"
"$VENV/bin/python" manage.py makemessages -l pt --no-location --no-wrap --no-obsolete --add-location never \
  --ignore '.venv/*' --ignore 'tests/*' --ignore 'staticfiles/*' --ignore 'mock_tenant/*' >/dev/null
sed -i '/^"POT-Creation-Date:/d' "$po"
if [ "${1:-}" = "--check" ]; then
  if ! cmp -s "$before" "$po"; then
    diff "$before" "$po" | head -40 >&2
    cp "$before" "$po"
    echo "locale/ is not in step with the code: run scripts/translate.sh and translate what is new" >&2
    exit 1
  fi
  compiled=$(mktemp)
  msgfmt --check -o "$compiled" "$po"
  cmp -s "$compiled" "${po%.po}.mo" || { echo "the compiled translations are old: run scripts/translate.sh" >&2; exit 1; }
  missing=$(msgattrib --untranslated --no-obsolete "$po" | grep -c '^msgid' || true)
  fuzzy=$(msgattrib --only-fuzzy --no-obsolete "$po" | grep -c '^msgid' || true)
  if [ "$missing" -gt 1 ] || [ "$fuzzy" -gt 1 ]; then
    echo "$po: $missing untranslated, $fuzzy fuzzy" >&2
    exit 1
  fi
else
  msgfmt --check -o "${po%.po}.mo" "$po"
fi
