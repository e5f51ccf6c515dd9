"""From a Carbonio server to 8/8: slapd and nginx in Carbonio's shapes, the agent as its script
installs it, and the checks of this product beside it, on loopback."""

import asyncio
import os
import re
import shlex
import subprocess
import sys
from pathlib import Path

import pytest

from collectors.base import Target
from collectors.net.session import NetConfig, NetworkClients
from collectors.registry import core_checks
from collectors.run import run
from mock_tenant.tenant import MockTenant
from scripts.ports import Reserved
from tests.agent.carbonio import ROOT, Carbonio, domain_entry, genkey, systemd_says
from tests.agent.directory import Directory
from tests.collectors.lab import LOOPBACK
from tests.deploy.nginx import installed

pytestmark = pytest.mark.skipif(
    not installed("/usr/sbin/slapd", "ldapsearch", "nginx"),
    reason="needs slapd, ldapsearch and nginx",
)
GOOD, OTHER = "vinhos-alentejo.pt", "advogados-lx.pt"


class Nginx:
    """The proxy of a Carbonio, running."""

    def __init__(self, carbonio):
        self.conf, self.pid = carbonio.conf / "nginx.conf", carbonio.zextras / "log/nginx.pid"

    def __enter__(self):
        done = subprocess.run(
            ["nginx", "-c", self.conf], capture_output=True, text=True, timeout=60
        )
        assert done.returncode == 0, done.stderr
        return self

    def __exit__(self, *_exc):
        subprocess.run(["nginx", "-c", self.conf, "-s", "quit"], capture_output=True, timeout=60)


def unit(root, name):
    """(words of ExecStart, {name: value} of what it loads) of an installed unit."""
    text = (root / "etc/systemd/system" / name).read_text()
    words = shlex.split(re.search("(?m)^ExecStart=(.*)$", text)[1])
    credentials = dict(one.split(":") for one in re.findall("(?m)^LoadCredential=(.*)$", text))
    return words, credentials


def install(carbonio, *argv):
    done = subprocess.run(
        ["bash", ROOT / "agent/install.sh", "--root", carbonio.root, *argv],
        capture_output=True, text=True, timeout=60,
    )  # fmt: skip
    assert done.returncode == 0, done.stderr
    return done.stdout


class Installed:
    """The agent as installed below a Carbonio's folder: what systemd would do with its units."""

    def __init__(self, carbonio):
        self.carbonio = carbonio
        with Reserved() as kept:
            self.port = kept.port
        self.printed = install(carbonio, "--listen", "127.0.0.1", "--port", str(self.port))
        self.token = re.search(r"token +(\S+) ", self.printed)[1]
        self.url = re.search(r"portal address +(\S+)", self.printed)[1]

    def look(self):
        words, _credentials = unit(self.carbonio.root, "ligbox-portal-collect.service")
        return subprocess.run(words, capture_output=True, text=True, timeout=100, check=True).stderr

    def __enter__(self):
        words, credentials = unit(self.carbonio.root, "ligbox-portal.service")
        lines = (self.carbonio.root / "etc/ligbox-portal/environment").read_text().split()
        settings = dict(line.split("=") for line in lines)
        words = [settings.get(word.strip("${}"), word) for word in words]
        loaded = self.carbonio.root / "run/credentials"
        loaded.mkdir(parents=True)
        for name, path in credentials.items():
            (loaded / name).write_text(Path(path).read_text())
            (loaded / name).chmod(0o400)
        env = {**os.environ, "CREDENTIALS_DIRECTORY": str(loaded)}
        self.process = subprocess.Popen(words, stdout=subprocess.PIPE, text=True, env=env)
        assert self.process.stdout.readline() == f"listening on 127.0.0.1 port {self.port}\n"
        return self

    def __exit__(self, *_exc):
        self.process.terminate()
        self.process.communicate(timeout=30)


async def audited(mock, names, **changes):
    config = NetConfig(
        dns_servers=(("127.0.0.1", mock.ports["dns"]),),
        allowed_networks=LOOPBACK,
        ca_file=mock.env["SSL_CERT_FILE"],
    )
    fields = {**mock.fields, **changes}
    network = NetworkClients(config)
    try:
        seen = {}
        for name in names:
            target = Target(
                domain=name,
                tenant=fields["name"],
                tenant_dkim_selectors=tuple(fields["dkim_selectors"]),
                **{key: fields[key] for key in ("portal_url", "portal_token", "spf_include")},
                **{key: fields[key] for key in ("webmail_url", "dmarc_rua")},
                **{key: tuple(fields[key]) for key in ("mail_hosts", "sending_ips")},
            )
            seen[name] = await run(target, network.audit_session(target), set(core_checks()))
        return seen
    finally:
        await network.close()


