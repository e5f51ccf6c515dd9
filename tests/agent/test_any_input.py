"""Any input at all: it is never answered with what was not there, and never stops the agent."""

import base64
import contextlib
import json
import string
import tempfile
import time
from pathlib import Path

import pytest
from hypothesis import HealthCheck, example, given, settings
from hypothesis import strategies as st

from collectors.net.portal_answers import read_answer
from tests.agent.carbonio import agent, ldif, systemd_says, zmcontrol_says

SERVICES = {"mta": "running"}

BOUNDED = settings(max_examples=150, deadline=None, suppress_health_check=list(HealthCheck))
WORDS = st.sampled_from(
    [
        "dn: dc=cliente,dc=pt",
        "objectClass: zimbraDomain",
        "objectClass: zimbraAccount",
        "zimbraDomainName: cliente.pt",
        "zimbraDomainName:: AAEC/w==",
        "DKIMSelector: s1",
        "DKIMPublicKey: p=",
        "zimbraDomainStatus: closed",
        "",
        "\n",
        " x",
        "# y",
        "result: 4",
        "version: 1",
        ":",
        "::",
        "a:<b",
    ]
)
NGINX = st.sampled_from(
    [
        "server",
        " ",
        "{",
        "}",
        ";",
        '"',
        "'",
        "#",
        "\n",
        "\\",
        "${",
        "listen",
        "443",
        "ssl",
        "server_name",
        "a.b",
        "default_server",
        "ssl_certificate",
        "-----BEGIN CERTIFICATE-----",
        "MIAA",
        "return",
        "400",
    ]
)
UNITS = st.sampled_from([*systemd_says().split("\n"), "\n", "=", "Id=", "ActiveState=failed", "x"])
ZMCONTROL = st.sampled_from(
    [*zmcontrol_says().split("\n"), "", "\t", "\tx Running", "\t\tx", "Host a"]
)


def lines(words):
    return st.lists(words, max_size=30).map("\n".join) | st.text(max_size=200)


@BOUNDED
@given(lines(WORDS))
@example("dn: dc=cliente,dc=pt\nobjectClass: zimbraDomain\nzimbraDomainName: cliente.pt\n")
def test_any_directory(text):
    try:
        domains = agent.read_directory(text)
    except agent.FAULTS:
        return
    for name, entry in domains.items():
        assert name in text.lower() or "::" in text
        try:
            answer = agent.carbonio(entry, SERVICES)
        except agent.FAULTS:
            continue
        assert answer["status"] in text.lower() or "zimbradomainstatus" not in entry
        assert (
            answer["dkim"] is None
            or answer["dkim"]["public_key"] in text.replace("\n ", "")
            or "::" in text
        )
        read_answer("carbonio", 200, json.dumps(answer), "cliente.pt")


@BOUNDED
@given(st.lists(NGINX, max_size=40).map("".join) | st.text(string.printable, max_size=200))
def test_any_configuration_of_nginx(text):
    try:
        servers = agent.read_servers(text)
    except agent.NotKnown:
        return
    for server in servers:
        assert all(name in text.lower() for name in server["names"])
        assert "ssl" in text or not server["tls"]


@pytest.mark.parametrize(
    "text",
    [
        '"' * 100_000,
        "\\" * 99_999,
        "{" * 99_999,
        "a" * 300_000,
        "'\\" * 50_000,
        "${" * 50_000,
        "#" * 99_999,
        "a\\" * 50_000,
    ],
)
def test_no_configuration_takes_long(text):
    began = time.monotonic()
    with contextlib.suppress(agent.NotKnown):
        agent.read_servers(f"server {{ server_name {text}")
    assert time.monotonic() - began < 5


@BOUNDED
@given(
    st.lists(UNITS, max_size=60).map("\n".join),
    st.lists(ZMCONTROL, max_size=20).map("\n".join),
    st.integers(-9, 255),
)
def test_any_services(units, zmcontrol, code):
    for ask in (lambda: agent.read_systemd(units), lambda: agent.read_zmcontrol(code, zmcontrol)):
        try:
            services = ask()
        except agent.FAULTS:
            continue
        for name, state in services.items():
            assert state in {*agent.STATES.values(), "running", "stopped"}
            assert name in zmcontrol or name in agent.UNITS.values()


@BOUNDED
@given(st.text(max_size=100), st.binary(max_size=200))
def test_any_pem_is_answered_as_a_certificate_or_not_at_all(text, data):
    for one in (text, base64.b64encode(data).decode()):
        pem = f"{text}-----BEGIN CERTIFICATE-----\n{one}\n-----END CERTIFICATE-----\n"
        pem += "-----BEGIN PRIVATE KEY-----\nx"
        try:
            leaf = agent.leaf(pem)
        except ValueError:
            continue
        assert leaf == "" or (
            leaf.startswith("-----BEGIN CERTIFICATE-----\n") and "PRIVATE" not in leaf
        )


JSON = st.recursive(
    st.none()
    | st.booleans()
    | st.floats()
    | st.text(max_size=9)
    | st.sampled_from(["cliente.pt", 1, time.time()]),
    lambda inner: (
        st.lists(inner, max_size=4)
        | st.dictionaries(
            st.sampled_from(
                ["format", "made", "domains", "cliente.pt", "carbonio", "nginx", "type", "detail"]
            ),
            inner,
            max_size=5,
        )
    ),
    max_leaves=20,
)


@BOUNDED
@given(JSON, st.sampled_from([*agent.WHAT, None]))
@example({"format": 1, "made": time.time(), "domains": {"cliente.pt": "x"}}, "carbonio")
@example({"format": True, "made": time.time() + 1e9, "domains": {}}, "carbonio")
def test_any_snapshot(data, what):
    with tempfile.TemporaryDirectory() as folder:
        path = Path(folder) / "snapshot.json"
        path.write_text(json.dumps(data))
        status, answer = agent.Snapshot(str(path)).answer(what, "cliente.pt")
    known = (
        isinstance(data, dict) and isinstance(data.get("domains"), dict) and data.get("format") == 1
    )
    assert status == 503 or known
    json.dumps(answer)


@BOUNDED
@given(
    st.binary(max_size=300)
    | st.binary(max_size=99).map(lambda rest: b"GET /api/v1/domains/" + rest + b" HTTP/1.1\r\n\r\n")
)
def test_any_head_of_a_request_without_the_token(head):
    status, answer = agent.respond(head, None, b"the token of this test")  # no snapshot is asked
    assert status in (400, 401, 405) and list(answer) == ["detail"]


@BOUNDED
@given(st.text(max_size=60).map(lambda text: text.encode("utf-8", "replace")))
def test_any_address_with_the_token(path):
    head = b"GET /api/v1/domains" + path + b" HTTP/1.1\r\nAuthorization: Bearer token\r\n\r\n"
    status, answer = agent.respond(head, agent.Snapshot("/nonexistent"), b"token")
    assert status in (400, 401, 404, 503) and "detail" in answer
    assert ldif("detail", str(answer["detail"]))
