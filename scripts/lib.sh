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

# beside COMMAND…: runs beside what follows, and ends with this script; for what mostly waits.
# joined: waits for all that runs beside, shows what it said, and fails where one of them failed.
beside_pids=() beside_said=()
beside() {
  beside_said+=("$(mktemp)")
  trap end_beside EXIT
  set -m # each a group of processes, to be ended as one
  "$@" >"${beside_said[-1]}" 2>&1 </dev/null &
  beside_pids+=($!)
  set +m
}
end_beside() {
  local pid
  for pid in "${beside_pids[@]}"; do kill -- "-$pid" 2>/dev/null || true; done
  rm -f "${beside_said[@]}"
}
joined() {
  local n failed=
  for n in "${!beside_pids[@]}"; do
    wait "${beside_pids[n]}" || failed=1
    cat "${beside_said[n]}"
  done
  [ -z "$failed" ] || die "What ran beside the tests failed, above."
}

# use_newer_python: an environment of its own, of the newest Python after 3.11 that is here (python3.x on the PATH, or pyenv's),
# is the one from here on. Fails, and changes nothing, where there is none.
use_newer_python() {
  local candidate
  for candidate in python3.14 python3.13 python3.12 $(printf "%s\n" "${PYENV_ROOT:-$HOME/.pyenv}"/versions/3.1[2-9]*/bin/python3 | sort -rV); do
    if "$candidate" -c 'import sys; sys.exit(sys.version_info < (3, 12))' 2>/dev/null; then
      VENV=.venv-newer PYTHON=$candidate
      setup_venv requirements-dev.txt
      return
    fi
  done
  return 1
}

# How whole rooms are run: a process more than there are cores, as many tests wait, and eight at most (Redis has 16 databases); each
# file in one process, as its tests share what it made; in the order of tests/conftest.py.
# shellcheck disable=SC2034 # for those who source this
in_rooms=(-n "${TEST_PROCESSES:-$(($(nproc) < 7 ? $(nproc) + 1 : 8))}" --dist loadfile --no-loadscope-reorder)

# run_tests ARGUMENT...: pytest. A few that failed beside the others are named and run once more, one at a time, and must pass then:
# many of these tests hold real processes to real limits of time, and this tells a machine that was too busy from a fault.
run_tests() {
  local status=0 cache failed
  cache=$(mktemp -d) # its own: others run beside
  failed=$cache/v/cache/lastfailed
  "$VENV/bin/python" -m pytest "$@" -o cache_dir="$cache" || status=$?
  if [ "$status" = 1 ] && [ -s "$failed" ] && [ "$(wc -l <"$failed")" -le 11 ]; then
    step "once more, one at a time:"
    cat "$failed" && echo
    status=0
    "$VENV/bin/python" -m pytest "$@" -n 0 --last-failed -o cache_dir="$cache" || status=$?
  fi
  rm -rf "$cache"
  return "$status"
}
