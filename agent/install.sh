#!/usr/bin/env bash
# Installs the portal's agent on this Carbonio server. Run again, it changes nothing but what is asked for.
set -euo pipefail

usage() {
  cat <<'TEXT'
Usage: agent/install.sh [--listen ADDRESS] [--port N] [--certificate FILE --key FILE]
       agent/install.sh --uninstall

Installs the portal of this Carbonio server (as root, with Python 3.9 and systemd 247 or newer) and starts it: it looks each
minute, as zextras, and answers Ligbox Audit from what it saw, as a user without rights. Prints the token once, and what to
enter at the tenant.

  --listen ADDRESS     where to listen, in numbers (default: this server's address of the LAN, else 127.0.0.1)
  --port N             (default 8090)
  --certificate FILE   TLS, needed for a public address: the certificate with its chain, and
  --key FILE           its key
  --uninstall          take all of it away again
  --root DIR           everything below this folder, nothing outside; no service is started (for tests)
  --help               this text
TEXT
}

die() { printf '%s\n' "$*" >&2; exit 1; }
wrong() { printf '%s\n' "$1" "Try agent/install.sh --help." >&2; exit 2; }

listen='' port='' certificate='' key='' root='' uninstall=''
while [ $# -gt 0 ]; do
  case $1 in
    -h | --help) usage; exit 0 ;;
    --uninstall) uninstall=1; shift; continue ;;
    --listen | --port | --certificate | --key | --root) [ -n "${2-}" ] || wrong "$1 needs a value." ;;
    *) wrong "install.sh does not know “$1”." ;;
  esac
  case $1 in
    --listen) listen=$2 ;;
    --port) port=$2 ;;
    --certificate) certificate=$2 ;;
    --key) key=$2 ;;
    --root) root=${2%/} ;;
  esac
  shift 2
done
[[ -z $root || $root =~ ^/[A-Za-z0-9/._-]+$ ]] || wrong "--root needs a whole path of plain characters."
[[ -z $listen || $listen =~ ^[0-9a-fA-F.:]+$ ]] || wrong "--listen needs an address in numbers."
[[ -z $port || ($port =~ ^[1-9][0-9]{0,4}$ && $port -le 65535) ]] || wrong "--port needs a number up to 65535."
[ "${certificate:+1}" = "${key:+1}" ] || wrong "--certificate and --key need each other."
for file in "$certificate" "$key"; do
  [[ -z $file || (-f $file && $file =~ ^[A-Za-z0-9/._@-]+$) ]] || wrong "There is no file $file, or its name has strange characters."
done
certificate=${certificate:+$(realpath -s "$certificate")} key=${key:+$(realpath -s "$key")}
CDPATH='' cd "$(dirname "${BASH_SOURCE[0]}")"

program=$root/opt/ligbox-portal settings=$root/etc/ligbox-portal units=$root/etc/systemd/system
services=(ligbox-portal-collect.service ligbox-portal-collect.timer ligbox-portal.service)
[ "$(id -u)" = 0 ] || [ -n "$root" ] || die "install.sh must run as root (sudo)."
umask 022
control() { [ -n "$root" ] || systemctl "$@"; }

if [ -n "$uninstall" ]; then
  control disable --quiet --now ligbox-portal.service ligbox-portal-collect.timer 2>/dev/null || :
  control stop ligbox-portal-collect.service 2>/dev/null || :
  for unit in "${services[@]}"; do rm -rf "${units:?}/$unit" "${units:?}/$unit.d"; done
  rm -rf "$program" "$settings" "$root/run/ligbox-portal"
  control daemon-reload
  [ -n "$root" ] || ! getent group ligbox-snapshot >/dev/null || groupdel ligbox-snapshot
  echo "The portal's agent is gone."
  exit 0
fi

# -- what there is already decides

python=''
for candidate in /usr/bin/python3 /usr/bin/python3.{9,11,12,13,14}; do
  if "$candidate" -c 'import sys; sys.exit(sys.version_info < (3, 9))' 2>/dev/null; then python=$candidate; break; fi
