"""A Carbonio server's files below a folder, in the shapes that its public code writes, by hand; its
programs are Debian's (ldapsearch, nginx) or scripts that print what was recorded."""

import base64
import importlib.util
import json
import os
import shutil
import subprocess
import sys
import time
from pathlib import Path

ROOT = Path(__file__).resolve().parents[2]
AGENT = ROOT / "agent/ligbox_portal_agent.py"
HOST = "mail.host.test"
TOKEN = "a-token-of-twenty-characters-or-more"
PYTHON39 = Path("~/.pyenv/versions/3.9.18/bin/python").expanduser()
PASSWORD = "pass word'$(x)"  # to be handed on as it is

spec = importlib.util.spec_from_file_location("ligbox_portal_agent", AGENT)
agent = importlib.util.module_from_spec(spec)
sys.modules[spec.name] = agent
spec.loader.exec_module(agent)

KEY = base64.b64encode(bytes(range(256)) + b"0" * 38).decode()


def genkey(selector, domain, key=KEY):
    """What opendkim-genkey writes for DNS: quoted parts in brackets, and a comment."""
    parts = [key[at : at + 200] for at in range(0, len(key), 200)]
    text = '"\n\t  "'.join([f"p={parts[0]}", *parts[1:]])
    record = f'{selector}._domainkey\tIN\tTXT\t( "v=DKIM1; h=sha256; k=rsa; "\n\t  "{text}" )'
    return f"{record}  ; ----- DKIM key {selector} for {domain}\n"


def dn(domain):
    return ",".join(f"dc={label}" for label in domain.split("."))


def ldif(name, value):
    """A line of LDIF: base64 where the value is no plain line (RFC 2849)."""
    if value.isascii() and value.isprintable() and value[:1] not in " :<":
        return f"{name}: {value}\n"
    return f"{name}:: {base64.b64encode(value.encode()).decode()}\n"


def domain_entry(domain, *, accounts=2, key=True, **attributes):
    """LDIF of a domain, in slapadd's and in ldapsearch's form, with its accounts."""
    values = {
        "zimbraDomainName": domain,
        "zimbraDomainType": "local",
        "zimbraDomainStatus": "active",
    }
    values["zimbraVirtualHostname"] = f"webmail.{domain}"
    if key:
        selector = f"0A1B-{domain.replace('.', '-')}".upper()
        values |= {"DKIMSelector": selector, "DKIMPublicKey": genkey(selector, domain)}
    values |= attributes
    classes = ["dcObject", "organization", "zimbraDomain", *(["DKIM"] if key else [])]
    text = f"dn: {dn(domain)}\n" + "".join(f"objectClass: {name}\n" for name in classes)
    text += f"dc: {domain.split('.')[0]}\no: {domain}\n"
    for name, given in values.items():
        for value in given if isinstance(given, list) else [given]:
            text += ldif(name, value) if value is not None else ""
    for number in range(accounts):
        text += f"\n{account_entry(domain, f'user{number}')}"
    return text + "\n"


def account_entry(domain, user, *, classes=(), **attributes):
    text = f"dn: uid={user},ou=people,{dn(domain)}\n"
    for name in ("inetOrgPerson", "zimbraAccount", *classes):
        text += f"objectClass: {name}\n"
    text += f"uid: {user}\ncn: {user}\nsn: {user}\n"
    return text + "".join(ldif(name, value) for name, value in attributes.items())


# -- services

TARGETS = ["directory-server", "appserver", "proxy", "mta"]
RUN = ["openldap", "appserver", "appserver-db", "nginx", "memcached", "postfix", "opendkim"]
RUN += ["mailthreat", "antivirus", "configd"]


def block(unit, load="loaded", active="active", file="enabled"):
    return f"Id=carbonio-{unit}\nLoadState={load}\nActiveState={active}\nUnitFileState={file}\n"


def systemd_says(targets=TARGETS, units=RUN, **states):
    """The output of `systemctl show`; states: unit with _ for - → its ActiveState."""
    states = {unit.replace("_", "-"): state for unit, state in states.items()}
    blocks = []
    for name in TARGETS:
        there = (f"{name}.target", "loaded", "active", "enabled")
        gone = (f"{name}.target", "not-found", "inactive", "")
        blocks.append(block(*(there if name in targets else gone)))
    for name in agent.UNITS:
        there = (f"{name}.service", "loaded", states.get(name, "active"), "enabled")
        gone = (f"{name}.service", "not-found", "inactive", "")
        blocks.append(block(*(there if name in units else gone)))
    return "\n".join(blocks)


