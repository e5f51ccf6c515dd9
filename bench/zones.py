"""The generated world that the benchmarks audit, and the truth about it.

A mail host and its customers: a fifth is broken, each in one of more than twenty ways, 2 % have
silent name servers. All follows from the seed. `World.truth` says for each domain which status each
check must have and with which finding; a fast run with another verdict is void.
"""

import json
import random
from base64 import b64encode
from dataclasses import dataclass, field
from pathlib import Path

from cryptography.hazmat.primitives.asymmetric.rsa import RSAPublicNumbers
from cryptography.hazmat.primitives.serialization import Encoding, PublicFormat

from mock_tenant.certificates import Authority

HOST = "alojamento.example"
WEB = "127.0.0.1"  # where webmail names lead to
ELSEWHERE = "127.0.0.9"
SELECTOR = "s2026"
SERVICES = ("mailer", "crm", "shop", "news")  # that customers send through, too
CHECKS = (
    "carbonio",
    "nginx_vhost",
    "cert_le",
    "dns_mx",
    "dns_spf",
    "dns_dkim",
    "dns_dmarc",
    "webmail_http",
)
DNS_CHECKS = CHECKS[3:7]
TENANT = {
    "name": "VM112",
    "mail_hosts": [f"mx1.{HOST}", f"mx2.{HOST}"],
    "sending_ips": ["203.0.113.25", "2001:db8::25"],
    "spf_include": f"_spf.{HOST}",
    "dkim_selectors": [SELECTOR],
    "dmarc_rua": f"dmarc@{HOST}",
    "webmail_addresses": [WEB],
    "portal_token": "bench-portal-token",
}
SERVED = ("mta", "mailbox", "proxy", "directory", "amavis", "memcached")
GOOD, DEAD = "good", "dead"
_OURS = f"include:_spf.{HOST}"
# What a way of being broken changes: `zone` what is published at the domain (owner, type), `portal`
# an answer (None: 404), `certificate` days since it began and until it ends, `shown` those of the
# portal's. `found`: the statuses that are not ok, each with the finding that must be there.
KINDS = {
    GOOD: {},
    "mx_old": {"mx": ["10 mx.antigo.example."], "found": {"dns_mx": "fail mx_not_ours"}},
    "mx_none": {"mx": [], "found": {"dns_mx": "fail mx_missing"}},
    "mx_null": {"mx": ["0 ."], "found": {"dns_mx": "fail mx_null"}},
    "mx_backup": {
        "mx": [f"10 mx1.{HOST}.", "50 mx.antigo.example."],
        "found": {"dns_mx": "warn mx_foreign_backup"},
    },
    "mx_second": {
        "mx": [f"20 mx1.{HOST}.", "5 mx.antigo.example."],
        "found": {"dns_mx": "fail mx_not_primary"},
    },
    "mx_address": {"mx": ["10 203.0.113.9."], "found": {"dns_mx": "fail mx_target_is_ip"}},
    "spf_none": {"spf": [], "found": {"dns_spf": "fail spf_missing"}},
    "spf_two": {
        "spf": [f"v=spf1 {_OURS} ~all", "v=spf1 include:_spf.crm.example ~all"],
        "found": {"dns_spf": "fail spf_multiple"},
    },
    "spf_without_us": {
        "spf": ["v=spf1 include:_spf.crm.example ~all"],
        "found": {"dns_spf": "fail spf_sender_not_authorised"},
    },
    "spf_all": {"spf": [f"v=spf1 {_OURS} +all"], "found": {"dns_spf": "fail spf_all_pass"}},
    "spf_lookups": {
        "spf": [
            f"v=spf1 {_OURS} "
            + " ".join(f"include:_spf.{name}.example" for name in SERVICES)
            + " -all"
        ],
        "found": {"dns_spf": "fail spf_too_many_lookups"},
    },
    "spf_syntax": {
        "spf": [f"v=spf1 {_OURS} ipv4:203.0.113.77 ~all"],
        "found": {"dns_spf": "fail spf_syntax"},
    },
    "spf_ptr": {"spf": [f"v=spf1 {_OURS} ptr ~all"], "found": {"dns_spf": "warn spf_ptr"}},
    "dkim_none": {"dkim": [], "found": {"dns_dkim": "fail dkim_missing"}},
    "dkim_old": {
        "dkim": ["v=DKIM1; k=rsa; p={old}"],
        "found": {"dns_dkim": "fail dkim_key_mismatch"},
    },
    "dkim_revoked": {"dkim": ["v=DKIM1; k=rsa; p="], "found": {"dns_dkim": "fail dkim_revoked"}},
    "dkim_testing": {
        "dkim": ["v=DKIM1; k=rsa; t=y; p={key}"],
        "found": {"dns_dkim": "warn dkim_testing"},
    },
    "dmarc_none": {"dmarc": [], "found": {"dns_dmarc": "fail dmarc_missing"}},
    "dmarc_policy": {
        "dmarc": [f"v=DMARC1; p=none; rua=mailto:dmarc@{HOST}"],
        "found": {"dns_dmarc": "warn dmarc_policy_none"},
    },
    "dmarc_two": {
        "dmarc": ["v=DMARC1; p=reject", "v=DMARC1; p=quarantine"],
        "found": {"dns_dmarc": "fail dmarc_multiple"},
    },
    "dmarc_syntax": {"dmarc": ["v=DMARC1; q=reject"], "found": {"dns_dmarc": "fail dmarc_syntax"}},
    "dmarc_doubled": {
        "dmarc": [],
        "doubled": [f"v=DMARC1; p=reject; rua=mailto:dmarc@{HOST}"],
        "found": {"dns_dmarc": "fail dmarc_misplaced"},
    },
    "suspended": {
        "carbonio": {"status": "suspended"},
        "found": {"carbonio": "fail carbonio_domain_suspended"},
    },
    "service_down": {
        "carbonio": {"services": {"mta": "running", "mailbox": "stopped"}},
        "found": {"carbonio": "fail carbonio_service_down"},
    },
    "vhost_other": {
        "nginx": {"server_names": ["webmail.other.example"]},
        "found": {"nginx_vhost": "fail vhost_name_mismatch"},
    },
    "vhost_none": {"nginx": None, "found": {"nginx_vhost": "fail vhost_missing"}},
    "cert_expired": {
        "certificate": (-93, -3),
        "found": {"cert_le": "fail cert_expired", "webmail_http": "fail webmail_tls"},
    },
    "cert_overdue": {"certificate": (-78, 12), "found": {"cert_le": "warn cert_renewal_overdue"}},
    "cert_not_reloaded": {
        "certificate": (-60, 30),
        "shown": (-1, 89),
        "found": {"cert_le": "warn cert_served_differs"},
    },
    "web_down": {"page": 502, "found": {"webmail_http": "fail webmail_status"}},
    "web_stock": {"page": "stock", "found": {"webmail_http": "fail webmail_default_page"}},
    "web_elsewhere": {"web": ELSEWHERE, "found": {"webmail_http": "fail webmail_elsewhere"}},
    "web_none": {"web": "", "found": {"webmail_http": "fail webmail_name_missing"}},
    DEAD: {"found": dict.fromkeys((*DNS_CHECKS, "webmail_http"), "unknown dns_timeout")},
}
BROKEN = tuple(kind for kind in KINDS if kind not in (GOOD, DEAD))
# for whom the peer, which knows nothing of "ours" and of DKIM, must find something wrong
INVALID_SPF = {"spf_none", "spf_two", "spf_lookups", "spf_syntax"}
# (a record without `p` and `rua` is valid to it)
INVALID_DMARC = {"dmarc_none", "dmarc_two", "dmarc_doubled"}
WITHOUT_MX = {"mx_none", "mx_null", "mx_address"}
SHARED = f"""
. 600 NS ns.{HOST}.
ns.{HOST}. 600 A 127.0.0.1
mx1.{HOST}. 600 A 127.0.0.2
mx2.{HOST}. 600 A 127.0.0.3
mx.antigo.example. 600 A 127.0.0.10
_spf.{HOST}. 600 TXT "v=spf1 include:_out.{HOST} -all"
_out.{HOST}. 600 TXT "v=spf1 ip4:203.0.113.0/24 ip6:2001:db8::/32 -all"
*._report._dmarc.{HOST}. 600 TXT "v=DMARC1;"
"""
SERVICE = """
_spf.{name}.example. {ttl} TXT "v=spf1 include:_net.{name}.example ~all"
_net.{name}.example. {ttl} TXT "v=spf1 include:_a.{name}.example ~all"
_a.{name}.example. {ttl} TXT "v=spf1 ip4:198.51.100.{n}/32 ~all"
"""
PAGES = {
    "mail": "<!doctype html><html><head><title>Carbonio - Sign In</title></head><body><form>"
    '<label>Username<input name="username"></label><label>Password<input type="password"'
    ' name="password"></label><button>LOGIN</button></form></body></html>',
    "stock": "<!DOCTYPE html><html><head><title>Welcome to nginx!</title></head><body>"
    "<h1>Welcome to nginx!</h1><p>If you see this page, the nginx web server is successfully "
    "installed and working. Further configuration is required.</p></body></html>",
}


