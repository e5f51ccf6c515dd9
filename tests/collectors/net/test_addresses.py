"""Which addresses a probe may reach: nothing that is not on the internet, however it is written."""

from ipaddress import ip_address, ip_network

import pytest

from collectors.net.addresses import is_global, is_reachable

# The library alone calls these global on some versions of Python (or not private, as 100.64.0.1).
MISJUDGED = [
    "192.0.0.192", "192.88.99.1", "224.0.0.1", "100.64.0.1",
    "::127.0.0.1", "64:ff9b::7f00:1", "64:ff9b:1::1", "2002:7f00:1::", "fec0::1", "ff02::1",
    "3fff::1", "5f00::1",
]  # fmt: skip
DENIED_BLOCKS = [
    "192.0.0.0/24", "192.88.99.0/24", "224.0.0.0/4", "240.0.0.0/4", "64:ff9b:1::/48", "2001::/23",
    "2002::/16", "3fff::/20", "5f00::/16", "fec0::/10", "ff00::/8",
]  # fmt: skip
OF_A_ZONE = [  # what the webmail name of a hostile zone may point to
    "127.0.0.1", "10.0.0.5", "100.64.0.1", "169.254.169.254", "0.0.0.0", "224.0.0.1", "fd00::1",
    "fe80::1", "::ffff:10.0.0.1", "64:ff9b::a00:5", "2002:a00:5::", "fec0::1",
]  # fmt: skip
PUBLIC = [
    "1.1.1.1",
    "8.8.8.8",
    "93.184.216.34",
    "223.255.255.254",
    "2606:4700:4700::1111",
    "2001:4860:4860::8888",
    "2a00:1450:4001:827::200e",
]


@pytest.mark.parametrize("address", MISJUDGED)
def test_it_is_not_fooled_where_the_library_is(address):
    assert not is_global(address)
    assert not is_reachable(address)


@pytest.mark.parametrize("network", DENIED_BLOCKS)
def test_it_denies_the_whole_of_a_block(network):
    network = ip_network(network)
    for address in (network[0], network[1], network[network.num_addresses // 2], network[-1]):
        assert not is_reachable(address), address


@pytest.mark.parametrize("address", OF_A_ZONE)
def test_it_denies_what_a_zone_may_point_at(address):
    """Case 73."""
    assert not is_reachable(address)
    assert not is_reachable(ip_address(address))


@pytest.mark.parametrize(
    "address", ["::1", "::ffff:127.0.0.1", "64:ff9b::7f00:1", "127.0.0.1", "169.254.169.254"]
)
def test_it_denies_the_machine_itself_in_every_form(address):
    """Case 69."""
    assert not is_reachable(address)


@pytest.mark.parametrize(
    "text",
    [
        "localhost",
        "2130706433",
        "0x7f.1",
        "127.1",
        "[::1]",
        "0177.0.0.1",
        "127.0.0.1.",
        "①②⑦.⓪.⓪.①",
        "",
        " 127.0.0.1",
        "::1/128",
    ],
)
def test_it_takes_no_address_in_another_spelling(text):
    """Case 69."""
    for decide in (is_global, is_reachable):
        with pytest.raises(ValueError, match="address"):
            decide(text)


@pytest.mark.parametrize(
    "address",
    [
        "10.255.255.255", "172.16.0.1", "172.31.255.255", "192.168.1.1", "100.127.255.255",
        "198.18.0.1", "192.0.2.1", "198.51.100.1", "203.0.113.25", "255.255.255.255", "240.0.0.1",
        "0.1.2.3", "127.255.255.254", "::", "::2", "fc00::1", "fdff::1", "febf::1",
        "2001:db8::25", "2001:0:4136:e378::1", "100::1", "ff0e::1", "::8.8.8.8", "4000::1",
        "8000::1",
    ],
)  # fmt: skip
def test_it_denies_private_reserved_and_unallocated_addresses(address):
    assert not is_reachable(address)


@pytest.mark.parametrize(
    ("inner", "good"),
    [
        ("8.8.8.8", True),
        ("10.0.0.1", False),
        ("127.0.0.1", False),
        ("169.254.169.254", False),
        ("224.0.0.1", False),
        ("0.0.0.0", False),
    ],
)
def test_it_judges_mapped_and_nat64_addresses_by_what_they_carry(inner, good):
    assert is_reachable(f"::ffff:{inner}") is good
    assert is_reachable(f"64:ff9b::{inner}") is good


@pytest.mark.parametrize("inner", ["8.8.8.8", "10.0.0.1"])
def test_it_denies_tunnels_whatever_they_carry(inner):
    high, low = divmod(int(ip_address(inner)), 0x10000)
    assert not is_reachable(f"2002:{high:x}:{low:x}::1")  # 6to4
    assert not is_reachable(f"2001:0:{high:x}:{low:x}::1")  # Teredo


@pytest.mark.parametrize(
    "address", ["fe80::1%eth0", "2606:4700::1%eth0", "::ffff:8.8.8.8%eth0", "64:ff9b::8.8.8.8%1"]
)
def test_it_denies_an_address_that_names_an_interface(address):
    assert not is_reachable(address)


@pytest.mark.parametrize("address", PUBLIC)
def test_it_lets_public_addresses_pass(address):
    assert is_global(address)
    assert is_reachable(address)
    assert is_reachable(ip_address(address))


# -- networks that the operator allows


def test_an_allowed_network_opens_itself_and_nothing_else():
    allowed = (ip_network("10.10.10.0/24"), ip_network("fd00:1::/32"))
    assert is_reachable("10.10.10.7", allowed)
    assert is_reachable("::ffff:10.10.10.7", allowed)
    assert is_reachable("fd00:1::7", allowed)
    for address in (
        "10.10.11.7",
        "::ffff:10.10.11.7",
        "fd00:2::7",
        "127.0.0.1",
        "::1",
        "169.254.169.254",
    ):
        assert not is_reachable(address, allowed)
    assert is_reachable("8.8.8.8", allowed)


def test_an_allowed_network_is_not_reached_through_a_translator():
    """NAT64 and 6to4 leave the machine for a gateway: behind it is not the operator's network."""
    allowed = (ip_network("10.0.0.0/8"),)
    assert not is_reachable("64:ff9b::a00:5", allowed)
    assert not is_reachable("2002:a00:5::", allowed)


def test_allowed_networks_do_not_change_what_is_global():
    assert not is_global("10.10.10.7")
