#!/usr/bin/env python3
"""The portal of a Carbonio CE server, read-only: what Ligbox Audit asks, answered from a snapshot (docs/portal.md).

    collect          as zextras, each minute: looks, and writes the snapshot
    serve            as nobody: answers from the snapshot, with a token, and runs nothing
    check [DOMAIN]   for the operator: what is known, and what is not

What cannot be known is HTTP 503 with the reason, never 404 and never "fine". Python 3.9, standard library, one file.
"""

import argparse
import asyncio
import base64
import hmac
import ipaddress
import json
import os
import re
import ssl
import subprocess
import sys
import tempfile
import time
from email.utils import formatdate
from urllib.parse import unquote
from xml.etree import ElementTree

MOST_AGE, MOST_AHEAD = 300, 5  # seconds: an older snapshot, or one from the future, says nothing
MOST_FILE, MOST_BODY, MOST_HEAD = 128 << 20, 1 << 20, 8192  # bytes
MOST_SECONDS, MOST_AT_ONCE = 10, 64  # of one connection; connections
FAULTS = Exception  # whatever goes wrong with one source is a reason, and no end


class NotKnown(ValueError):
    """Something cannot be known now; its words are the reason that the 503 gives."""


def run(argv, seconds, pass_fds=(), **env):
    """(exit code, output, error text) of a program; raises one of FAULTS where it does not run to its end."""
    path = "/opt/zextras/bin:/opt/zextras/common/bin:/usr/sbin:/usr/bin:/sbin:/bin"
    env = {"PATH": path, "LC_ALL": "C.UTF-8", "HOME": "/opt/zextras", **env}
    with tempfile.TemporaryFile() as out, tempfile.TemporaryFile() as err:
        more = {"env": env, "pass_fds": pass_fds, "stdin": subprocess.DEVNULL, "stdout": out, "stderr": err}
        code = subprocess.run(argv, timeout=seconds, **more).returncode
        texts = [read(f"/proc/self/fd/{file.fileno()}") for file in (out, err)]
    return code, texts[0], texts[1].strip().replace("\n", " ")[-200:]


def read(path, most=MOST_FILE):
    """A file's text; raises OSError, and NotKnown where it is too large."""
    with open(path, "rb") as file:
        data = file.read(most + 1)
    if len(data) > most:
        raise NotKnown(f"{os.path.basename(path)} is larger than {most >> 20} MiB")
    return data.decode("utf-8", "replace")


def changes(path):
    """What is another when a file is written anew; raises OSError."""
    seen = os.stat(path)
    return seen.st_mtime_ns, seen.st_size, seen.st_ino


# -- the directory: LDIF (RFC 2849) of named attributes; those with private keys are never asked for
ATTRIBUTES = """objectClass zimbraDomainName zimbraDomainType zimbraDomainStatus zimbraVirtualHostname DKIMSelector
    DKIMPublicKey zimbraPublicServiceHostname zimbraSSLCertificate zimbraIsSystemAccount zimbraIsSystemResource"""
WHAT = ("carbonio", "nginx", "certificate")
FILTER = "(|(objectClass=zimbraDomain)(objectClass=zimbraGlobalConfig)(objectClass=zimbraAccount))"


def entries(text):
    """{attribute in small letters: [text]} of each entry; raises NotKnown where the answer is not whole."""
    for block in re.split(r"\n\n+", text.replace("\r\n", "\n").replace("\n ", "")):
        entry: dict[str, list[str]] = {}
        for line in filter(None, block.split("\n")):
            name, colon, value = line.partition(":")
            name, value = name.partition(";")[0].lower(), value.strip(" ")
            if value.startswith(":"):
                value = base64.b64decode(value[1:].strip(), validate=True).decode("utf-8", "replace")
            if line.startswith("#") and not re.search("ldap[is]*://|reference", line):
                continue
            odd = not colon or value.startswith("<") or not re.fullmatch("[a-z0-9.-]+", name)
            if odd or not (entry or name == "dn"):
                raise NotKnown(f"the directory's answer cannot be read or is not complete: {line[:80]}")
            entry.setdefault(name, []).append(value)
        yield from [entry] if entry else ()


