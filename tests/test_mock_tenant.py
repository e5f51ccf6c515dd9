"""The mock tenant: what it serves, what it keeps, the events that it posts, and the command."""

import http.client
import json
import os
import signal
import socket
import ssl
import stat
import subprocess
import sys
import threading
from datetime import timedelta
from http.server import BaseHTTPRequestHandler, ThreadingHTTPServer
from pathlib import Path

import dns.message
import dns.query
import pytest
from cryptography import x509
from cryptography.x509.oid import NameOID
from django.core.management import call_command
from django.utils import timezone
from standardwebhooks import Webhook

from audit.models import AuditDomain, Tenant
from mock_tenant.dnsserver import DnsServer
from mock_tenant.events import Onboarding
from mock_tenant.tenant import MockTenant, PortTaken
from tests import portal_contract as contract

ROOT = Path(__file__).resolve().parent.parent
ANY = {"portal": 0, "dns": 0, "webmail": 0}


@pytest.fixture(scope="module")
def mock(tmp_path_factory):
    with MockTenant(tmp_path_factory.mktemp("mock"), **ANY) as running:
        yield running


def portal_path(what, domain):
    return contract.PATHS[what].format(domain=domain)


def ask_portal(mock, path, token=None, method="GET"):
    connection = http.client.HTTPConnection("127.0.0.1", mock.ports["portal"], timeout=10)
    token = mock.fields["portal_token"] if token is None else token
    connection.request(method, path, headers={"Authorization": f"Bearer {token}"} if token else {})
    answer = connection.getresponse()
    body = json.loads(answer.read())
    connection.close()
    return answer.status, body


def handshake(mock, host, verify=True):
    """The certificate that the webmail serves for a host, as DER.

    Raises ssl.SSLError if it is not to be trusted.
    """
    context = ssl.create_default_context(cafile=mock.env["SSL_CERT_FILE"])
    if not verify:
        context.check_hostname, context.verify_mode = False, ssl.CERT_NONE
    with (
        socket.create_connection(("127.0.0.1", mock.ports["webmail"]), timeout=10) as plain,
        context.wrap_socket(plain, server_hostname=host) as tls,
    ):
        return tls.getpeercert(binary_form=True)


# -- DNS


def test_it_answers_over_udp_and_tcp_with_the_ttl_of_its_zone(mock):
    query = dns.message.make_query("vinhos-alentejo.pt", "MX")
    for ask in (dns.query.udp, dns.query.tcp):
        (rrset,) = ask(query, "127.0.0.1", port=mock.ports["dns"], timeout=5).answer
        assert sorted(r.to_text() for r in rrset) == [
            "10 mx1.ligbox.example.",
            "20 mx2.ligbox.example.",
        ]
        assert rrset.ttl == mock.company.ttl == 60


def test_a_zone_without_ttl_is_not_cached():
    with DnsServer({"names": {"a.test": {"A": ["192.0.2.1"]}}}) as server:
        found = dns.query.udp(
            dns.message.make_query("a.test", "A"), server.host, port=server.port, timeout=5
        )
    assert [rrset.ttl for rrset in found.answer] == [0]


def test_every_record_of_the_company_can_be_expressed(mock):
    assert mock.dns.zone.warnings == []


def test_names_in_between_exist_and_others_do_not(mock):
    def rcode(name):
        return dns.query.udp(
            dns.message.make_query(name, "TXT"), "127.0.0.1", port=mock.ports["dns"], timeout=5
        ).rcode()

    assert rcode("_domainkey.vinhos-alentejo.pt") == dns.rcode.NOERROR
    assert rcode("nothing.vinhos-alentejo.pt") == dns.rcode.NXDOMAIN
    assert rcode("any.pt._report._dmarc.ligbox.example") == dns.rcode.NOERROR


# -- the portal


