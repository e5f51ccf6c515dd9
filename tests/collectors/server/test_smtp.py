"""The row about mail hosts on port 25; the dialogue itself is in test_smtp_client.py."""

import pytest

from collectors.server.smtp import MAX_HOSTS, MAX_VISITED
from scripts.ports import Reserved
from tests.collectors.certificate_maker import authority, server_context
from tests.collectors.server.card_lab import codes, judge, one
from tests.collectors.smtp_server import EHLO, SmtpServer


@pytest.fixture(scope="module")
def tls(tmp_path_factory):
    folder = tmp_path_factory.mktemp("tls")
    ca_file = folder / "ca.pem"
    ca_file.write_bytes(authority().root_pem)

    def context(names=("mx1.host.test",), **how):
        return server_context(folder, authority().leaf(list(names), **how))

    context.ca = {"ca_file": str(ca_file)}
    return context


def row(server, tls, **options):
    return one(
        "server_smtp",
        smtp_port=server.port,
        config_changes={**tls.ca, "domain_seconds": options.pop("seconds", 5.0)},
        **options,
    )


def test_a_mail_host_that_greets_and_offers_valid_tls_is_ok_and_gets_no_mail(tls):
    with SmtpServer(context=tls()) as server:
        result = row(server, tls)
    assert (str(result.status), codes(result)) == ("ok", [])
    assert server.lines == ["EHLO [127.0.0.1]", "STARTTLS", "QUIT"]
    seen = result.evidence["answers"]["127.0.0.1"]
    assert seen["greeting"].startswith("220 mx1") and seen["tls"].startswith("TLS")
    assert seen["certificate"]["names"] == ["mx1.host.test"]


@pytest.mark.parametrize(
    "how",
    [{"end": -3}, {"start": 5}, {"self_signed": True}, {"names": ("other.test",)}, {"bare": True}],
)
def test_a_certificate_that_is_not_valid_is_a_warning(tls, how):
    with SmtpServer(context=tls(**how)) as server:
        result = row(server, tls)
    assert (str(result.status), codes(result)) == ("warn", ["server_smtp_certificate"])


def test_without_starttls_it_fails(tls):
    with SmtpServer(ehlo=b"250 mx1.host.test\r\n") as server:
        result = row(server, tls)
    assert codes(result) == ["server_smtp_no_starttls"]
    assert server.lines[-1] == "QUIT"


@pytest.mark.parametrize(
    "said", [b"454 4.7.0 TLS not available\r\n", b"220 Ready\r\n250 injected\r\n"]
)
def test_starttls_that_does_not_come_about_fails(tls, said):
    """Case 224: what is sent in clear behind the answer is not taken for part of what follows."""
    with SmtpServer(starttls=said, context=tls()) as server:
        result = row(server, tls)
    assert (str(result.status), codes(result)) == ("fail", ["server_smtp_tls"])


@pytest.mark.parametrize(
    "greeting", [b"421 too many connections\r\n", b"554 5.7.1 \x1b[31mblocked\r\n"]
)
def test_who_is_turned_away_says_nothing_of_the_mail_host(tls, greeting):
    with SmtpServer(greeting=greeting) as server:
        result = row(server, tls)
    assert (str(result.status), codes(result)) == ("unknown", ["server_smtp_turned_away"])
    assert "\x1b" not in repr(result.evidence) + result.message


def test_what_does_not_speak_smtp_or_refuses_fails(tls):
    with SmtpServer(greeting=b"HTTP/1.1 200 OK\r\n") as server:
        assert codes(row(server, tls)) == ["server_smtp_protocol"]
    with Reserved() as nobody:
        assert codes(row(nobody, tls)) == ["server_smtp_refused"]


@pytest.mark.parametrize("said", [{"greeting": None}, {"ehlo": None}, {"starttls": None}, {}])
def test_silence_says_nothing_of_the_mail_host(tls, said):
    """Case 224: the last one answers STARTTLS, and then no handshake comes."""
    with SmtpServer(**said) as server:
        result = row(server, tls, seconds=2.0)
    assert (str(result.status), codes(result)) == ("unknown", ["server_smtp_silent"])


def test_every_address_of_every_host_is_asked_and_the_bad_one_named(tls):
    names = {"mx1.host.test": {"A": ["127.0.0.1", "127.0.0.77"]}}
    with SmtpServer(context=tls()) as server:
        result = row(server, tls, names=names)
    assert codes(result) == ["server_smtp_refused"] and "127.0.0.77" in result.message


@pytest.mark.parametrize("address", ["10.0.0.5", "169.254.169.254"])
def test_an_address_that_is_not_on_the_internet_is_never_dialled(tls, address):
    """Case 73."""
    with SmtpServer(context=tls()) as server:
        result = row(server, tls, names={"mx1.host.test": {"A": [address]}})
    assert (codes(result), server.connections) == (["server_smtp_silent"], 0)


def test_visits_are_bounded_whatever_is_set(tls):
    """Case 221."""
    hosts = tuple(f"mx{n}.many.test" for n in range(20))
    names = {host: {"A": [f"127.0.{n}.{m}" for m in range(1, 9)]} for n, host in enumerate(hosts)}
    with Reserved() as nobody:
        result = row(nobody, tls, names=names, mail_hosts=hosts)
    assert len(result.evidence["answers"]) <= MAX_HOSTS * MAX_VISITED


def test_nobody_is_asked_unless_it_is_switched_on():
    found, dns = judge("server_smtp")
    assert found == {} and not dns.queries


def test_a_host_that_cannot_be_looked_up_is_unknown(tls):
    with SmtpServer(context=tls()) as server:
        rules = [{"name": "mx1.host.test", "action": "servfail"}]
        result = row(server, tls, rules=rules)
    assert (str(result.status), server.connections) == ("unknown", 0)


def test_an_extension_is_read_in_any_case(tls):
    with SmtpServer(ehlo=EHLO.lower(), context=tls()) as server:
        assert str(row(server, tls).status) == "ok"