def read_directory(text, own=None):
    """{domain: its attributes, with `accounts` and the `names` that its webmail has}."""
    domains, places, counts, public = {}, {}, dict[object, int](), []
    for entry in entries(text):
        classes = {name.lower() for name in entry.get("objectclass", ())}
        place = re.search(r"(?:^|(?<!\\),)(dc=.*)", re.sub(r"\s*,\s*", ",", entry["dn"][0].lower()))
        if "zimbradomain" in classes:
            name = entry["zimbradomainname"][0].strip().lower()
            domains[name], places[name] = entry, place and place[1]
        elif "zimbraglobalconfig" in classes:
            public = entry.get("zimbrapublicservicehostname", [])
        elif "zimbraaccount" in classes and "zimbracalendarresource" not in classes and place:
            of_system = "TRUE" in entry.get("zimbraissystemaccount", []) + entry.get("zimbraissystemresource", [])
            counts[place[1]] = counts.get(place[1], 0) + (not of_system)
    if not domains:  # there is one at least: who may not look is told of none, too
        raise NotKnown("the directory showed no domain at all")
    for name, entry in domains.items():
        names = entry.get("zimbravirtualhostname", []) + (entry.get("zimbrapublicservicehostname") or public)
        entry["names"] = list(dict.fromkeys(name.lower().rstrip(".") for name in names or [own] if name))
        entry["accounts"] = counts.get(places[name], 0)
    return domains


def ask_directory(root):
    """What read_directory says, from the directory that this node uses."""
    keys = ElementTree.fromstring(read(f"{root}/opt/zextras/conf/localconfig.xml", MOST_BODY)).iter("key")
    config = {key.get("name"): (key.findtext("value") or "").strip() for key in keys}
    urls, password = config.get("ldap_url") or config.get("ldap_master_url"), config.get("zimbra_ldap_password")
    user = config.get("zimbra_ldap_userdn") or "uid=zimbra,cn=admins,cn=zimbra"
    if not urls or not password:
        raise NotKnown("localconfig.xml names no directory, or no password for it")
    starttls = ["-ZZ"] if config.get("ldap_starttls_supported") == "1" and "ldaps:" not in urls else []
    strict = "demand" if config.get("zimbra_require_interprocess_security", "1") == "1" else "never"
    tls = {"LDAPTLS_CACERTDIR": f"{root}/opt/zextras/conf/ca", "LDAPTLS_REQCERT": strict}
    secret = os.memfd_create("password")  # in memory: on no disk, no command line, in no environment
    os.fchmod(secret, 0o600)
    os.write(secret, password.encode())
    argv = [f"{root}/opt/zextras/common/bin/ldapsearch", "-LLL", "-x", "-o", "ldif-wrap=no", "-o", "nettimeout=10"]
    argv += ["-l", "25", *starttls, "-H", urls, "-D", user, "-y", f"/proc/self/fd/{secret}", "-b", "", FILTER]
    code, out, err = run([*argv, *ATTRIBUTES.split()], 40, (secret,), **tls)
    if code:
        raise NotKnown(f"the directory did not answer to its end (ldapsearch: {code}, {err})")
    return read_directory(out, config.get("zimbra_server_hostname"))


def carbonio(entry, services):
    """The answer of …/carbonio; "shutdown", while it is renamed, is to be suspended and more."""
    status = entry.get("zimbradomainstatus", ["active"])[0].strip().lower().replace("shutdown", "suspended")
    if status not in ("active", "maintenance", "locked", "suspended", "closed"):
        raise NotKnown("the domain has a status that is not known here")
    return {"status": status, "services": services, "accounts": entry["accounts"], "dkim": dkim_key(entry)}