def zmcontrol_says(**states):
    """The output of `zmcontrol status` where no target is enabled."""
    names = ["amavis", "antivirus", "config service", "directory-server", "mailbox", "memcached"]
    names += ["mta", "opendkim", "proxy", "service webapp", "stats"]
    text = f"Host {HOST}\n"
    for name in names:
        state = states.get(name.replace(" ", "_"), "Running")
        text += f"\t{name:<20} {state:>10}\n"
        text += "\t\tmilter is not running\n" if state == "Stopped" else ""
    return text


# -- nginx

SITE = """
map $http_cookie $auth_token_cookie {{
    default       0;
    "~ZM_AUTH_TOKEN="  1;
}}

server
{{
    server_name             {name};

    listen                  {listen}{default}{ssl};
    #listen                  [::]:443 ssl;
    {certificate}
    # no limit of the request's body; {{
    client_max_body_size    0;
    add_header Strict-Transport-Security "max-age=31536000";
    set $login_upstream     zimbra;
    if ($http_cookie ~ "ZM_AUTH_TOKEN=") {{
        set $login_upstream    zimbra_webclient;
    }}
    location = /robots.txt
    {{
      default_type text/plain;
      return 200 "User-agent: *\\nDisallow: /\\n";
    }}
    location ~/static/(.*)
    {{
      return 404 "; server_name not.this.one; {{";
    }}
    location / {{
      default_type "text/html; charset=utf-8";
      return 200 '{page}';
    }}
}}
"""
PAGE = (
    '<!doctype html><html><head><meta charset="utf-8"><title>Carbonio - Login</title></head><body>'
    '<h1>Carbonio</h1><form method="post"><label>Utilizador <input></label></form></body></html>'
)


