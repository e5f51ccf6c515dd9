"""Faults of the mock's server: each is seen in its row of the server card, and goes again."""

import asyncio
import time
from dataclasses import fields
from ipaddress import ip_network

import pytest
from django.core.management import CommandError, call_command

from collectors.base import Target
from collectors.net.session import NetConfig, NetworkClients
from collectors.run import judge_server
from collectors.server.subject import Server
from mock_tenant.faults import Faults
from mock_tenant.tenant import MockTenant

ROWS = {
    "portal": ("server_portal", "server_portal_unreachable"),
    "clock": ("server_portal", "server_clock_off"),
    "services": ("server_services", "server_service_down"),
    "proxy": ("server_proxy", "server_proxy_config"),
    "mx": ("server_mx", "server_mx_broken"),
    "spf": ("server_spf", "server_spf_broken"),
    "reports": ("server_reports", "server_reports_broken"),
    "ptr": ("server_ptr", "server_ptr_missing"),
    "dnsbl": ("server_dnsbl", "server_dnsbl_listed"),
}


@pytest.fixture(scope="module")
def mock(tmp_path_factory):
    with MockTenant(tmp_path_factory.mktemp("mock"), portal=0, dns=0, webmail=0) as mock:
        yield mock


def judge(mock, settings, domains=("ligbox.example",)):
    """{row: [codes]} of a server with these settings."""
    known = {f.name for f in fields(Target)}
    plain = {k: tuple(v) if isinstance(v, list) else v for k, v in settings.items() if k in known}
    target = Target(domains[0] if domains else "", tenant=settings["name"], **plain)
    server = Server(target, domains, dnsbls=(mock.env["AUDIT_DNSBLS"],))
    config = NetConfig(
        dns_servers=(("127.0.0.1", mock.ports["dns"]),),
        allowed_networks=(ip_network("127.0.0.0/8"),),
        ca_file=mock.env["SSL_CERT_FILE"],
    )

    async def look():
        network = NetworkClients(config)
        try:
            return await judge_server(server, network.server_session(target))
        finally:
            await network.close()

    return {c: [f.code for f in r.findings] for c, r in asyncio.run(look()).items()}


def switched(mock, name, *, on):
    mock.faults.switch(name, on=on)
    until = time.monotonic() + 30
    while (name in mock.portal.faults) != on and time.monotonic() < until:
        time.sleep(0.05)


def test_there_is_a_row_for_every_fault_and_without_one_all_is_well(mock):
    ours = {name for name, fault in mock.company.faults.items() if "silent" not in fault}
    assert set(ROWS) == ours, "those of others are no row: see test_name_servers_down"
    assert set(map(tuple, judge(mock, mock.fields).values())) == {()}


@pytest.mark.parametrize("name", ROWS)
def test_a_fault_is_seen_in_its_row_and_goes_again(mock, name):
    row, code = ROWS[name]
    switched(mock, name, on=True)
    try:
        assert code in judge(mock, mock.fields)[row]
    finally:
        switched(mock, name, on=False)
    assert judge(mock, mock.fields)[row] == []


def test_the_second_server_shows_much_that_can_be_wrong(mock):
    found = judge(mock, mock.second_fields, domains=())
    assert found == {
        "server_portal": ["server_portal_token"],
        "server_mx": ["server_mx_broken", "server_mx_broken"],
        "server_spf": ["server_spf_broken"],
        "server_reports": ["server_reports_broken"],
        "server_ptr": ["server_ptr_missing"],
        "server_dnsbl": ["server_dnsbl_listed"],
        "server_webmail": ["server_webmail_refused"],
    }


def test_the_command_switches_and_says_what_is_on(tmp_path, capsys):
    options = {"data": str(tmp_path)}
    call_command("mock_tenant", fault="proxy", **options)
    call_command("mock_tenant", fault="services", **options)
    call_command("mock_tenant", cure="proxy", **options)
    assert capsys.readouterr().out.splitlines() == [
        "On: proxy.",
        "On: proxy, services.",
        "On: services.",
    ]
    with pytest.raises((SystemExit, CommandError)):
        call_command("mock_tenant", fault="everything", **options)
    assert "nginx would not start" in capsys.readouterr().err


def test_a_file_with_something_else_in_it_switches_nothing(tmp_path):
    (tmp_path / "faults").write_text("nonsense proxy\n\n../..\n")
    assert Faults(tmp_path, {"proxy": {}}).read() == {"proxy"}