def entry(mock, domain):
    """LDIF of a domain of the mock company, with the key that its DNS publishes."""
    dkim = mock.company.domains[domain].portal["carbonio"]["answer"]["dkim"]
    text = genkey(dkim["selector"], domain, dkim["public_key"])
    return domain_entry(domain, DKIMSelector=dkim["selector"], DKIMPublicKey=text)


@pytest.fixture(scope="module")
def world(tmp_path_factory):
    """(mock company, Carbonio, its agent, port of its webmail) with everything running; of two
    domains, the second has no virtual host."""
    folder = tmp_path_factory.mktemp("world")
    with (
        MockTenant(folder / "mock", portal=0, dns=0, webmail=0) as mock,
        Reserved() as https,
        Reserved() as http,
    ):
        text = entry(mock, GOOD) + entry(mock, OTHER)
        with Directory(text) as directory:
            carbonio = Carbonio(folder, ldap_url=directory.url, https=https.port, http=http.port)
            leaf, chain, key = mock.authority.leaf(f"webmail.{GOOD}", -20, 70)
            path = carbonio.certificate(GOOD, leaf + chain, key)
            carbonio.sites({f"webmail.{GOOD}": path})
            with Nginx(carbonio), Installed(carbonio) as agent:
                assert agent.look() == ""
                yield mock, carbonio, agent, https.port


def audit(world, *names, **changes):
    mock, _carbonio, agent, port = world
    there = {"portal_url": agent.url, "portal_token": agent.token}
    there["webmail_url"] = f"https://webmail.{{domain}}:{port}/"
    return asyncio.run(audited(mock, names, **{**there, **changes}))


def test_all_eight_are_ok(world):
    results = audit(world, GOOD)[GOOD]
    assert {
        name: result.status for name, result in results.items() if name in core_checks()
    } == dict.fromkeys(core_checks(), "ok"), {
        name: [f.code for f in result.findings] for name, result in results.items()
    }


def test_what_is_not_there_is_failed_and_nobody_is_unknown(world):
    seen = audit(world, OTHER, "nobody.pt")
    codes = {
        n: {c: [f.code for f in r.findings] for c, r in results.items()}
        for n, results in seen.items()
    }
    assert "vhost_missing" in codes[OTHER]["nginx_vhost"]
    assert seen[OTHER]["carbonio"].status == "ok"
    assert "carbonio_domain_missing" in codes["nobody.pt"]["carbonio"]
    for results in seen.values():
        assert "unknown" not in {
            results[name].status for name in ("carbonio", "nginx_vhost", "cert_le")
        }


def test_another_token_is_refused_and_said(world):
    results = audit(world, GOOD, portal_token="another-token-than-the-one")[GOOD]
    assert [f.code for f in results["carbonio"].findings] == ["portal_auth"]
    assert results["webmail_http"].status == "ok"


def test_a_service_that_stops_is_a_fail_and_an_agent_that_stops_is_unknown(world):
    _mock, carbonio, agent, _port = world
    carbonio.systemd(systemd_says(opendkim="failed"))
    agent.look()
    results = audit(world, GOOD)[GOOD]
    assert [f.code for f in results["carbonio"].findings] == ["carbonio_service_down"]
    carbonio.systemd("", code=1)
    assert "not known" in agent.look()
    results = audit(world, GOOD)[GOOD]
    assert [f.code for f in results["carbonio"].findings] == ["portal_error"]
    assert {results[c].status for c in ("carbonio", "nginx_vhost")} == {"unknown"}
    carbonio.snapshot.unlink()
    results = audit(world, GOOD, "nobody.pt")
    assert {r["carbonio"].status for r in results.values()} == {"unknown"}
    carbonio.systemd(systemd_says())
    agent.look()
    assert audit(world, GOOD)[GOOD]["carbonio"].status == "ok"


def test_the_script_that_verifies_portals_finds_the_contract_kept(world, tmp_path):
    _mock, _carbonio, agent, _port = world
    (tmp_path / "token").write_text(agent.token)
    script = [
        sys.executable,
        "scripts/verify_audit_overview.py",
        "--portal",
        agent.url,
        "--domain",
        GOOD,
    ]
    done = subprocess.run(
        [*script, "--token-file", tmp_path / "token"],
        cwd=ROOT,
        capture_output=True,
        text=True,
        timeout=100,
    )
    assert done.returncode == 0, done.stdout + done.stderr
    assert "FAIL" not in done.stdout and "OPEN" not in done.stdout
