# Shared by the scripts; sourced from the project's root folder.
# shellcheck shell=bash
VENV=${VENV:-.venv}

step() { printf '\n== %s\n' "$*"; }

die() { printf '%s\n' "$*" >&2; exit 1; }

# A Python of 3.11 or newer: $PYTHON, else the first that fits. Callers in a substitution add `|| exit`.
find_python() {
  local candidate
  for candidate in ${PYTHON:-python3.11 python3 python3.12 python3.13 python3.14}; do
    if "$candidate" -c 'import sys; sys.exit(sys.version_info < (3, 11))' 2>/dev/null; then
      echo "$candidate"
      return
    fi
  done
  die "${PYTHON:+PYTHON=$PYTHON is not it: }Python 3.11 or newer is needed (PYTHON names one that is not on the PATH)."
}

# setup_venv FILE: a virtual environment with the requirements in FILE; does nothing when they are in it already.
# The larger files hold the smaller ones, so an environment for the browser tests also serves the others.
setup_venv() {
  local file=$1 stamp="$VENV/.installed-$1" sum python
  sum=$(cat requirements*.txt | cksum)
  [ -x "$VENV/bin/python" ] && [ "$(cat "$stamp" 2>/dev/null)" = "$sum" ] && return
  if ! "$VENV/bin/python" -c 'import pip, sys; sys.exit(sys.version_info < (3, 11))' 2>/dev/null; then
    python=$(find_python) || exit
    echo "making a virtual environment in $VENV"
    "$python" -m venv "$VENV" || die "could not make $VENV (Debian: apt-get install python3-venv)"
  fi
  echo "installing $file (once; a minute or two)"
  "$VENV/bin/python" -m pip install -qq --disable-pip-version-check --no-input --require-hashes -r "$file" \
    || die "could not install $file"
  echo "$sum" >"$stamp"
  case $file in
    requirements-e2e.txt) cp "$stamp" "$VENV/.installed-requirements-dev.txt"; cp "$stamp" "$VENV/.installed-requirements.txt" ;;
    requirements-dev.txt) cp "$stamp" "$VENV/.installed-requirements.txt" ;;
  esac
}

# run_tests ARGUMENT...: pytest. A few that failed beside the others are named and run once more, one at a time, and must pass then:
# many of these tests hold real processes to real limits of time, and this tells a machine that was too busy from a fault.
run_tests() {
  local failed=.pytest_cache/v/cache/lastfailed status=0
  rm -f "$failed"
  "$VENV/bin/python" -m pytest "$@" || status=$?
  if [ "$status" = 1 ] && [ -s "$failed" ] && [ "$(wc -l <"$failed")" -le 11 ]; then
    step "once more, one at a time:"
    cat "$failed" && echo
    status=0
    "$VENV/bin/python" -m pytest "$@" -n 0 --last-failed || status=$?
  fi
  return "$status"
}
