# Shared by install.sh, upgrade.sh, backup.sh and restore.sh; sourced from the project's root folder.
# shellcheck shell=bash disable=SC2034
. scripts/lib.sh

# What a release is made of: nothing else of the folder that it is installed from.
CONTENT=(audit collectors deploy docs ligbox locale manage.py mock_tenant requirements.txt requirements-apprise.txt scripts static templates)

# use_root DIR: where everything is; '' is the machine itself, a folder holds all of it below itself (nothing outside is
# changed and no service is touched, but by the command in SYSTEMCTL).
use_root() {
  ROOT=${1%/}
  [[ -z $ROOT || $ROOT =~ ^/[A-Za-z0-9/._-]+$ ]] || die "--root needs a whole path of plain characters."
  CODE=$ROOT/opt/ligbox-audit
  CURRENT=$CODE/current
  SETTINGS=$ROOT/etc/ligbox-audit
  ENVIRONMENT=$SETTINGS/environment
  STATE=$ROOT/var/lib/ligbox-audit
  BACKUPS=$ROOT/var/backups/ligbox-audit
  KEY_BACKUPS=$ROOT/var/backups/ligbox-audit-keys
  UNITS=$ROOT/etc/systemd/system
  SITES=$ROOT/etc/nginx
  SOCKET=$ROOT/run/ligbox-web/web.sock
}

# begin NAME [SECONDS]: as root, and one of these scripts at a time; it waits so long for the other one.
begin() {
  [ "$(id -u)" = 0 ] || die "$1 must run as root (sudo)."
  PATH=$PATH:/usr/local/sbin:/usr/sbin:/sbin # where `su` leaves them out
  umask 022
  if [ -z "${LIGBOX_LOCKED:-}" ]; then
    mkdir -p "$ROOT/run/lock"
    exec 9>"$ROOT/run/lock/ligbox-audit.lock"
    flock --wait "${2:-1}" 9 || die "Another of install.sh, upgrade.sh, backup.sh and restore.sh is running."
    export LIGBOX_LOCKED=1
  fi
}

installed() {
  [ -e "$CURRENT/manage.py" ] && [ -e "$ENVIRONMENT" ] && [ -e "$UNITS/ligbox-worker@.service" ] ||
    die "Ligbox Audit is not installed${ROOT:+ in $ROOT}: run scripts/install.sh first."
  SERVICE_USER=$(sed -n 's/^User=//p' "$UNITS/ligbox-worker@.service")
  DOMAIN=$(setting ALLOWED_HOSTS)
  DOMAIN=${DOMAIN%%,*}
  DOMAIN=${DOMAIN,,}
}