@dataclass(frozen=True)
class Customer:
    """One domain and how it is."""

    name: str
    kind: str
    key: str  # the p= tag of the DKIM key that the server signs with
    old_key: str
    service: str
    policy: str
    found: dict = field(default_factory=dict)  # check_id: "status code", where not ok

    @property
    def faults(self):
        return KINDS[self.kind]


class World:
    """`count` customers from a seed. `broken` and `dead`: parts of one.

    `ttl`: seconds, of the customers' records; `services_ttl` of those of the services that they
    send through. The mail host's own have 600.
    """

    def __init__(self, count, *, seed=1, broken=0.2, dead=0.02, ttl=600, services_ttl=600):
        chance = random.Random(seed)
        self.services_ttl = services_ttl
        self.ttl, wrong, silent = ttl, round(count * broken), round(count * dead)
        kinds = [DEAD] * silent + [BROKEN[n % len(BROKEN)] for n in range(wrong)]
        kinds += [GOOD] * (count - len(kinds))
        chance.shuffle(kinds)
        self.customers = [self._customer(n, kind, chance) for n, kind in enumerate(kinds)]

    @staticmethod
    def _customer(n, kind, chance):
        keys = (_key(chance), _key(chance) if kind == "dkim_old" else "")
        service, policy = chance.choice(SERVICES), chance.choice(("quarantine", "reject"))
        return Customer(
            f"cliente{n:06d}.pt", kind, *keys, service, policy, KINDS[kind].get("found", {})
        )

    @property
    def names(self):
        return [customer.name for customer in self.customers]

    @property
    def dead(self):
        return [customer.name for customer in self.customers if customer.kind == DEAD]

    def wrong(self, customer, seen, only=CHECKS):
        """What is not as it must be in `seen` ({check_id: (status, codes)}), a line each."""
        lines = []
        for check in only:
            status, _, code = customer.found.get(check, "ok").partition(" ")
            got, codes = seen.get(check, ("nothing", ()))
            if got != status or (code and code not in codes):
                wanted = f"{status} {code}".strip()
                lines.append(
                    f"{customer.name} ({customer.kind}) {check}: {got} {sorted(codes)}, "
                    f"wanted {wanted}"
                )
        return lines

    # -- what is published

    def zone(self):
        """The text of the root zone with all names."""
        # its last number: for how long it is remembered that there is no such record
        lines = [f". 600 SOA ns.{HOST}. root.{HOST}. 1 3600 600 86400 {self.ttl}", SHARED]
        for n, name in enumerate(SERVICES, 1):
            lines.append(SERVICE.format(name=name, n=n, ttl=self.services_ttl))
        for customer in self.customers:
            lines += self._records(customer)
        return "\n".join(lines) + "\n"

    def _records(self, customer):
        name, faults, ttl = customer.name, customer.faults, self.ttl
        mx = faults.get("mx", [f"10 mx1.{HOST}.", f"20 mx2.{HOST}."])
        spf = faults.get("spf", [f"v=spf1 {_OURS} include:_spf.{customer.service}.example ~all"])
        dkim = faults.get("dkim", ["v=DKIM1; k=rsa; p={key}"])
        own = f"v=DMARC1; p={customer.policy}; rua=mailto:dmarc@{HOST}"
        web = faults.get("web", WEB)
        yield f'{name}. {ttl} TXT "google-site-verification={customer.key[40:80]}"'
        for value in mx:
            yield f"{name}. {ttl} MX {value}"
        for text in spf:
            yield f"{name}. {ttl} TXT {_quoted(text)}"
        for text in dkim:
            key = text.format(key=customer.key, old=customer.old_key)
            yield f"{SELECTOR}._domainkey.{name}. {ttl} TXT {_quoted(key)}"
        for text in faults.get("dmarc", [own]):
            yield f"_dmarc.{name}. {ttl} TXT {_quoted(text)}"
        for text in faults.get("doubled", ()):
            yield f"_dmarc.{name}.{name}. {ttl} TXT {_quoted(text)}"
        if web:
            yield f"webmail.{name}. {ttl} A {web}"

    def questions(self):
        """(name, type) of what an audit asks for at each domain, for driving the name server."""
        for customer in self.customers:
            name = customer.name
            if customer.kind != DEAD:
                yield from (
                    (name, "MX"),
                    (name, "TXT"),
                    (f"{SELECTOR}._domainkey.{name}", "TXT"),
                    (f"_dmarc.{name}", "TXT"),
                    (f"webmail.{name}", "A"),
                )

    def write_web(self, folder):
        """The files that the portal and the webmail serve, and their certificates.

        `api/DOMAIN/KIND`: the portal's answers; `certs/HOST.pem`; `pages/HOST`: a page of its own;
        `down/HOST`: the webmail fails. Returns the file of the authority to trust.
        """
        folder = Path(folder)
        for name in ("api", "certs", "pages", "down"):
            (folder / name).mkdir(exist_ok=True)
        (folder / "missing.json").write_text('{"detail": "there is none"}')
        (folder / "mail.html").write_text(PAGES["mail"])
        authority = Authority(folder)
        for customer in self.customers:
            self._write_customer(folder, customer, authority)
        return authority.ca_file

    def _write_customer(self, folder, customer, authority):
        name, faults = customer.name, customer.faults
        host = f"webmail.{name}"
        leaf, chain, key = authority.leaf(host, *faults.get("certificate", (-29, 61)))
        (folder / "certs" / f"{host}.pem").write_text(leaf + chain + key)
        if "shown" in faults:
            leaf = authority.leaf(host, *faults["shown"])[0]
        answers = {
            "carbonio": {
                "status": "active",
                "accounts": 12,
                "dkim": {"selector": SELECTOR, "public_key": customer.key},
                "services": dict.fromkeys(SERVED, "running"),
            },
            "nginx": {
                "vhost": True,
                "server_names": [host],
                "tls": True,
                "config_ok": True,
                "running": True,
            },
            "certificate": {"pem": leaf},
        }
        (folder / "api" / name).mkdir()
        for kind, answer in answers.items():
            change = {} if kind == "certificate" else faults.get(kind, {})
            if change is not None:
                (folder / "api" / name / kind).write_text(json.dumps(answer | change))
        if faults.get("page") == "stock":
            (folder / "pages" / host).write_text(PAGES["stock"])
        elif "page" in faults:
            (folder / "down" / host).touch()


def _key(chance):
    """The p= tag of an RSA key of 2048 bits that nobody has: its modulus is any odd number."""
    number = chance.getrandbits(2048) | 1 << 2047 | 1
    der = (
        RSAPublicNumbers(65537, number)
        .public_key()
        .public_bytes(Encoding.DER, PublicFormat.SubjectPublicKeyInfo)
    )
    return b64encode(der).decode()


def _quoted(text):
    """A TXT value in zone text, in strings of at most 255 bytes."""
    return " ".join(f'"{text[n : n + 255]}"' for n in range(0, len(text), 255))