def dkim_key(entry):
    """{"selector", "public_key"} of a domain that signs, None of one that does not; from opendkim-genkey's text."""
    selectors, texts = entry.get("dkimselector", []), entry.get("dkimpublickey", [])
    if not selectors and not texts and "dkim" not in map(str.lower, entry.get("objectclass", ())):
        return None
    text, selector = "\n".join(texts), "".join(selectors).strip()
    owner = re.match(r'\s*([^\s"]+)\._domainkey\b', text)
    record = "".join(re.findall(r';[^\n]*|"((?:[^"\\]|\\.)*)"', text)) if '"' in text else text
    tags = dict(tag.split("=", 1) for tag in re.sub(r"\s", "", record).split(";") if "=" in tag)
    mine = len(selectors) == len(texts) == 1 and selector and (not owner or owner[1].lower() == selector.lower())
    if not mine or len(base64.b64decode(tags.get("p", ""), validate=True)) < 32:
        raise NotKnown("the domain's DKIM key cannot be read: not one selector with its public key")
    return {"selector": selector, "public_key": tags["p"]}


# -- services: of systemd's targets, or zmcontrol's where no target is enabled
_UNITS = """openldap=directory-server appserver=mailbox appserver-db=mailbox-db nginx=proxy memcached=memcached
    postfix=mta opendkim=opendkim mailthreat=amavis antivirus=antivirus milter=milter configd=configd"""
_TARGETS = "directory-server=openldap appserver=appserver proxy=nginx mta=postfix"  # and the main unit of each
_STATES = "active=running reloading=running inactive=stopped failed=failed activating=starting deactivating=stopping"
UNITS, TARGETS, STATES = (dict(one.split("=") for one in text.split()) for text in (_UNITS, _TARGETS, _STATES))


def read_systemd(text):
    """{service: state} of `systemctl show`; none where no target is enabled."""
    blocks = [dict(line.split("=", 1) for line in block.splitlines() if "=" in line) for block in text.split("\n\n")]
    seen, services = {block.get("Id", "").replace("carbonio-", "", 1): block for block in blocks}, {}
    enabled = {name for name, block in seen.items() if block.get("UnitFileState", "").startswith("enabled")}
    main = {unit for role, unit in TARGETS.items() if f"{role}.target" in enabled}
    for unit, service in UNITS.items() if main else ():
        block = seen.get(f"{unit}.service", {})
        there, state = block.get("LoadState") == "loaded", STATES.get(block.get("ActiveState", ""))
        if not state or (unit in main and not there):
            raise NotKnown(f"systemd does not say how carbonio-{unit}.service is")
        if there and (unit in main or f"{unit}.service" in enabled or state != "stopped"):
            services[service] = state
    return services


def read_zmcontrol(code, text):
    """{service: state} of `zmcontrol status`; its first line alone, with exit code 0, says nothing."""
    host, *lines = text.splitlines() or [""]
    found = [re.fullmatch(r"\t(?! )(\S.*?) +(Running|Stopped)\s*", line) for line in lines]
    strange = [line for line, service in zip(lines, found) if not service and not re.match(r"\t(\t| --)", line)]
    if strange or code not in (0, 1) or not re.match(r"Host \S", host) or not any(found):
        raise NotKnown("zmcontrol names no service, or did not finish")
    return {service[1]: service[2].lower() for service in found if service}


def ask_services(root):
    """{service: state} of what is enabled on this node."""
    units = [*(f"carbonio-{name}.target" for name in TARGETS), *(f"carbonio-{name}.service" for name in UNITS)]
    show = [f"{root}/usr/bin/systemctl", "show", "--property=Id,LoadState,ActiveState,UnitFileState", *units]
    code, out, _err = run(show, 20) if os.path.exists(show[0]) else (1, "", "")
    ask = [f"{root}/opt/zextras/bin/zmcontrol", "status"]
    return ({} if code else read_systemd(out)) or read_zmcontrol(*run(ask, 120)[:2])


# -- nginx: the includes that were generated for it
WORD = r""""(?:[^"\\]|\\.)*"|'(?:[^'\\]|\\.)*'|(?:\\.|\$\{|[^\s;{}"'\#\\])(?:\\.|\$\{|[^\s;{\\])*"""
TOKEN = re.compile(rf"([{{}};])\s*|({WORD})\s*|\s+|\#[^\n]*|(.)", re.S)
INCLUDE, USUAL = re.compile(r"""\binclude\s+["']?([^\s;"']+)"""), re.compile(r"/(nginx\.conf\.[^/*?]+|mime\.types)$")
WEB = re.compile(r"/nginx\.conf\.web(\.https?(\.default)?)?$")


