"""cert_renewal_at_risk: CAA (RFC 8659), port 80 and the names on the certificate."""

import socket

import pytest

from collectors.vm112.cert_le import renewal
from scripts.ports import Reserved
from tests.collectors.certificate_maker import TlsServer, authority, server_context
from tests.collectors.lab import codes, look, target

HOST = "webmail.kunde.test"
CAA = {"letsencrypt": '0 issue "letsencrypt.org"', "other": '0 issue "other.test"'}


def result(tmp_path, names=(HOST,), *, zone=None, settings=None, organisation="Let's Encrypt"):
    leaf = authority(organisation).leaf(list(names))
    ca_file = tmp_path / "ca.pem"
    ca_file.write_bytes(authority(organisation).root_pem)
    zone = {"names": {HOST: {"A": ["127.0.0.1"]}, "kunde.test": {}, **(zone or {})}}
    with TlsServer(server_context(tmp_path, leaf)) as server:
        the_target = target(webmail_url=f"https://{HOST}:{server.port}/", **(settings or {}))
        return look("cert_le", zone, the_target, config_changes={"ca_file": str(ca_file)})[0]


@pytest.mark.parametrize(
    ("records", "allowed"),
    [
        ([], True),
        ([CAA["letsencrypt"]], True),
        ([CAA["other"], CAA["letsencrypt"]], True),
        (['0 issue "LetsEncrypt.org; validationmethods=http-01"'], True),
        (['0 iodef "mailto:x@kunde.test"'], True),
        (['0 issuewild ";"'], True),
        ([CAA["other"]], False),
        (['0 issue ";"'], False),
        (['128 unheardof "x"', CAA["letsencrypt"]], False),
    ],
)
def test_caa_that_does_not_allow_lets_encrypt_is_told(tmp_path, records, allowed):
    zone = {"kunde.test": {"CAA": records}} if records else None
    got = result(tmp_path, zone=zone)
    assert codes(got) == ([] if allowed else ["cert_renewal_at_risk"])
    if not allowed:
        finding = got.findings[0]
        (record,) = finding.fix.records
        assert (record.type, record.name, record.value) == (
            "CAA",
            "kunde.test",
            '0 issue "letsencrypt.org"',
        )
        assert str(got.status) == "warn"


def test_the_nearest_caa_set_counts(tmp_path):
    zone = {
        "kunde.test": {"CAA": [CAA["other"]]},
        HOST: {"A": ["127.0.0.1"], "CAA": [CAA["letsencrypt"]]},
    }
    assert codes(result(tmp_path, zone=zone)) == []


def test_another_authority_is_not_asked_for(tmp_path):
    zone = {"kunde.test": {"CAA": [CAA["other"]]}}
    got = result(tmp_path, zone=zone, organisation="Other Trust Services")
    assert codes(got) == ["cert_not_lets_encrypt"]


@pytest.mark.parametrize(
    ("at_the_name", "told"),
    [({"A": ["127.0.0.1"]}, False), ({"A": ["127.0.0.66"]}, True), (None, True)],
)
def test_a_name_on_the_certificate_that_has_moved_away_is_told(tmp_path, at_the_name, told):
    zone = {"autoconfig.kunde.test": at_the_name} if at_the_name else {}
    names = (HOST, "autoconfig.kunde.test")
    got = result(tmp_path, names, zone=zone, settings={"webmail_addresses": ("127.0.0.1",)})
    assert codes(got) == (["cert_renewal_at_risk"] if told else [])
    assert ("autoconfig.kunde.test" in str(got.message)) == told
    assert codes(result(tmp_path, names, zone=zone)) == []  # nobody has said what is ours


def test_a_wildcard_is_renewed_through_dns_alone(tmp_path, monkeypatch):
    names = ("*.kunde.test", "gone.kunde.test")
    with Reserved() as closed:
        monkeypatch.setattr(renewal, "CHALLENGE_PORTS", _AnyPort(closed.port))
        got = result(tmp_path, names, settings={"webmail_addresses": ("127.0.0.1",)})
    assert codes(got) == []


def test_a_closed_port_80_is_told_and_an_open_one_is_not(tmp_path, monkeypatch):
    with Reserved() as closed:
        monkeypatch.setattr(renewal, "CHALLENGE_PORTS", _AnyPort(closed.port))
        got = result(tmp_path)
    assert codes(got) == ["cert_renewal_at_risk"]
    assert "does not answer" in str(got.message)
    with socket.create_server(("127.0.0.1", 0)) as open_port:
        ports = _AnyPort(open_port.getsockname()[1])
        monkeypatch.setattr(renewal, "CHALLENGE_PORTS", ports)
        assert codes(result(tmp_path)) == []


class _AnyPort(dict):
    """The challenge port for whatever port a test's server has."""

    def __init__(self, port):
        super().__init__()
        self.port = port

    def get(self, _key):
        return self.port
