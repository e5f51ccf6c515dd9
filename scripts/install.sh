#!/usr/bin/env bash
# Installs Ligbox Audit on this Debian machine, from a clone, behind nginx and under systemd. Run again, it changes nothing.
set -euo pipefail

usage() {
  cat <<'TEXT'
Usage: scripts/install.sh --domain NAME [--database sqlite|postgresql] [--workers N]
                          [--certificate FILE --key FILE]
       scripts/install.sh --environment FILE --no-web [--workers N]

Installs Ligbox Audit on this machine (Debian 12 or newer, as root) and starts it: packages, the user ligbox, the program in
/opt/ligbox-audit, settings with new keys in /etc/ligbox-audit/environment, the database, units, nginx, a backup each night,
and a first administrator whose password is printed once. Run again it changes nothing but what you ask for.

  --domain NAME        the site's name, such as audit.example.com
  --database KIND      sqlite (default; up to some 5,000 domains, one host) or postgresql (made here, by name of the system's user)
  --database-url URL   a PostgreSQL database that is there already: postgres://user:password@host/name
  --redis-url URL      a Redis as the queue, needed for more than one host: redis://:password@host:6379/0
  --workers N          worker services on this host (default 1)
  --certificate FILE   the site's certificate with its chain, and
  --key FILE           its key; without them one is made that browsers warn of: see docs/operations.md for a real one
  --environment FILE   settings of another host of the same site (its keys!), for a second host
  --no-web             no web and no nginx here: only workers
  --user NAME          the system's user to run as (default ligbox)
  --root DIR           everything below this folder, nothing outside; no service is started
  --help               this text

Examples:
  scripts/install.sh --domain audit.example.com
  scripts/install.sh --domain audit.example.com --database postgresql --workers 2
  scripts/install.sh --certificate /etc/letsencrypt/live/audit.example.com/fullchain.pem \
                     --key /etc/letsencrypt/live/audit.example.com/privkey.pem
TEXT
}

wrong() { printf '%s\n' "$1" "Try scripts/install.sh --help." >&2; exit 2; }

domain='' database='' database_url='' redis_url='' workers='' certificate='' key='' environment='' root=''
user='' WEB=1
while [ $# -gt 0 ]; do
  option=${1%%=*}
  case $option in
    -h | --help) usage; exit 0 ;;
    --no-web) WEB='' ; shift; continue ;;
    --domain | --database | --database-url | --redis-url | --workers | --certificate | --key | --environment | --user | --root) ;;
    *) wrong "install.sh does not know “$1”." ;;
  esac
  if [[ $1 = *=* ]]; then value=${1#*=}; shift; else value=${2-}; shift; [ $# = 0 ] || shift; fi
  [ -n "$value" ] || wrong "$option needs a value."
  case $option in
    --domain) domain=$value ;;
    --database) database=$value ;;
    --database-url) database_url=$value ;;
    --redis-url) redis_url=$value ;;
    --workers) workers=$value ;;
    --certificate) certificate=$value ;;
    --key) key=$value ;;
    --environment) environment=$value ;;
    --user) user=$value ;;
    --root) root=$value ;;
  esac