def read_servers(text):
    """[what a `server` block says], of text in nginx's syntax; raises NotKnown where it is not whole."""
    servers, words, depth, wrong = [], [], 0, None
    for token in TOKEN.finditer(text):
        mark, word, wrong = token.groups()
        if word:
            words.append(word[1:-1] if word[0] in "\"'" else word)
        elif mark == "{":
            if depth == 0:
                server: dict = {"names": [], "tls": False, "default": False, "rejects": False, "certificates": []}
                servers += [server] if words == ["server"] else []
            depth, words = depth + 1, []
        elif mark == "}":
            depth -= 1
        elif mark and depth == 1 and words[:1] == ["server_name"]:
            server["names"] += [name.lower().rstrip(".") for name in words[1:] if name not in ("", "_")]
        elif mark and depth == 1 and words[:1] == ["ssl_certificate"]:
            value = " ".join(words[1:])  # of text in the place of a path, nothing but the certificate is kept
            server["certificates"].append(leaf(value) or "-----BEGIN" if "-----BEGIN" in value else value)
        elif mark and not depth and words[:1] == ["include"]:
            servers.append({"names": ["~"], "tls": False, "default": False, "rejects": False, "certificates": []})
        elif mark and depth == 1:
            server["tls"] |= words[:1] == ["listen"] and "ssl" in words
            server["default"] |= words[:1] == ["listen"] and "default_server" in words
            server["rejects"] |= bool(re.match("return [45]|ssl_reject_handshake on", " ".join(words)))
        words = [] if mark == ";" else words
        if wrong or depth < 0 or (words and mark == "}"):
            break
    if depth or words or wrong:
        raise NotKnown("a file of the proxy's configuration is not whole")
    return servers


def leaf(text):
    """The first certificate in PEM text, written anew, and nothing else of it; "" without one."""
    found = re.search(r"-----BEGIN CERTIFICATE-----([A-Za-z0-9+/=\s]+)-----END CERTIFICATE-----", text)
    data = re.sub(r"\s", "", found[1]) if found else ""
    lines = ["-----BEGIN CERTIFICATE-----", *re.findall(".{1,64}", data), "-----END CERTIFICATE-----", ""]
    return "\n".join(lines) if data.startswith("MI") else ""