@pytest.mark.parametrize("what", sorted(contract.PATHS))
def test_every_answer_of_the_portal_keeps_the_contract(mock, what):
    kept = {status: contract.validator(what, status) for status in ("200", "404", "503")}
    for fault in ("", *mock.company.faults):
        if mock.company.faults.get(fault, {}).get("refuses"):
            continue
        mock.portal.faults = frozenset([fault] if fault else [])
        for domain in [*mock.company.domains.values(), None]:
            if domain and what != "domains" and domain.portal[what].get("delay"):
                continue
            path = portal_path(what, domain.name if domain else "nobody.invalid")
            status, body = ask_portal(mock, path)
            kept[str(status)].validate(body)
    mock.portal.faults = frozenset()


@pytest.mark.parametrize("what", sorted(contract.PATHS))
def test_the_second_servers_portal_refuses_its_token_as_the_contract_has_it(mock, what):
    token = mock.second_fields["portal_token"]
    status, body = ask_portal(mock, portal_path(what, "vinhos-alentejo.pt"), token=token)
    assert status == 401
    contract.validator(what, "401").validate(body)


def test_the_portal_lists_the_domains_that_it_knows(mock):
    _status, body = ask_portal(mock, "/api/v1/domains")
    names = {entry["domain"] for entry in body["domains"]}
    assert names == set(mock.company.domains)
    status, _body = ask_portal(mock, "/api/v1/domains/")
    assert status == 404


def test_it_rejects_a_missing_and_a_wrong_token(mock):
    for token in ("", "wrong", mock.fields["portal_token"] + "x"):
        status, body = ask_portal(mock, "/api/v1/domains/vinhos-alentejo.pt/carbonio", token=token)
        assert (status, list(body)) == (401, ["detail"])


def test_it_answers_404_with_a_detail_for_what_is_not_there(mock):
    for path in (
        "/api/v1/domains/nobody.pt/carbonio",
        "/api/v1/domains/ginasio-norte.pt/nginx",
        "/api/v1/domains/vinhos-alentejo.pt/x",
        "/",
    ):
        status, body = ask_portal(mock, path)
        assert (status, list(body)) == (404, ["detail"]), path


def test_the_portal_reports_the_key_that_dns_publishes_and_the_certificate_that_is_served(mock):
    status, carbonio = ask_portal(mock, "/api/v1/domains/vinhos-alentejo.pt/carbonio")
    assert status == 200
    assert (
        carbonio["dkim"]["public_key"]
        in mock.company.domains["vinhos-alentejo.pt"].zone["s2026._domainkey.vinhos-alentejo.pt"][
            "TXT"
        ][0]
    )
    _, certificate = ask_portal(mock, "/api/v1/domains/vinhos-alentejo.pt/certificate")
    assert ssl.PEM_cert_to_DER_cert(certificate["pem"]) == handshake(
        mock, "webmail.vinhos-alentejo.pt"
    )


def test_the_portal_is_read_only(mock):
    assert (
        ask_portal(mock, "/api/v1/domains/vinhos-alentejo.pt/carbonio", method="DELETE")[0] == 405
    )
    assert mock.portal.requests[-1]["method"] == "DELETE"


def test_a_stop_does_not_wait_for_slow_answers(tmp_path):
    with MockTenant(tmp_path, **ANY) as slow:
        connection = http.client.HTTPConnection("127.0.0.1", slow.ports["portal"], timeout=10)
        connection.request(
            "GET",
            "/api/v1/domains/hotel-douro.com/nginx",
            headers={"Authorization": f"Bearer {slow.fields['portal_token']}"},
        )
        while not slow.portal.requests:
            pass
        slow.stop()
        with pytest.raises((http.client.HTTPException, OSError)):
            connection.getresponse()


# -- the webmail


def test_its_certificates_are_like_those_of_lets_encrypt(mock):
    leaf = x509.load_der_x509_certificate(handshake(mock, "webmail.vinhos-alentejo.pt"))
    assert leaf.issuer.get_attributes_for_oid(NameOID.ORGANIZATION_NAME)[0].value == "Let's Encrypt"
    assert leaf.extensions.get_extension_for_class(
        x509.SubjectAlternativeName
    ).value.get_values_for_type(x509.DNSName) == ["webmail.vinhos-alentejo.pt"]
    assert (leaf.not_valid_after_utc - leaf.not_valid_before_utc).days == 90