done
case $database in '' | sqlite | postgresql) ;; *) wrong "--database is sqlite or postgresql." ;; esac
[[ -z $database_url || $database_url =~ ^postgres(ql)?://[^[:space:]]+$ ]] || wrong "--database-url begins with postgres://"
[ -z "$database_url" ] || [ "${database:-postgresql}" = postgresql ] || wrong "--database-url is of PostgreSQL."
[[ -z $redis_url || $redis_url =~ ^(rediss?|unix)://[^[:space:]]+$ ]] || wrong "--redis-url begins with redis://, rediss:// or unix://"
[[ -z $workers || $workers =~ ^[1-9][0-9]?$ ]] || wrong "--workers needs a number from 1 to 99."
[[ -z $user || ($user =~ ^[a-z_][a-z0-9_-]{0,30}$ && $user != root) ]] || wrong "--user needs a user's name, and not root."
[ -n "$certificate" ] && [ -z "$key" ] && wrong "--certificate needs --key."
[ -n "$key" ] && [ -z "$certificate" ] && wrong "--key needs --certificate."
for file in "$certificate" "$key" "$environment"; do
  [ -z "$file" ] || [ -f "$file" ] || wrong "There is no file $file."
done

certificate=${certificate:+$(realpath -s "$certificate")} key=${key:+$(realpath -s "$key")} environment=${environment:+$(realpath "$environment")}
CDPATH='' cd "$(dirname "${BASH_SOURCE[0]}")/.."
. deploy/lib.sh
domain=${domain,,} domain=${domain%.}
[ -z "$domain" ] || is_name "$domain" ||
  wrong "--domain needs a host name such as audit.example.com: no address, no port, and what is not ASCII as xn--…"
use_root "$root"
[ -e "$ENVIRONMENT" ] || [ -n "$domain" ] || [ -n "$environment" ] || wrong "--domain is needed."
begin install.sh

# -- what there is already decides

name_release
if [ -L "$CURRENT" ]; then
  [ "$(readlink "$CURRENT")" = "releases/${RELEASE##*/}" ] || die "Another version is installed: scripts/upgrade.sh brings this one."
  present=$(sed -n 's/^User=//p' "$UNITS/ligbox-worker@.service")
  [ "${user:-$present}" = "$present" ] || die "It is installed for the user $present, which stays."
  user=$present
  if [ ! -e "$UNITS/ligbox-web.service" ] && [ -z "$domain" ]; then WEB=''; fi
fi
SERVICE_USER=${user:-ligbox}
if [ -e "$ENVIRONMENT" ]; then
  [ -z "$environment" ] || cmp -s "$environment" "$ENVIRONMENT" || die "$ENVIRONMENT is there already and not that one; nothing was changed."
  hosts=$(setting ALLOWED_HOSTS)
  hosts=${hosts,,}
  [ -z "$domain" ] || [[ ,$hosts, = *,$domain,* ]] || die "ALLOWED_HOSTS in $ENVIRONMENT does not name $domain: put it there first, then run this again."
  DOMAIN=${domain:-${hosts%%,*}}
  present=$(setting DATABASE_URL)
  kind=postgresql
  [[ $present != sqlite:* ]] || kind=sqlite
  [[ ${database:-$kind} = "$kind" && ${database_url:-$present} = "$present" ]] ||
    die "DATABASE_URL in $ENVIRONMENT names another database, which stays: see “When it grows” in docs/operations.md."
else
  DOMAIN=${domain:-$(sed -n 's/^ALLOWED_HOSTS=\([^,]*\).*/\1/p' "${environment:-/dev/null}")}
  [ -n "$DOMAIN" ] || wrong "$environment does not say ALLOWED_HOSTS."
  database=${database:-${database_url:+postgresql}}
  socket=${PGHOST:-/var/run/postgresql}
  if [ -n "$environment" ]; then
    database_url=$(sed -n 's/^DATABASE_URL=//p' "$environment" | tail -n 1)
    [ -n "$database_url" ] || wrong "$environment does not say DATABASE_URL."
  elif [ "${database:-sqlite}" = sqlite ]; then
    database_url=sqlite:///$STATE/ligbox.sqlite3
  elif [ -z "$database_url" ]; then
    database_url=postgres://$SERVICE_USER@${socket//\//%2F}${PGPORT:+:$PGPORT}/ligbox_audit
  fi
  present=$database_url
fi
DOMAIN=${DOMAIN,,}
is_name "$DOMAIN" || die "ALLOWED_HOSTS must begin with the site's name, such as audit.example.com, and not with “$DOMAIN”."
worker_count() {
  local links=("$UNITS"/multi-user.target.wants/ligbox-worker@*.service)
  [ -L "${links[0]}" ] && echo ${#links[@]} || echo 1
}
workers=${workers:-$(worker_count)}

# -- packages and user

if [ -z "$ROOT" ]; then
  packages=()
  [ -x /usr/bin/python3 ] || packages+=(python3)
  /usr/bin/python3 -c 'import ensurepip' 2>/dev/null || packages+=(python3-venv)
  command -v systemd-tmpfiles >/dev/null || packages+=(systemd)
  command -v openssl >/dev/null || packages+=(openssl)
  [ -z "$WEB" ] || command -v nginx >/dev/null || packages+=(nginx)
  case $present in
    sqlite:*) ;;
    *@%2F*) ls -d /usr/lib/postgresql/*/bin >/dev/null 2>&1 || packages+=(postgresql) ;;
    *) command -v pg_dump >/dev/null || packages+=(postgresql-client) ;;
  esac
  if [ ${#packages[@]} -gt 0 ]; then
    step "apt: ${packages[*]}"
    export DEBIAN_FRONTEND=noninteractive
    apt-get update -qq
    apt-get install -y -qq --no-install-recommends "${packages[@]}" >/dev/null
  fi
fi
if ! id "$SERVICE_USER" >/dev/null 2>&1; then
  [ -z "$ROOT" ] || die "With --root, --user names a user that is there."
  useradd --system --user-group --no-create-home --home-dir /var/lib/ligbox-audit --shell /usr/sbin/nologin "$SERVICE_USER"
fi

getent group "$SERVICE_USER" >/dev/null || die "The user $SERVICE_USER needs a group of the same name: groupadd --system $SERVICE_USER"

# -- settings, once

mkdir -p "$SETTINGS"
chmod 700 "$SETTINGS"
place_files
if [ ! -e "$ENVIRONMENT" ]; then
  step "settings: $ENVIRONMENT"
  random() { /usr/bin/python3 -c "import base64, os; print(base64.urlsafe_b64encode(os.urandom($1)).decode())"; }
  (
    umask 077
    if [ -n "$environment" ]; then
      cat "$environment"
    else
      while IFS= read -r line; do
        case $line in
          ALLOWED_HOSTS=*) line=ALLOWED_HOSTS=$DOMAIN ;;
          SECRET_KEY=) line+=$(random 64) ;;
          ENCRYPTION_KEYS=) line+=$(random 32) ;;
          DATABASE_URL=) line+=$database_url ;;
          '# REDIS_URL='*) [ -z "$redis_url" ] || line=REDIS_URL=$redis_url ;;
        esac
        printf '%s\n' "$line"
      done <deploy/environment
    fi >"$ENVIRONMENT.part"
  )
  mv "$ENVIRONMENT.part" "$ENVIRONMENT"
fi
chmod 600 "$ENVIRONMENT"

# -- the program

make_release
[ -L "$CURRENT" ] || activate "$RELEASE"

# -- database and first administrator

url=$(setting DATABASE_URL)
if [ -n "$WEB" ]; then
  if [[ $url = "postgres://$SERVICE_USER@%2F"* ]]; then
    step "PostgreSQL: role $SERVICE_USER, database ${url##*/}"
    sql() { (cd / && runuser -u postgres -- psql -X -qAt -v ON_ERROR_STOP=1 "$@"); }
    [ "$(sql -c "select 1 from pg_roles where rolname = '$SERVICE_USER'")" ] || sql -c "create role \"$SERVICE_USER\" login"
    [ "$(sql -c "select 1 from pg_database where datname = '${url##*/}'")" ] ||
      sql -c "create database \"${url##*/}\" owner \"$SERVICE_USER\" encoding 'UTF8' template template0"
  fi
  manage migrate -v 0
  password=$(/usr/bin/python3 -c 'import secrets; print(secrets.token_urlsafe(15))')
  # At the end, and also where something below goes wrong: it is known nowhere else.
  trap '[ -z "${made:-}" ] || printf "\n  account   admin\n  password  %s   (printed this once; change it after signing in)\n" "$password"' EXIT
  made=$(FIRST_PASSWORD=$password as_service --pass FIRST_PASSWORD -- .venv/bin/python manage.py shell -v 0 -c '
import os
from django.contrib.auth.models import User
if not User.objects.filter(is_superuser=True).exists():
    User.objects.create_superuser("admin", "", os.environ["FIRST_PASSWORD"])
    print("made")')
fi

# -- units

services=()
[ -z "$WEB" ] || services+=(ligbox-web.service ligbox-backup.timer)
for number in $(seq "$workers"); do services+=("ligbox-worker@$number.service"); done
if has_systemd; then
  for link in "$UNITS"/multi-user.target.wants/ligbox-worker@*.service; do
    unit=${link##*/}
    [ ! -L "$link" ] || [[ " ${services[*]} " = *" $unit "* ]] || control disable --quiet --now "$unit"
  done
  control enable --quiet "${services[@]}"
fi

# -- nginx

if [ -n "$WEB" ]; then
  tls=$SETTINGS/tls
  if [ -n "$certificate" ]; then
    [ "$(openssl x509 -in "$certificate" -noout -pubkey)" = "$(openssl pkey -in "$key" -pubout)" ] || die "$key is not the key of $certificate."
    ln -sfn "$certificate" "$tls/certificate.pem"
    ln -sfn "$key" "$tls/key.pem"
  elif [ ! -e "$tls/certificate.pem" ]; then
    (umask 077 && openssl req -x509 -newkey ec -pkeyopt ec_paramgen_curve:P-256 -nodes -days 365 -subj "/CN=$DOMAIN" \
      -addext "subjectAltName=DNS:$DOMAIN" -keyout "$tls/key.pem" -out "$tls/certificate.pem" 2>/dev/null)
    echo "The certificate is one that browsers warn of; docs/operations.md says how to get a real one."
  fi
  place_site
  [ -n "$ROOT" ] || [ -z "$certificate" ] || control reload nginx.service
fi

# -- start

if has_systemd; then
  control start "${services[@]}"
  wait_ready 90 || die "It was started and is not ready; look at: journalctl -u ligbox-web -u 'ligbox-worker@*'"
  if [ -n "$WEB" ]; then printf '\nLigbox Audit runs: https://%s/\n' "$DOMAIN"; else printf '\nThe workers run.\n'; fi
else
  printf '\nEverything is in place. There is no systemd%s: start what the units in %s say.\n' "${ROOT:+ for $ROOT}" "$UNITS"
fi