class Proxy:
    """What this node's nginx is configured with; raises NotKnown. `why`: why there may be more than was found."""

    def __init__(self, root, services, snapshot):
        if "proxy" not in services:
            raise NotKnown("this node has no proxy role")
        self.conf, self.why, self.named, self.others, self.files = f"{root}/opt/zextras/conf", "", {}, [], {}
        last = json.loads(read(snapshot)) if os.path.exists(snapshot) else {}
        kept = last.get("files", {})  # not to be read again
        for path in (todo := [f"{self.conf}/nginx.conf"]):  # and of what is included: the webmail's servers
            try:
                seen, (before, servers) = [*changes(path)], kept.get(path, (None, []))
                if os.path.basename(path).startswith("nginx.conf.web.http"):
                    servers = servers if seen == before else read_servers(read(path))
                    self._take(servers)
                else:
                    found = INCLUDE.findall(text := re.sub("#.*", "", read(path)))
                    todo += [one for one in dict.fromkeys(found) if WEB.search(one) and one not in todo]
                    if not all(map(USUAL.search, found)) or re.search(r"\bserver\s*{", text):
                        self.why = "nginx is configured with more than Carbonio's generator writes"
                self.files[path] = [seen, servers]
            except (OSError, NotKnown) as error:
                self.why = str(error)
        self.tested = began, ok, ended = last.get("tested") or [0, False, 0]
        if not ok or self.files != kept or not 0 <= time.time() - ended < min(20 * (ended - began), 240):
            self.tested = [time.time(), self._config_ok(root), time.time()]  # of thousands of hosts not each minute
        self.state = {"config_ok": self.tested[1], "running": services["proxy"] == "running"}
        self.kept = {"files": self.files, "tested": self.tested}
        if any([*changes(path)] != seen for path, (seen, _servers) in self.files.items()):
            raise NotKnown("the proxy's configuration was written while it was read")

    def _config_ok(self, root):
        """Whether the configuration was generated whole and nginx takes it; the newer generator leaves no mark."""
        last = (read(f"{self.conf}/nginx.conf").strip().splitlines() or [""])[-1]
        if "__CONF_GEN_ERROR__" in last and "No available nginx lookup handlers" not in last:
            return False
        if not (os.path.exists(f"{root}/opt/zextras/bin/configd") or re.search("__(SUCCESS|CONF_GEN_ERROR)__", last)):
            raise NotKnown("nginx.conf does not end in __SUCCESS__: it is being generated, or that went wrong")
        code, _out, err = run([f"{root}/opt/zextras/common/sbin/nginx", "-t", "-c", f"{self.conf}/nginx.conf"], 100)
        if code and re.search(r"\((1|13|30): ", err):  # permissions, a file system: of this agent, not of nginx
            raise NotKnown(f"nginx -t may not look here: {err}")
        return code == 0

    def _take(self, servers):
        """Keep them by the names that they bear (.name is name and *.name), and those that answer for all others."""
        for one in servers:
            self.others += [one] if one["default"] and one["tls"] and not one["rejects"] else []
            for name in one["names"]:
                for key in (name[1:], "*" + name) if name.startswith(".") else (name,):
                    self.named.setdefault(key, []).append(one)
                self.why = "names are in a pattern or another file" if re.match(r"~|.*\.\*$", name) else self.why

    def _look(self, entry):
        """[(name, the servers that answer for it)] of the domain's names, as nginx chooses them."""
        others, answered = [] if self.why else self.others, []
        for name in entry["names"][:1000]:
            keys = [name, *("*" + name[at:] for at, letter in enumerate(name) if letter == ".")]
            found = next(filter(None, map(self.named.get, keys)), others)
            answered += [(name, found)] if found else []
        return answered

    def nginx(self, entry):
        """The answer of …/nginx."""
        answered = self._look(entry)
        tls = any(server["tls"] for _name, servers in answered for server in servers)
        if self.why and not (tls and len(answered) == len(entry["names"])):
            raise NotKnown(self.why)
        host = {"vhost": True, "server_names": [name for name, _servers in answered], "tls": tls}
        return {**(host if answered else {"vhost": False}), **self.state}

    def certificate(self, entry):
        """The answer of …/certificate: from what nginx reads, a path or (a generator's slip) the text itself."""
        servers = [server for _name, found in self._look(entry) for server in found if server["tls"]]
        own, leaves = f"/domaincerts/{entry['zimbradomainname'][0].lower()}.crt", []
        for value in dict.fromkeys(value for server in servers for value in server["certificates"]):
            path, inline = os.path.join(self.conf, value), "-----BEGIN" in value
            text = value if inline else read(path, MOST_BODY) if os.path.isfile(path) else ""
            stored = "".join(entry.get("zimbrasslcertificate", ())) if inline or value.endswith(own) else ""
            leaves.append(leaf(text) or leaf(stored))
        if not all(leaves) or (self.why and not leaves) or not all(server["certificates"] for server in servers):
            raise NotKnown("the certificate that nginx is configured with cannot be read")
        return {"pem": "".join(dict.fromkeys(leaves))} if leaves else {"detail": "no virtual host has a certificate"}


def collect(root, path):
    """Put a snapshot in place: {"format", "made", "files", "domains": {name: {what: its answer, or why not}}}."""
    made, unknown = time.time(), dict[str, NotKnown]()

    def known(ask, *about):
        try:
            return next((one for one in about if isinstance(one, NotKnown)), None) or ask(*about)
        except FAULTS as error:
            error = error if isinstance(error, NotKnown) else NotKnown(f"{ask.__name__} failed: {error}"[:200])
            return unknown.setdefault(str(error), error)

    domains, services = known(ask_directory, root), known(ask_services, root)
    proxy = known(Proxy, root, services, path)
    for name, entry in domains.items() if isinstance(domains, dict) else ():
        about = {"carbonio": known(carbonio, entry, services), "nginx": known(Proxy.nginx, proxy, entry)}
        kind, about["certificate"] = entry.get("zimbradomaintype", ["local"]), known(Proxy.certificate, proxy, entry)
        domains[name] = {"type": kind[0].lower(), **about}
    os.umask(0o027)  # for its group to read
    with open(f"{path}.part", "w", encoding="ascii") as out:
        snapshot = {"format": 1, "made": made, "domains": domains, **getattr(proxy, "kept", {})}
        json.dump(snapshot, out, default=str)
    os.replace(f"{path}.part", path)
    sys.stderr.writelines(f"not known: {ascii(why)[:300]}\n" for why in list(unknown)[:10])


