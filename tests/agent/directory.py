"""A real slapd on loopback with Carbonio's attributes as a schema: Debian's, in a folder of its
own, never as root."""

import os
import shutil
import subprocess
import tempfile
import time
from pathlib import Path

from scripts.ports import Reserved
from tests.agent.carbonio import PASSWORD

BASE = "1.3.6.1.4.1.19348.2"
NOBODY = 65534
# attributes in the kinds that they have in Carbonio's schema
IA5, TEXT, OCTETS = "26", "15", "40"
SINGLE = {"zimbraDomainName": IA5, "zimbraDomainType": TEXT, "zimbraDomainStatus": TEXT}
SINGLE |= {
    "zimbraPublicServiceHostname": TEXT,
    "zimbraSSLCertificate": OCTETS,
    "zimbraSSLPrivateKey": OCTETS,
}
SINGLE |= {"zimbraIsSystemAccount": TEXT, "zimbraIsSystemResource": TEXT}
SINGLE |= {
    "DKIMSelector": IA5,
    "DKIMKey": IA5,
    "DKIMPublicKey": IA5,
    "DKIMDomain": IA5,
    "DKIMIdentity": IA5,
}
MANY = {"zimbraVirtualHostname": IA5}
RULES = {
    IA5: "EQUALITY caseIgnoreIA5Match",
    TEXT: "EQUALITY caseIgnoreMatch",
    OCTETS: "EQUALITY octetStringMatch",
}


def schema():
    lines, number = [], 0
    for names, single in ((SINGLE, " SINGLE-VALUE"), (MANY, "")):
        for name, syntax in names.items():
            number += 1
            lines.append(
                f"attributetype ( {BASE}.1.{number} NAME '{name}' {RULES[syntax]} "
                f"SYNTAX 1.3.6.1.4.1.1466.115.121.1.{syntax}{single} )"
            )
    of_domain = [n for n in (*SINGLE, *MANY) if n.startswith("zimbra") and "IsSystem" not in n]
    classes = [
        (
            "zimbraDomain",
            "AUXILIARY",
            [n for n in of_domain if n != "zimbraDomainName"],
            "zimbraDomainName",
        ),
        ("zimbraAccount", "AUXILIARY", ["zimbraIsSystemAccount", "zimbraIsSystemResource"], ""),
        ("zimbraCalendarResource", "AUXILIARY", ["description"], ""),
        ("zimbraGlobalConfig", "STRUCTURAL", ["zimbraPublicServiceHostname"], "cn"),
        ("DKIM", "AUXILIARY", [n for n in SINGLE if n.startswith("DKIM")], ""),
    ]
    for number, (name, kind, may, must) in enumerate(classes, 1):
        needs = f"MUST {must} " if must else ""
        lines.append(
            f"objectclass ( {BASE}.2.{number} NAME '{name}' SUP top {kind} {needs}"
            f"MAY ( {' $ '.join(may)} ) )"
        )
    return "\n".join(lines) + "\n"


CONFIG = """
include /etc/ldap/schema/core.schema
include /etc/ldap/schema/cosine.schema
include /etc/ldap/schema/inetorgperson.schema
include {folder}/carbonio.schema
modulepath /usr/lib/ldap
moduleload back_mdb
pidfile {folder}/slapd.pid
database mdb
suffix ""
rootdn "uid=zimbra,cn=admins,cn=zimbra"
rootpw "{password}"
directory {folder}/data
maxsize 268435456
dbnosync
{access}access to * by * none
"""
GLOBAL = """dn: cn=zimbra
objectClass: organizationalRole
cn: zimbra

dn: cn=config,cn=zimbra
objectClass: zimbraGlobalConfig
cn: config

"""


class Directory:
    """`text`: LDIF of the domains; `access`: lines of slapd's configuration."""

    def __init__(self, text, *, access="", config=""):
        self.text, self.access, self.config = text, access, config

    def __enter__(self):
        self.folder = Path(tempfile.mkdtemp(prefix="agent-slapd-"))
        (self.folder / "data").mkdir()
        (self.folder / "carbonio.schema").write_text(schema())
        text = CONFIG.format(folder=self.folder, access=self.access, password=PASSWORD)
        (self.folder / "slapd.conf").write_text(text)
        parts = GLOBAL.replace("cn: config\n", f"cn: config\n{self.config}") + with_parents(
            self.text
        )
        (self.folder / "data.ldif").write_text(parts)
        self._user = {}
        if os.geteuid() == 0:
            self._user = {"user": NOBODY, "group": NOBODY, "extra_groups": []}
            for path in (self.folder, *self.folder.rglob("*")):
                os.chown(path, NOBODY, NOBODY)
        conf = ["-f", str(self.folder / "slapd.conf")]
        argv = ["/usr/sbin/slapadd", *conf, "-q", "-l", str(self.folder / "data.ldif")]
        done = subprocess.run(argv, capture_output=True, text=True, timeout=100, **self._user)
        assert done.returncode == 0, done.stderr[-2000:]
        self._kept = Reserved()
        self.url = f"ldap://127.0.0.1:{self._kept.port}"
        argv = ["/usr/sbin/slapd", *conf, "-h", self.url, "-d", "0"]
        self.process = subprocess.Popen(argv, stderr=subprocess.PIPE, text=True, **self._user)
        ask = ["ldapsearch", "-x", "-LLL", "-H", self.url, "-b", "", "-s", "base", "1.1"]
        until = time.monotonic() + 60
        while subprocess.run(ask, capture_output=True, timeout=60).returncode not in (0, 32, 50):
            assert self.process.poll() is None, self.process.stderr.read()
            assert time.monotonic() < until
            time.sleep(0.05)
        return self

    def __exit__(self, *_exc):
        self.process.terminate()
        self.process.wait(30)
        self.process.stderr.close()
        self._kept.close()
        shutil.rmtree(self.folder)


def with_parents(text):
    """LDIF with the entries above these, parents first."""
    entries = [entry for entry in text.split("\n\n") if entry.strip()]
    names = [entry.partition("\n")[0].removeprefix("dn: ") for entry in entries]
    made, found = set(names), []
    for name in names:
        at = name
        while "," in at:
            at = at.partition(",")[2]
            if at.startswith(("dc=", "ou=")) and at not in made:
                kind, _, value = at.partition(",")[0].partition("=")
                made.add(at)
                if kind == "ou":
                    found.append(f"dn: {at}\nobjectClass: organizationalUnit\nou: {value}")
                else:
                    found.append(
                        f"dn: {at}\nobjectClass: dcObject\nobjectClass: organization\n"
                        f"dc: {value}\no: {value}"
                    )
    both = [*entries, *found]
    both.sort(key=lambda entry: entry.partition("\n")[0].count(","))
    return "\n\n".join(both) + "\n"