def test_expired_and_foreign_certificates_are_refused(mock):
    with pytest.raises(ssl.SSLCertVerificationError, match="expired"):
        handshake(mock, "webmail.clinica-sorriso.pt")
    with pytest.raises(ssl.SSLCertVerificationError, match="match"):
        handshake(mock, "webmail.ginasio-norte.pt")


def test_clients_that_go_away_leave_no_traceback(mock, capfd):
    for what in ("portal", "webmail", "dns"):
        with socket.create_connection(("127.0.0.1", mock.ports[what]), timeout=5) as rude:
            rude.setsockopt(
                socket.SOL_SOCKET, socket.SO_LINGER, b"\x01\x00\x00\x00\x00\x00\x00\x00"
            )  # closes with a reset
            rude.sendall(b"GET / HTTP/1.1\r\nHo")
    assert handshake(mock, "webmail.vinhos-alentejo.pt")  # and the next one is served
    assert ask_portal(mock, "/", token="")[0] == 401
    assert capfd.readouterr().err == ""


# -- what is kept


def test_a_second_start_uses_the_same_keys(tmp_path):
    first, second = MockTenant(tmp_path, **ANY), MockTenant(tmp_path, **ANY)
    assert first.fields == second.fields
    assert first.company.domains == second.company.domains
    assert first.authority.issuer == second.authority.issuer


def test_what_it_keeps_is_for_its_owner_alone(tmp_path):
    MockTenant(tmp_path / "data", **ANY)
    assert {stat.S_IMODE(path.stat().st_mode) for path in (tmp_path / "data").iterdir()} == {0o600}
    assert stat.S_IMODE((tmp_path / "data").stat().st_mode) == 0o700


def test_keys_that_are_damaged_are_made_anew(tmp_path):
    MockTenant(tmp_path, **ANY)
    for path in tmp_path.iterdir():
        path.write_text("not what it was")
    with MockTenant(tmp_path, **ANY) as mended:
        assert handshake(mended, "webmail.vinhos-alentejo.pt")


def test_a_port_in_use_is_named_and_nothing_stays_open(tmp_path, mock):
    other = MockTenant(tmp_path, portal=0, dns=0, webmail=mock.ports["webmail"])
    with pytest.raises(PortTaken, match=f"Port {mock.ports['webmail']} for the webmail server"):
        other.start()
    assert other.dns is other.portal is None


# -- events


class _Web(ThreadingHTTPServer):
    """A web that answers one status after the other, and remembers what it was sent."""

    def __init__(self, *statuses):
        super().__init__(("127.0.0.1", 0), _WebHandler)
        self.statuses, self.got = list(statuses), []
        threading.Thread(
            target=self.serve_forever, kwargs={"poll_interval": 0.02}, daemon=True
        ).start()


class _WebHandler(BaseHTTPRequestHandler):
    def do_POST(self):
        body = self.rfile.read(int(self.headers["Content-Length"]))
        self.server.got.append((self.path, {k.lower(): v for k, v in self.headers.items()}, body))
        self.send_response(self.server.statuses.pop(0))
        self.send_header("Content-Length", "0")
        self.end_headers()

    def log_message(self, *args):
        pass


def test_events_are_signed_as_the_standard_says_and_tried_until_they_are_taken(mock):
    web = _Web(503, 202, 202)
    said = []
    names = [d.name for d in mock.company.joining()][:2]
    posting = mock.onboard(
        web=f"http://127.0.0.1:{web.server_port}",
        tenant_id=7,
        every=0.01,
        domains=names,
        say=said.append,
    )
    posting.join(10)
    web.shutdown()
    web.server_close()
    assert [path for path, _, _ in web.got] == ["/api/v1/webhooks/7"] * 3
    payloads = [
        Webhook(mock.fields["webhook_secret"]).verify(body.decode(), headers)
        for _, headers, body in web.got
    ]
    assert [p["data"]["domain"] for p in payloads] == [names[0], names[0], names[1]]
    assert [p["type"] for p in payloads] == [
        "account.created",
        "account.created",
        "onboarding.completed",
    ]
    ids = [headers["webhook-id"] for _, headers, _ in web.got]
    assert ids[0] == ids[1] != ids[2]
    assert posting.taken == [(ids[0], names[0]), (ids[2], names[1])]
    assert len(said) == 2


