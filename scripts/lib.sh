# Shared by the scripts; sourced from the project's root folder.
# shellcheck shell=bash
VENV=${VENV:-.venv}

step() { printf '\n== %s\n' "$*"; }

die() { printf '%s\n' "$*" >&2; exit 1; }

# A Python of 3.11 or newer: $PYTHON, else the first that fits.
find_python() {
  local candidate
  for candidate in ${PYTHON:-} python3.11 python3.12 python3.13 python3; do
    if command -v "$candidate" >/dev/null && "$candidate" -c 'import sys; sys.exit(sys.version_info < (3, 11))' 2>/dev/null; then
      echo "$candidate"
      return
    fi
  done
  die "Python 3.11 or newer is needed (set PYTHON to name one)."
}

# setup_venv FILE: a virtual environment with the requirements in FILE; does nothing when they are in it already.
# The larger files hold the smaller ones, so an environment for the browser tests also serves the others.
setup_venv() {
  local file=$1 stamp="$VENV/.installed-$1" sum python
  [ -x "$VENV/bin/python" ] || { python=$(find_python); echo "making a virtual environment in $VENV"; "$python" -m venv "$VENV" || die "could not make $VENV (Debian: apt-get install python3-venv)"; }
  sum=$(cat requirements*.txt | cksum)
  [ "$(cat "$stamp" 2>/dev/null)" = "$sum" ] && return
  echo "installing $file (once; a minute or two)"
  "$VENV/bin/python" -m pip install --quiet --disable-pip-version-check --no-input --require-hashes -r "$file" \
    || die "could not install $file"
  echo "$sum" >"$stamp"
  case $file in
    requirements-e2e.txt) cp "$stamp" "$VENV/.installed-requirements-dev.txt"; cp "$stamp" "$VENV/.installed-requirements.txt" ;;
    requirements-dev.txt) cp "$stamp" "$VENV/.installed-requirements.txt" ;;
  esac
}