done
[ -n "$python" ] || die "Python 3.9 or newer is needed in /usr/bin (RHEL: dnf install python3.9)."
if [ -z "$root" ]; then
  id zextras >/dev/null 2>&1 || die "There is no user zextras: this is no Carbonio server."
  [ "$(systemctl --version | sed -n '1s/^systemd \([0-9]*\).*/\1/p')" -ge 247 ] || die "systemd 247 or newer is needed."
fi
setting() { [ ! -e "$settings/environment" ] || sed -n "s/^$1=//p" "$settings/environment"; }
listen=${listen:-$(setting LISTEN)} port=${port:-$(setting PORT)} port=${port:-8090}
if [ -z "$listen" ]; then
  for address in $(hostname -I); do
    if [[ $address =~ ^(10\.|192\.168\.|172\.(1[6-9]|2[0-9]|3[01])\.) ]]; then listen=$address; break; fi
  done
fi
listen=${listen:-127.0.0.1}

# -- program, settings, token

[ -n "$root" ] || getent group ligbox-snapshot >/dev/null || groupadd --system ligbox-snapshot
mkdir -p "$program" "$settings" "$units"
chmod 700 "$settings"
install -m 755 ligbox_portal_agent.py "$program/"
printf 'LISTEN=%s\nPORT=%s\n' "$listen" "$port" >"$settings/environment"
made=''
if [ ! -s "$settings/token" ]; then
  (umask 377 && "$python" -c 'import secrets; print(secrets.token_urlsafe(32))' >"$settings/token.part")
  mv "$settings/token.part" "$settings/token"
  made=1
fi

# -- units

for unit in "${services[@]}"; do
  sed -E -e "s#/usr/bin/python3 #$python #" -e "s# /opt/ligbox-portal/# $program/#" -e "s#([=:])/etc/ligbox-portal#\1$settings#" \
    -e "/^ExecStart=/s#\$#${root:+ --snapshot $root/run/ligbox-portal/snapshot.json}#" \
    -e "/^ExecStart=.* collect/s#\$#${root:+ --root $root}#" "$unit" >"$units/$unit"
done
rm -f "$units/ligbox-portal-collect.service.d/zmcontrol.conf"
targets=(carbonio-{directory-server,appserver,proxy,mta}.target)
if [ -e "$root/opt/zextras/bin/zmcontrol" ] && ! "$root/usr/bin/systemctl" is-enabled --quiet "${targets[@]}" 2>/dev/null; then
  mkdir -p "$units/ligbox-portal-collect.service.d"
  cp zmcontrol.conf "$units/ligbox-portal-collect.service.d/"
fi
if [ -n "$certificate" ]; then
  mkdir -p "$units/ligbox-portal.service.d"
  printf '[Service]\nLoadCredential=certificate:%s\nLoadCredential=key:%s\nIPAddressAllow=any\n' "$certificate" "$key" \
    >"$units/ligbox-portal.service.d/tls.conf"
fi
scheme=http
[ ! -e "$units/ligbox-portal.service.d/tls.conf" ] || scheme=https

# -- start

control daemon-reload
control enable --quiet --now ligbox-portal-collect.timer
control enable --quiet ligbox-portal.service
control start ligbox-portal-collect.service || echo "The first look failed; see: journalctl -u ligbox-portal-collect"
control restart ligbox-portal.service
if [ -z "$root" ]; then
  sleep 1
  systemctl is-active --quiet ligbox-portal.service || die "The portal does not start; see: journalctl -u ligbox-portal"
  "$python" -I "$program/ligbox_portal_agent.py" check || echo "What is not known here stays unknown in the audit; see docs/carbonio.md."
fi
host=$listen
[[ $listen != *:* ]] || host="[$listen]"
printf '\nAt the tenant, enter:\n  portal address  %s://%s:%s\n' "$scheme" "$host" "$port"
if [ -n "$made" ]; then
  printf '  portal token    %s   (printed this once)\n' "$(cat "$settings/token")"
else
  printf '  portal token    the one that it has (%s)\n' "$settings/token"
fi
[[ $listen != 127.* ]] || echo "Nobody else reaches 127.0.0.1: give --listen an address of the LAN, or a public one with --certificate and --key."