def test_an_event_that_is_refused_is_not_sent_again(mock):
    web = _Web(401)
    posting = Onboarding(
        url=f"http://127.0.0.1:{web.server_port}/",
        secret=mock.fields["webhook_secret"],
        domains=["a.pt"],
        every=0,
    )
    posting.run()
    web.shutdown()
    web.server_close()
    assert (len(web.got), posting.taken) == (1, [])


# -- the command


def serve(tmp_path, *more):
    call_command(
        "mock_tenant",
        "--data",
        str(tmp_path),
        "--seconds",
        "0.05",
        *[f"--{n}-port=0" for n in ANY],
        *more,
    )


def test_it_registers_the_tenant_and_its_first_domains_once(db, tmp_path, capsys):
    serve(tmp_path, "--register", "--event-every", "0")
    first = Tenant.objects.get(name="VM112").portal_url
    serve(tmp_path, "--register", "--event-every", "0")
    tenant = Tenant.objects.get(name="VM112")
    assert tenant.name == "VM112" and tenant.portal_url != first
    assert tenant.portal_token and tenant.webhook_secret.startswith("whsec_")
    assert tenant.webmail_url.startswith("https://webmail.{domain}:")
    names = set(AuditDomain.objects.values_list("domain", flat=True))
    assert len(names) == 25 and "xn--joo-silva-m2a.pt" in names and "quinta-azul.pt" not in names
    assert set(AuditDomain.objects.values_list("source", flat=True)) == {"onboarding", "import"}
    long = AuditDomain.objects.filter(
        onboarding=False, created_at__lt=timezone.now() - timedelta(days=30)
    )
    assert set(long) == set(AuditDomain.objects.filter(source="import"))
    assert "of them new: 0" in capsys.readouterr().out


def test_without_register_it_changes_nothing(db, tmp_path):
    serve(tmp_path)
    assert not Tenant.objects.exists()


def test_env_is_for_a_shell_to_evaluate(tmp_path, capsys):
    call_command(
        "mock_tenant", "--env", "--data", str(tmp_path / "a folder's"), "--dns-port", "5311"
    )
    script = (
        capsys.readouterr().out
        + 'echo "$AUDIT_DNS_SERVERS $AUDIT_ALLOWED_NETWORKS"; test -s "$SSL_CERT_FILE"'
    )
    done = subprocess.run(["bash", "-euc", script], capture_output=True, text=True)
    assert (done.returncode, done.stdout) == (0, "127.0.0.1:5311 127.0.0.0/8\n"), done.stderr


def test_a_busy_port_stops_the_command_with_one_line_and_2(tmp_path, mock, capsys):
    with pytest.raises(SystemExit) as stopped:
        call_command(
            "mock_tenant",
            "--data",
            str(tmp_path),
            f"--dns-port={mock.ports['dns']}",
            "--portal-port=0",
            "--webmail-port=0",
        )
    assert stopped.value.code == 2
    assert len(capsys.readouterr().err.strip().splitlines()) == 1


@pytest.mark.parametrize(("number", "code"), [(signal.SIGTERM, 0), (signal.SIGINT, 130)])
def test_signals_end_it_without_a_traceback(tmp_path, number, code):
    command = [
        sys.executable,
        "manage.py",
        "mock_tenant",
        "--data",
        str(tmp_path),
        *[f"--{n}-port=0" for n in ANY],
    ]
    env = {**os.environ, "DATABASE_URL": f"sqlite:///{tmp_path}/none.sqlite3"}
    with subprocess.Popen(
        command, cwd=ROOT, env=env, stdout=subprocess.PIPE, stderr=subprocess.PIPE, text=True
    ) as process:
        while "no onboarding events" not in process.stdout.readline():
            assert process.poll() is None
        process.send_signal(number)
        _out, err = process.communicate(timeout=20)
    assert (process.returncode, err) == (code, "")
