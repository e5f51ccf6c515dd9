#!/usr/bin/env bash
# Lint, types, templates, migrations in step, translations in step. Needs gettext for the last one, and shellcheck for scripts.
set -euo pipefail
cd "$(dirname "$0")/.."
. scripts/lib.sh
setup_venv requirements-dev.txt

step "ruff"
"$VENV/bin/ruff" check .
"$VENV/bin/ruff" format --check .
step "shellcheck"
if command -v shellcheck >/dev/null; then
  shellcheck --severity=warning .ci/run agent/install.sh deploy/ligbox-audit deploy/*.sh scripts/*.sh
else
  echo "left out: shellcheck is not installed here"
fi
step "mypy"
"$VENV/bin/mypy"
step "djlint"
"$VENV/bin/djlint" templates --lint --quiet
step "system checks"
"$VENV/bin/python" manage.py check --fail-level WARNING
SECRET_KEY=$("$VENV/bin/python" -c 'import secrets; print(secrets.token_urlsafe(64))') DEBUG=0 ALLOWED_HOSTS=audit.example.com \
  ENCRYPTION_KEYS=$("$VENV/bin/python" -c 'from cryptography.fernet import Fernet; print(Fernet.generate_key().decode())') \
  "$VENV/bin/python" manage.py check --deploy --fail-level WARNING
step "migrations in step"
"$VENV/bin/python" manage.py makemigrations --check --dry-run
step "translations in step"
bash scripts/translate.sh --check
echo "check.sh: all good"