class Snapshot:
    """The snapshot as it is answered from; read again when it was written anew."""

    def __init__(self, path):
        self.path, self.seen, self.data = path, None, {}

    def domains(self):
        """{name: its answers} of a snapshot of now; raises NotKnown, and others of FAULTS where it is not whole."""
        seen = changes(self.path)
        if seen != self.seen:
            self.data, self.seen = json.loads(read(self.path)), seen
        if self.data["format"] != 1 or not -MOST_AHEAD <= time.time() - self.data["made"] <= MOST_AGE:
            raise NotKnown("the snapshot is too old, from the future, or not one: collect does not run")
        if not isinstance(self.data["domains"], dict):
            raise NotKnown(str(self.data["domains"]))
        return self.data["domains"]

    def answer(self, what, name):
        """(status, answer) to a question about a domain; `what` None: to the one for all domains."""
        try:
            domains = self.domains()
            if what is None:
                return 200, {"domains": [{"domain": key, "type": one["type"]} for key, one in domains.items()]}
            if name not in domains:
                return 404, {"detail": f"Carbonio does not host {name[:253]}"}
            answer = domains[name][what]
        except FAULTS as error:
            answer = error if isinstance(error, NotKnown) else "there is no snapshot, or it is not whole"
        known = isinstance(answer, dict)
        return (404 if "detail" in answer else 200, answer) if known else (503, {"detail": str(answer)})


# -- the server
LAN = "127.0.0.0/8 10.0.0.0/8 172.16.0.0/12 192.168.0.0/16 100.64.0.0/10 169.254.0.0/16 ::1 fc00::/7 fe80::/10"


def respond(head, snapshot, token):
    """(status, answer) to the head of a request."""
    line, *headers = head.decode("latin-1").split("\r\n")
    request = re.fullmatch(r"([A-Z]+) (/[!-~]*) HTTP/1\.[01]", line)
    given = [text.partition(":")[2].split() for text in headers if text.lower().startswith("authorization:")]
    if not request:
        return 400, {"detail": "this is no request of HTTP/1.1"}
    if request[1] not in ("GET", "HEAD"):
        return 405, {"detail": "this API is read-only"}
    tokens = [one[1].encode() for one in given if len(one) == 2 and one[0].lower() == "bearer"]
    if len(given) != 1 or not tokens or not hmac.compare_digest(tokens[0], token):
        return 401, {"detail": "the token is missing or wrong"}
    asked = re.fullmatch("/api/v1/domains(?:/([^/?]+)/(carbonio|nginx|certificate))?([?].*)?", request[2])
    nowhere = 404, {"detail": "no such address"}
    return snapshot.answer(asked[2], unquote(asked[1] or "").lower().rstrip(".")) if asked else nowhere


async def exchange(reader, writer, snapshot, token):
    """Read one request's head, answer it whole, and close; what follows the head is not read."""
    status, answer = respond(head := await reader.readuntil(b"\r\n\r\n"), snapshot, token)
    body = json.dumps(answer).encode()
    if len(body) > MOST_BODY:
        status, body = 503, b'{"detail": "the answer is larger than 1 MiB"}'
    more = {401: "WWW-Authenticate: Bearer\r\n", 405: "Allow: GET, HEAD\r\n"}.get(status, "")
    lines = f"HTTP/1.1 {status} \r\nDate: {formatdate(usegmt=True)}\r\n{more}"
    lines += f"Content-Type: application/json\r\nContent-Length: {len(body)}\r\nConnection: close\r\n\r\n"
    writer.write(lines.encode() + (b"" if head.startswith(b"HEAD ") else body))
    writer.close()
    await writer.wait_closed()


