"""Whether the addresses that webmail names are to lead to answer, with TLS."""

import pytest

from collectors.server.webmail import MAX_VISITED
from scripts.ports import Reserved
from tests.collectors.certificate_maker import TlsServer, authority, server_context
from tests.collectors.server.card_lab import codes, one
from tests.collectors.smtp_server import SmtpServer


@pytest.fixture(scope="module")
def context(tmp_path_factory):
    leaf = authority().leaf(["webmail.kunde.test"])
    return server_context(tmp_path_factory.mktemp("tls"), leaf)


def row(port, addresses=("127.0.0.1",), *, scheme="https", **options):
    url = f"{scheme}://webmail.{{domain}}:{port}/"
    return one("server_webmail", webmail_addresses=addresses, webmail_url=url, **options)


def test_an_address_that_answers_with_tls_is_ok_whatever_its_certificate(context):
    with TlsServer(context) as server:
        result = row(server.port)
        assert server.names and set(server.names) == {"webmail.kunde.test"}
    assert (str(result.status), codes(result)) == ("ok", [])
    assert result.evidence["answers"]["127.0.0.1"]["tls"].startswith("TLS")


def test_the_target_is_looked_up_and_asked_for_by_its_own_name_where_there_is_no_domain(context):
    names = {
        "web.host.test": {"CNAME": ["proxy.host.test"]},
        "proxy.host.test": {"A": ["127.0.0.1"]},
    }
    with TlsServer(context) as server:
        options = {"names": names, "webmail_target": "web.host.test", "domains": ()}
        result = row(server.port, (), **options)
        assert set(server.names) == {"webmail.web.host.test"}
    assert str(result.status) == "ok"


def test_a_port_that_refuses_fails():
    with Reserved() as nobody:
        result = row(nobody.port)
    assert codes(result) == ["server_webmail_refused"]
    assert f"127.0.0.1:{nobody.port}" in result.message


def test_a_port_without_tls_fails():
    with TlsServer(None) as server:
        result = row(server.port)
    assert codes(result) == ["server_webmail_no_tls"]
    assert "does not speak TLS" in result.message


def test_without_tls_in_the_settings_a_connection_is_enough():
    with SmtpServer() as server:
        assert str(row(server.port, scheme="http").status) == "ok"


def test_silence_is_held_against_nobody():
    with SmtpServer(greeting=None) as server:
        result = row(server.port, config_changes={"domain_seconds": 2.0})
    assert (str(result.status), codes(result)) == ("unknown", ["server_webmail_silent"])


def test_one_of_two_addresses_that_refuses_is_named(context):
    with TlsServer(context) as server:
        result = row(server.port, ("127.0.0.1", "127.0.0.77"))
    assert codes(result) == ["server_webmail_refused"] and "127.0.0.77" in result.message


@pytest.mark.parametrize("address", ["10.0.0.5", "webmail", "169.254.169.254"])
def test_an_address_that_is_not_on_the_internet_is_never_dialled(address, context):
    """Case 73: reported, and no connection."""
    with TlsServer(context) as server:
        result = row(server.port, (address,))
    assert codes(result) == ["server_webmail_broken"] and not result.evidence["answers"]


def test_a_target_that_leads_nowhere_is_broken():
    result = row(443, (), webmail_target="gone.host.test")
    assert codes(result) == ["server_webmail_broken"]


def test_a_webmail_address_that_is_no_url_asks_nobody():
    settings = {"webmail_addresses": ("127.0.0.1",), "webmail_url": "https://me@{domain}/"}
    result = one("server_webmail", **settings)
    assert codes(result) == ["server_webmail_address"]


def test_no_more_addresses_than_anybody_has_are_visited(context):
    """Case 221."""
    with TlsServer(context) as server:
        addresses = tuple(f"127.0.0.{n}" for n in range(100, 150))
        result = row(server.port, addresses)
    assert len(result.evidence["answers"]) == MAX_VISITED


def test_nothing_is_asked_where_nothing_is_set():
    with pytest.raises(KeyError):
        row(443, ())