class Carbonio:
    """The server below `folder`; what it has is changed before `collect`."""

    def __init__(self, folder, *, ldap_url="ldap://127.0.0.1:1", https=8443, http=8080):
        self.root, self.https, self.http = Path(folder) / "carbonio", https, http
        self.zextras = self.root / "opt/zextras"
        self.conf, self.includes = self.zextras / "conf", self.zextras / "conf/nginx/includes"
        for path in (
            "conf/nginx/includes",
            "conf/domaincerts",
            "common/bin",
            "common/sbin",
            "bin",
            "log",
        ):
            (self.zextras / path).mkdir(parents=True)
        (self.root / "usr/bin").mkdir(parents=True)
        (self.root / "run/ligbox-portal").mkdir(parents=True)
        self.snapshot = self.root / "run/ligbox-portal/snapshot.json"
        for name, place in (("ldapsearch", "common/bin"), ("nginx", "common/sbin")):
            found = shutil.which(name)
            if found:
                (self.zextras / place / name).symlink_to(found)
        self.local_config(ldap_url=ldap_url)
        self.systemd(systemd_says())
        self.sites({})

    def local_config(self, **keys):
        """localconfig.xml, as zmlocalconfig writes it."""
        keys = {
            "zimbra_server_hostname": HOST,
            "zimbra_ldap_userdn": "uid=zimbra,cn=admins,cn=zimbra",
            "zimbra_ldap_password": PASSWORD,
            "ldap_starttls_supported": "0",
            "zimbra_require_interprocess_security": "1",
            **keys,
        }
        text = '<?xml version="1.0" encoding="UTF-8"?>\n\n<localconfig>\n'
        for name, value in keys.items():
            escaped = value.replace("&", "&amp;").replace("<", "&lt;")
            text += f'  <key name="{name}">\n    <value>{escaped}</value>\n  </key>\n'
        (self.conf / "localconfig.xml").write_text(text + "</localconfig>\n")

    def script(self, path, output, code=0, error=""):
        """A program that prints this and ends with this code."""
        file = self.root / path
        file.unlink(missing_ok=True)
        kept = file.with_name(f"{file.name}.says")
        kept.write_text(output)
        file.write_text(f"#!/bin/sh\ncat '{kept}'\nprintf '%s\\n' '{error}' >&2\nexit {code}\n")
        file.chmod(0o755)

    def systemd(self, output, code=0):
        self.script("usr/bin/systemctl", output, code)

    def zmcontrol(self, output, code=0):
        self.systemd(systemd_says(targets=[], units=[]))
        self.script("opt/zextras/bin/zmcontrol", output, code)

    def ldapsearch(self, output, code=0, error=""):
        self.script("opt/zextras/common/bin/ldapsearch", output, code, error)

    def sites(
        self, certificates, *, mark="#__SUCCESS__", plain=(), default=("_own", ""), page=PAGE
    ):
        """nginx.conf and its includes: a server for each name of `certificates` {name: path or
        value}; `plain`: names without TLS; `default`: (name, certificate) of the one for others."""
        base = "nginx.conf"
        main = f"error_log {self.zextras}/log/nginx.log;\npid {self.zextras}/log/nginx.pid;\n"
        main += (
            "user root;\n" if os.geteuid() == 0 else ""
        )  # of this folder, as zextras is of its own
        main += "events {\n  worker_connections 64;\n}\n"
        temp = "".join(
            f"    {kind}_temp_path {self.zextras}/log/{kind};\n"
            for kind in ("client_body", "proxy", "fastcgi", "uwsgi", "scgi")
        )
        web = f"http\n{{\n{temp}    access_log off;\n    include {self.includes}/{base}.web.http;\n"
        web += f"    include {self.includes}/{base}.web.https;\n"
        web += f"    include {self.includes}/{base}.web.https.default;\n"
        web += f"    #include {self.includes}/{base}.web.sso;\n}}\n"
        https = "".join(self._site(name, value, page) for name, value in certificates.items())
        http = "".join(self._site(name, None, page) for name in (*certificates, *plain))
        name, value = default
        last = ""
        if value:
            last = self._site(HOST if name == "_own" else name, value, page, " default_server")
        for part, text in (
            (".main", main), (".web", web), (".web.http", http), (".web.https", https),
            (".web.https.default", last),
        ):  # fmt: skip
            (self.includes / f"{base}{part}").write_text(text)
        top = f"working_directory {self.zextras};\ninclude {self.includes}/{base}.main;\n"
        top += f"#include {self.includes}/{base}.mail;\ninclude {self.includes}/{base}.web;\n"
        (self.conf / base).write_text(f"{top}\n# Don't edit the below comment\n\n{mark}\n")

    def _site(self, name, certificate, page, default=""):
        tls = certificate is not None
        lines = ""
        if tls:
            key = str(certificate).replace(".crt", ".key")
            lines = f"ssl_certificate         {certificate};\n    ssl_certificate_key     {key};"
        listen = f"127.0.0.1:{self.https if tls else self.http}"
        return SITE.format(
            name=name, listen=listen, default=default, ssl=" ssl" if tls else "",
            certificate=lines, page=page,
        )  # fmt: skip

    def certificate(self, domain, pem, key):
        """Its certificate where the proxy's generator puts it; the path."""
        path = self.conf / "domaincerts" / f"{domain}.crt"
        path.write_text(pem)
        path.with_suffix(".key").write_text(key)
        return str(path)

    def collect(self, python=sys.executable, **env):
        """Run `collect` as a process of its own; what it printed."""
        argv = [str(python), "-I", str(AGENT), "collect", "--root", str(self.root)]
        done = subprocess.run(
            [*argv, "--snapshot", str(self.snapshot)],
            capture_output=True, text=True, timeout=100, env={**os.environ, **env},
        )  # fmt: skip
        assert done.returncode == 0, done.stderr
        return done.stderr

    def answer(self, what, domain=""):
        """(status, answer) as `serve` gives it."""
        return agent.Snapshot(str(self.snapshot)).answer(what, domain)

    def answers(self, domain):
        return [self.answer(what, domain) for what in agent.WHAT]


def write_snapshot(path, domains, *, age=0, **changes):
    data = {"format": 1, "made": time.time() - age, "domains": domains, **changes}
    Path(path).write_text(json.dumps(data))