async def serve(listen, port, tls, snapshot, token):
    """Answer, so many at once and each within so many seconds."""
    busy = set()

    async def connected(reader, writer):
        busy.add(writer)
        try:
            if len(busy) <= MOST_AT_ONCE:
                await asyncio.wait_for(exchange(reader, writer, snapshot, token), MOST_SECONDS)
        except (OSError, EOFError, asyncio.LimitOverrunError, asyncio.TimeoutError):
            pass  # clients that go away, stay or talk too long are everyday life
        finally:
            busy.discard(writer)
            writer.transport.abort()

    asyncio.get_running_loop().set_exception_handler(lambda _loop, _context: None)
    more = {"ssl": tls, "ssl_handshake_timeout": MOST_SECONDS} if tls else {}
    server = await asyncio.start_server(connected, listen, port, limit=MOST_HEAD, **more)
    print("listening on {} port {}".format(*server.sockets[0].getsockname()[:2]), flush=True)
    await server.serve_forever()


def credentials(folder, listen):
    """(token, TLS context or None); ends where the token is for others to read, or TLS is needed and not there."""
    pair, tls, file = [f"{folder}/{name}" for name in ("certificate", "key")], None, f"{folder}/token"
    try:
        address, token = ipaddress.ip_address(listen), read(file, 4096).strip()
        if any(map(os.path.exists, pair)):
            tls = ssl.SSLContext(ssl.PROTOCOL_TLS_SERVER)
            tls.minimum_version = ssl.TLSVersion.TLSv1_2
            tls.load_cert_chain(*pair)
    except (ValueError, OSError, NotKnown) as error:
        sys.exit(f"cannot serve: {error}")
    if os.stat(file).st_mode & 0o037 or not re.fullmatch("[!-~]{20,512}", token):
        sys.exit(f"{file} must hold 20 visible characters or more and be for its owner alone (chmod 0400)")
    if not tls and not any(address in ipaddress.ip_network(network) for network in LAN.split()):
        sys.exit(f"{address} is not an address of a LAN: it needs TLS ({' and '.join(pair)})")
    return token.encode(), tls


def check(snapshot, domain):
    """Print what is known, and a domain's answers; 0 where all is."""
    listed = snapshot.answer(None, "")[1].get("domains", [{"domain": ""}])
    names = [domain] if domain else [one["domain"] for one in listed]
    answers = [(name, what, *snapshot.answer(what, name)) for name in names for what in WHAT]
    lacking = [answer for answer in answers if answer[2] != 200]
    for name, what, code, answer in answers if domain else lacking[:20]:
        print(ascii(name), what, code, json.dumps(answer))
    print(f"{len(answers) - len(lacking)} of {len(answers)} answers are known")
    return min(len(lacking), 1)


def main(argv=None):
    """The three commands."""
    parser = argparse.ArgumentParser(description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter)
    parser.add_argument("command", choices=("collect", "serve", "check"))
    parser.add_argument("domain", nargs="?", default="", help="of check: one domain, with its answers")
    parser.add_argument("--snapshot", default="/run/ligbox-portal/snapshot.json", help="(%(default)s)")
    parser.add_argument("--root", default="", help="of collect: the folder that Carbonio is below (for tests)")
    parser.add_argument("--listen", default="127.0.0.1", help="of serve: an address of this server (%(default)s)")
    parser.add_argument("--port", type=int, default=8090, help="of serve (%(default)s)")
    parser.add_argument("--credentials", default=os.environ.get("CREDENTIALS_DIRECTORY", "/etc/ligbox-portal"))
    options = parser.parse_args(argv)
    if options.command == "collect":
        return collect(options.root, options.snapshot)
    if options.command == "check":
        return check(Snapshot(options.snapshot), options.domain.lower())
    token, tls = credentials(options.credentials, options.listen)
    try:
        return asyncio.run(serve(options.listen, options.port, tls, Snapshot(options.snapshot), token))
    except (OSError, OverflowError) as error:
        return f"cannot listen on {options.listen} port {options.port}: {error}"


if __name__ == "__main__":
    sys.exit(main())
