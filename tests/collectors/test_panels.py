"""Which DNS panel a zone's name servers give away: on label borders, all of them or none."""

import pytest
from hypothesis import given
from hypothesis import strategies as st

from collectors.panels import PANELS, hints_of

KNOWN = [
    ("ada.ns.cloudflare.com", "Cloudflare"),
    ("ns31.domaincontrol.com", "GoDaddy"),
    ("dns104.ovh.net", "OVHcloud"),
    ("ns104.ovh.net", "OVHcloud"),
    ("dns200.anycast.me", "OVHcloud"),
    ("a.auto.dns.br", "Registro.br"),
    ("ns-2048.awsdns-64.com", "Amazon Route 53"),
    ("ns-1001.awsdns-61.co.uk", "Amazon Route 53"),
    ("ns-cloud-a1.googledomains.com", "Squarespace Domains / Google Cloud DNS"),
    ("ns1049.ui-dns.biz", "IONOS"),
    ("ns1.dns-parking.com", "Hostinger"),
    ("dns1.registrar-servers.com", "Namecheap"),
    ("dns1.namecheaphosting.com", "Namecheap (cPanel)"),
    ("ns1.locaweb.com.br", "Locaweb"),
    ("ns1.dominios.uol.com.br", "UOL Host"),
    ("dns1.kinghost.com.br", "KingHost"),
    ("ns1026.hostgator.com.br", "HostGator (cPanel)"),
    ("ns1.amenworld.com", "Amen"),
    ("ns1.ptisp.pt", "PTisp (cPanel)"),
    ("ns1.dominios.pt", "Dominios.pt"),
    ("ns1.webtuga.pt", "WebTuga (cPanel)"),
    ("ns1.webhs.pt", "WebHS (cPanel)"),
]


def names(*servers):
    return [hint.name for hint in hints_of(servers)]


@pytest.mark.parametrize(("server", "panel"), KNOWN)
def test_a_name_server_gives_its_panel_away(server, panel):
    assert names(server) == [panel]
    assert names(server.upper() + ".", server) == [panel]


@pytest.mark.parametrize(("server", "_panel"), KNOWN)
def test_a_name_that_only_looks_like_one_gives_nothing_away(server, _panel):
    first, _dot, rest = server.partition(".")
    for other in (
        f"{first}.evil{rest}",
        f"{server}.evil.test",
        f"{first}.{rest.replace('.', '-')}.test",
        server.replace(".", "") + ".test",
    ):
        assert names(other) == [], other


@pytest.mark.parametrize(
    "server",
    [
        "evilcloudflare.com",
        "cloudflare.com",
        "ns0123.secondary.cloudflare.com",  # is told by another what it answers
        "sdns2.ovh.net",
        "ns312345.ovh.net",  # a rented machine
        "vps-0a1b2c3d.vps.ovh.net",
        "ns-1.awsdns-01.evil.com",
        "x.ns-1.awsdns-01.com",
        "ns1.vps123.kinghost.net",
        "uol.com.br",
        "dns.br",
        "com",
        "",
        ".",
        "ns1.kunde.test",
    ],
)
def test_neighbours_are_not_taken_for_them(server):
    assert names(server) == []


def test_nothing_is_guessed_from_a_part_of_the_servers():
    cloudflare = ("ada.ns.cloudflare.com", "bob.ns.cloudflare.com")
    assert names(*cloudflare) == ["Cloudflare"]
    assert names(*cloudflare, "ns1.kunde.test") == []
    assert names("ns1.kunde.test", *cloudflare) == []
    assert names(*cloudflare, "ns31.domaincontrol.com") == ["Cloudflare", "GoDaddy"]
    assert names(*cloudflare, "ns31.domaincontrol.com", "dns1.registrar-servers.com") == []
    assert names() == []


@given(
    st.lists(
        st.one_of(
            st.text(),
            st.integers(),
            st.none(),
            st.sampled_from([server for server, _panel in KNOWN]),
        )
    )
)
def test_whatever_stands_there_one_or_two_hints_come_out_or_none(servers):
    found = names(*servers)
    assert len(found) <= 2
    assert set(found) <= {panel.name for panel in PANELS}


def test_each_panel_says_where_to_click_and_what_to_beware_of():
    assert len({panel.name for panel in PANELS}) == len(PANELS) >= 16
    assert all(panel.where and panel.traps for panel in PANELS)
