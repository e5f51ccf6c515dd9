"""scripts/verify-audit-overview.sh --portal: portals that keep the contract, and that break it,
asked over real sockets."""

import os
import subprocess
import sys
from pathlib import Path

import pytest

from mock_tenant.tenant import MockTenant
from tests import portal_contract as contract
from tests.agent.carbonio import TOKEN as AGENT_TOKEN
from tests.agent.carbonio import write_snapshot
from tests.agent.serving import Serving
from tests.collectors.portal_server import TOKEN, PortalServer

SCRIPT = Path(__file__).resolve().parent.parent / "scripts/verify_audit_overview.py"
GOOD = {what: {"json": contract.examples(what)[0]} for what in contract.PATHS}


def verify(url, *options, token=TOKEN):
    """(exit status, lines) of the script."""
    done = subprocess.run(
        [sys.executable, str(SCRIPT), "--portal", url, *options],
        env={**os.environ, "LIGBOX_PORTAL_TOKEN": token},
        capture_output=True,
        text=True,
        check=False,
    )
    assert done.stderr == ""
    return done.returncode, done.stdout.splitlines()


class Portal(PortalServer):
    """One that knows example.pt alone, and takes its token alone unless it `trusts` everybody."""

    trusts = False

    def _answer(self, connection, answer):
        request = self.requests[-1]
        if not self.trusts and request.headers.get("authorization") != f"Bearer {TOKEN}":
            answer = {"status": 401, "json": {"detail": "the token is missing or wrong"}}
        elif "/domain.invalid/" in request.path and not self.trusts:
            answer = {"status": 404, "json": {"detail": "no such domain"}}
        return super()._answer(connection, answer)


def test_the_mock_tenants_portal_keeps_the_contract(tmp_path):
    with MockTenant(tmp_path, portal=0, dns=0, webmail=0) as mock:
        url, token = mock.fields["portal_url"], mock.fields["portal_token"]
        status, lines = verify(url, token=token)
        assert (status, lines[-1]) == (0, "all good")
        assert all(line.startswith("PASS") for line in lines[:-1])
        said = "\n".join(lines)
        for path in contract.PATHS.values():
            assert f"GET {path.format(domain='ligbox.example')}" in said
            assert f"GET {path.format(domain='ligbox.example')} with a wrong token" in said
        kept = tmp_path / "token"
        kept.write_text(f"{token}\n")
        about = verify(url, "--token-file", str(kept), "--domain", "ginasio-norte.pt", token="")
        assert about[0] == 0
        assert "ginasio-norte.pt/nginx: it says that there is none (HTTP 404" in "\n".join(about[1])
        status, lines = verify(url, token="a-token-of-last-year")
        assert status == 2
        assert lines[0].startswith("FAIL") and "refused the tenant's token" in lines[0]


def test_our_agent_for_carbonio_keeps_the_contract(tmp_path):
    said = {what: contract.examples(what)[0] for what in ("carbonio", "nginx", "certificate")}
    role = {"carbonio": said["carbonio"], "nginx": "no proxy here", "certificate": "no proxy here"}
    snapshot = tmp_path / "snapshot.json"
    write_snapshot(
        snapshot, {"example.pt": {"type": "local", **said}, "b.pt": {"type": "alias", **role}}
    )
    with Serving(tmp_path, snapshot) as agent:
        status, lines = verify(agent.url, token=AGENT_TOKEN)
        assert (status, lines[-1]) == (0, "all good"), lines
        status, lines = verify(agent.url, "--domain", "b.pt", token=AGENT_TOKEN)
        assert status == 2 and sum(line.startswith("OPEN") for line in lines) == 2
        for what, path in contract.PATHS.items():
            for domain in ("example.pt", "b.pt", "nobody.pt"):
                code, _headers, body = agent.ask(path.format(domain=domain))
                contract.validator(what, str(code)).validate(body)


@pytest.mark.parametrize(
    ("what", "answer", "words"),
    [
        ("carbonio", {"json": {"status": "active"}}, "field “services” is missing"),
        (
            "carbonio",
            {"json": {**GOOD["carbonio"]["json"], "status": "fine"}},
            "field “status” has the unknown value",
        ),
        ("carbonio", {"json": {**GOOD["carbonio"]["json"], "services": {}}}, "names no service"),
        ("nginx", {"body": b"<html>"}, "not JSON"),
        ("certificate", {"status": 404, "body": b"<html>Not found"}, "not JSON"),
        ("certificate", {"status": 302, "headers": {"Location": "/"}}, "redirect"),
        ("domains", {"json": {"domains": ["example.pt"]}}, "is not an object"),
        ("domains", {"status": 500, "json": {"detail": "broken"}}, "HTTP 500"),
    ],
)
def test_what_breaks_the_contract_fails_in_a_sentence(what, answer, words):
    with Portal({**GOOD, what: answer}) as portal:
        status, lines = verify(portal.url, "--domain", "example.pt")
    assert status == 1
    assert any(
        line.startswith("FAIL") and words in line and f"{contract.PATHS[what][:15]}" in line
        for line in lines
    ), lines


def test_a_portal_that_takes_any_token_and_knows_any_name_fails():
    with Portal(GOOD) as portal:
        portal.trusts = True
        status, lines = verify(portal.url)
    failed = [line for line in lines if line.startswith("FAIL")]
    assert status == 1
    assert sum("HTTP 200, not 401" in line for line in failed) == 8
    assert sum("nobody has that name" in line for line in failed) == 3


def test_what_cannot_be_said_at_the_moment_is_open_and_no_failure():
    role = {
        "status": 503,
        "json": {"detail": "this node has no proxy"},
        "headers": {"Retry-After": 60},
    }
    with Portal({**GOOD, "nginx": role, "certificate": role}) as portal:
        status, lines = verify(portal.url)
    assert status == 2
    assert sum(line.startswith("OPEN") for line in lines) == 2
    assert not any(line.startswith("FAIL") for line in lines)


def test_a_portal_without_a_list_keeps_the_contract_and_needs_a_domain():
    none = {"status": 404, "json": {"detail": "no such address"}}
    with Portal({**GOOD, "domains": none}) as portal:
        assert verify(portal.url, "--domain", "example.pt")[0] == 0
        status, lines = verify(portal.url)
    assert status == 2
    assert "--domain" in lines[-1]


def test_without_portal_token_or_address_it_says_so():
    assert verify("http://127.0.0.1:9", token="") == (
        2,
        ["FAIL  A token is needed: --token-file FILE, or LIGBOX_PORTAL_TOKEN."],
    )
    assert verify("http://127.0.0.1:9", "--token-file", "/nowhere")[0] == 2
    assert verify("127.0.0.1:9")[0] == 2
    server = PortalServer()
    server.stopping.set()
    server._socket.close()
    status, lines = verify(server.url)
    assert status == 2
    assert "cannot be reached: connection refused" in lines[0]
