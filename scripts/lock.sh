#!/usr/bin/env bash
# Make the lock files anew from requirements*.in (newest versions that fit), with hashes and without index lines.
set -euo pipefail
cd "$(dirname "$0")/.."
. scripts/lib.sh
setup_venv requirements-dev.txt
for name in requirements requirements-apprise requirements-dev requirements-e2e; do
  "$VENV/bin/uv" pip compile --quiet --upgrade --generate-hashes --universal --python-version 3.11 --no-header --no-emit-index-url \
    "$name.in" -o "$name.txt"
done
