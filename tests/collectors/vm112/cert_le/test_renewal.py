"""cert_renewal_at_risk: CAA (RFC 8659), port 80 and the names on the certificate."""

import socket

import pytest

from collectors.vm112.cert_le import renewal
from scripts.ports import Reserved
from tests.collectors.certificate_maker import TlsServer, authority, server_context
from tests.collectors.lab import codes, look, target
from tests.collectors.publishing import published

HOST = "webmail.kunde.test"
CAA = {"letsencrypt": '0 issue "letsencrypt.org"', "other": '0 issue "other.test"'}


def zone_of(changes):
    """A name that is None is not there."""
    names = {HOST: {"A": ["127.0.0.1"]}, "kunde.test": {}, **(changes or {})}
    return {"names": {name: types for name, types in names.items() if types is not None}}


def result(
    tmp_path,
    names=(HOST,),
    *,
    zone=None,
    settings=None,
    organisation="Let's Encrypt",
    host=HOST,
    domain="kunde.test",
):
    leaf = authority(organisation).leaf(list(names))
    ca_file = tmp_path / "ca.pem"
    ca_file.write_bytes(authority(organisation).root_pem)
    with TlsServer(server_context(tmp_path, leaf)) as server:
        url = f"https://{host}:{server.port}/"
        the_target = target(domain, webmail_url=url, **(settings or {}))
        return look("cert_le", zone_of(zone), the_target, config_changes={"ca_file": str(ca_file)})[
            0
        ]


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


WILD = ("*.kunde.test",)
ALIAS = {HOST: {"CNAME": ["srv.host.test"]}, "srv.host.test": {"A": ["127.0.0.1"], "CAA": []}}


@pytest.mark.parametrize(
    ("names", "zone", "owner", "at"),
    [
        ((HOST,), {"kunde.test": {"CAA": [CAA["other"]]}}, "customer", "kunde.test"),
        (
            WILD,
            {"kunde.test": {"CAA": [CAA["letsencrypt"], '0 issuewild "other.test"']}},
            "customer",
            "kunde.test",
        ),
        (WILD, {"kunde.test": {"CAA": ['0 issue ";"']}}, "customer", "kunde.test"),
        (
            (HOST,),
            {
                HOST: None,
                "kunde.test": {"A": ["127.0.0.1"]},
                "*.kunde.test": {"A": ["127.0.0.1"], "CAA": [CAA["other"]]},
            },
            "customer",
            "*.kunde.test",
        ),
        (
            (HOST,),
            {**ALIAS, "srv.host.test": {"A": ["127.0.0.1"], "CAA": [CAA["other"]]}},
            "host",
            "srv.host.test",
        ),
        ((HOST,), {"kunde.test": {"CAA": ['128 unheardof "x"']}}, "customer", "kunde.test"),
    ],
)
def test_the_record_for_caa_is_enough_and_takes_nothing_away(tmp_path, names, zone, owner, at):
    got = result(tmp_path, names, zone=zone)
    assert codes(got) == ["cert_renewal_at_risk"]
    finding = got.findings[0]
    assert (str(finding.owner), at in str(finding.message)) == (owner, True)
    if owner == "host" or "critical" in finding.fix.text:
        assert finding.fix.records == ()
        return
    names_then = published(zone_of(zone)["names"], finding.fix.records)
    assert codes(result(tmp_path, names, zone={HOST: None, **names_then})) == []
    beside = {name for name, types in names_then.items() if types} - set(zone_of(zone)["names"])
    assert beside == set()  # no name comes into being, which a wildcard would not answer for


def test_the_host_acts_for_a_name_of_its_own(tmp_path):
    zone = {"mail.host.test": {"A": ["127.0.0.1"]}, "host.test": {"CAA": ['0 issue ";"']}}
    got = result(tmp_path, ("mail.host.test",), zone=zone, host="mail.host.test")
    assert [(str(f.owner), f.fix.records) for f in got.findings] == [("host", ())]


def test_the_customers_parent_domain_is_theirs(tmp_path):
    zone = {"kunde.test": {"CAA": ['0 issue ";"']}}
    got = result(tmp_path, zone=zone, domain="sub.kunde.test")
    assert [str(f.owner) for f in got.findings] == ["customer"]


def test_another_sites_certificate_has_no_renewal_of_ours(tmp_path):
    zone = {"kunde.test": {"CAA": [CAA["other"]]}}
    ours = {"webmail_addresses": ("127.0.0.1",)}
    got = result(tmp_path, ("srv01.agency.test", "www.agency.test"), zone=zone, settings=ours)
    assert codes(got) == ["cert_name_mismatch"]


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