# is_name NAME: whether it is a host name in small letters, with a dot, and no address.
is_name() {
  local label='[a-z0-9]([a-z0-9-]{0,61}[a-z0-9])?'
  [[ ${#1} -le 253 && $1 =~ ^($label\.)+$label$ && ! ${1##*.} =~ ^[0-9]+$ ]]
}

# setting NAME: its value in the environment file, '' where it has none.
setting() { sed -n "s/^$1=//p" "$ENVIRONMENT" | tail -n 1 | tr -d "\"' "; }

stamp() { date -u +%Y%m%dT%H%M%SZ; }

# -- files

# adapted FILE: a file of deploy/ with this installation's name, user and folders.
adapted() {
  sed -E -e "s#audit\.example\.com#$DOMAIN#g" \
    -e "s#^(User|Group)=ligbox\$#\1=$SERVICE_USER#" -e "s# ligbox +(ligbox|www-data) # $SERVICE_USER \1 #;s# ligbox -\$# $SERVICE_USER -#" \
    -e "s#(/opt/ligbox-audit|/etc/ligbox-audit|/etc/systemd/system/|/var/lib/ligbox-audit|/var/backups|/var/www/ligbox-acme|/var/log/nginx|/run/ligbox-web|/run/lock)#$ROOT\1#g" \
    "deploy/$1"
}

# place FILE TARGET [MODE]: write a file of deploy/ where it belongs; CHANGED says that something is new. One that somebody
# has changed since stays, and what we would have written stands beside it.
place() {
  local target=$2 kept=$SETTINGS/shipped/$1 new
  new=$(adapted "$1")
  mkdir -p "${target%/*}" "${kept%/*}"
  if [ -e "$target" ] && [ ! -e "$kept" ] && ! cmp -s <(printf '%s\n' "$new") "$target"; then
    mv "$target" "$target.before"
    echo "$target was not ours: it is $target.before now."
  fi
  if [ -e "$target" ] && [ -e "$kept" ] && ! cmp -s "$target" "$kept"; then
    cmp -s <(printf '%s\n' "$new") "$kept" && return
    printf '%s\n' "$new" >"$target.new"
    echo "$target was changed here and stays; what this version ships is in $target.new: compare them."
  elif ! cmp -s <(printf '%s\n' "$new") "$target"; then
    printf '%s\n' "$new" >"$target.part"
    chmod "${3:-644}" "$target.part"
    mv "$target.part" "$target"
    CHANGED=1
  fi
  cmp -s <(printf '%s\n' "$new") "$kept" || printf '%s\n' "$new" >"$kept"
}

place_files() {
  place tmpfiles.conf "$ROOT/etc/tmpfiles.d/ligbox-audit.conf"
  systemd-tmpfiles --create "$ROOT/etc/tmpfiles.d/ligbox-audit.conf"
  CHANGED=
  local unit
  for unit in ligbox-worker@.service ligbox-backup.service ligbox-backup.timer ${WEB:+ligbox-web.service}; do
    place "$unit" "$UNITS/$unit"
  done
  [ -z "$CHANGED" ] || control daemon-reload
  place ligbox-audit "$ROOT/usr/local/sbin/ligbox-audit" 755
}

# place_site: nginx's, taken back where nginx does not like it.
place_site() {
  CHANGED=
  place nginx-site.conf "$SITES/sites-available/ligbox-audit"
  mkdir -p "$SITES/sites-enabled"
  if [ ! -L "$SITES/sites-enabled/ligbox-audit" ]; then
    ln -s ../sites-available/ligbox-audit "$SITES/sites-enabled/ligbox-audit"
    CHANGED=1
  fi
  if [ "$(readlink "$SITES/sites-enabled/default" 2>/dev/null)" = /etc/nginx/sites-available/default ]; then
    rm "$SITES/sites-enabled/default"
    echo "nginx's own page for names that it does not know is off: ours answers those (sites-enabled/default)."
    CHANGED=1
  fi
  [ -z "$ROOT" ] || return 0
  if ! nginx -t -q; then
    rm -f "$SITES/sites-enabled/ligbox-audit"
    die "nginx does not take the site (above); it is off again: mend what is said, then run this again."
  fi
  if [ -n "$CHANGED" ] || ! control is-active --quiet nginx.service; then
    control reload-or-restart nginx.service || die "nginx does not start (see: journalctl -u nginx); is another program on port 80 or 443?"
  fi
}

# -- the program

# requirements_file: what is installed: with Apprise where the settings name services for it.
requirements_file() {
  if [ -e "$ENVIRONMENT" ] && [ -n "$(setting NOTIFY_APPRISE_SCHEMES)" ]; then
    echo requirements-apprise.txt
  else
    echo requirements.txt
  fi
}

# name_release: RELEASE is where this folder's program goes, named by what is in it and what is installed for it.
name_release() {
  local sum
  sum=$({
    find "${CONTENT[@]}" -type f ! -path '*/__pycache__/*' -print0 | LC_ALL=C sort -z | xargs -0 sha256sum
    requirements_file
  } | sha256sum)
  RELEASE=$CODE/releases/$(sed -n 's/^VERSION = "\(.*\)"$/\1/p' ligbox/__init__.py)-${sum:0:12}
}

# make_release: this folder's program in RELEASE. What runs is not touched. Virtual environments are shared by releases with
# the same requirements.
make_release() {
  local python=${PYTHON:-/usr/bin/python3} sum venv requirements
  requirements=$(requirements_file)
  [ ! -e "$RELEASE/.complete" ] || return 0
  "$python" -c 'import sys; sys.exit(sys.version_info < (3, 11))' || die "Python 3.11 or newer is needed ($python)."
  step "the program: $RELEASE"
  rm -rf "$RELEASE"
  mkdir -p "$RELEASE" "$CODE/environments"
  tar -c --exclude=__pycache__ --mode=u=rwX,go=rX --owner=0 --group=0 "${CONTENT[@]}" | tar -x -C "$RELEASE"
  if [ -n "${LIGBOX_VENV:-}" ]; then
    venv=$LIGBOX_VENV
  else
    sum=$({ "$python" -V; cat "$requirements"; } | sha256sum)
    venv=$CODE/environments/${sum:0:12}
    if [ ! -e "$venv/.complete" ]; then
      echo "installing what it needs (a minute or two)"
      rm -rf "$venv"
      "$python" -m venv "$venv" || die "could not make $venv (Debian: apt-get install python3-venv)"
      "$venv/bin/python" -m pip install -qq --disable-pip-version-check --no-input --require-hashes -r "$requirements" ||
        die "could not install $requirements; nothing was changed"
      touch "$venv/.complete"
    fi
  fi
  ln -s "$venv" "$RELEASE/.venv"
  "$RELEASE/.venv/bin/python" -m compileall -q "$RELEASE"/{audit,collectors,ligbox,mock_tenant}
  install -d -o "$SERVICE_USER" "$RELEASE/staticfiles"
  manage_in "$RELEASE" collectstatic --noinput -v 0 || die "static files could not be collected; nothing was changed"
  chown -R root:root "$RELEASE/staticfiles"
  chmod -R a+rX "$RELEASE/staticfiles"
  touch "$RELEASE/.complete"
}

# activate RELEASE: what runs from the next start on.
activate() {
  ln -sfn "releases/${1##*/}" "$CODE/.next"
  mv -T "$CODE/.next" "$CURRENT"
}

as_service() { /usr/bin/python3 deploy/as_service.py --unit "$UNITS/ligbox-worker@.service" "$@"; }

# manage_in RELEASE …: its manage.py, as the service's user with the service's settings.
manage_in() {
  local folder=$1
  shift
  as_service --folder "$folder" -- .venv/bin/python manage.py "$@"
}

manage() { manage_in "$CURRENT" "$@"; }

# -- services

has_systemd() { [ -n "${SYSTEMCTL:-}" ] || { [ -z "$ROOT" ] && [ -d /run/systemd/system ]; }; }

# control …: systemctl, where there is one (SYSTEMCTL names another command for it).
control() {
  has_systemd || return 0
  # shellcheck disable=SC2086 # a command with its arguments
  ${SYSTEMCTL:-systemctl} "$@"
}

# our_units: those of this host that are enabled, a line each.
our_units() {
  local link
  for link in "$UNITS"/multi-user.target.wants/ligbox-{web,worker@*}.service; do
    [ ! -L "$link" ] || echo "${link##*/}"
  done
}

stop_all() {
  local units
  mapfile -t units < <(our_units)
  [ ${#units[@]} = 0 ] || control stop "${units[@]}"
}

start_all() {
  local units
  mapfile -t units < <(our_units)
  [ ${#units[@]} = 0 ] || control start "${units[@]}"
}

# wait_ready SECONDS [PATH]: until the site says so to nginx's user, who must come to its socket.
wait_ready() {
  { has_systemd && [ -L "$UNITS/multi-user.target.wants/ligbox-web.service" ]; } || return 0
  runuser -u www-data -- /usr/bin/python3 "$CURRENT/deploy/ready.py" "$SOCKET" "$DOMAIN" "$@"
}
