"""Services in both worlds: systemd's targets, and zmcontrol where none is enabled."""

import pytest

from tests.agent.carbonio import (
    HOST,
    RUN,
    TARGETS,
    Carbonio,
    agent,
    block,
    domain_entry,
    systemd_says,
    zmcontrol_says,
)

ALL = {
    "directory-server",
    "mailbox",
    "mailbox-db",
    "proxy",
    "memcached",
    "mta",
    "opendkim",
    "amavis",
}
ALL |= {"antivirus", "configd"}


@pytest.fixture
def carbonio(tmp_path):
    made = Carbonio(tmp_path)
    made.ldapsearch(domain_entry("cliente.pt"))
    return made


def said(carbonio):
    carbonio.collect()
    status, answer = carbonio.answer("carbonio", "cliente.pt")
    return answer["services"] if status == 200 else answer["detail"]


def test_one_node_with_all(carbonio):
    assert said(carbonio) == dict.fromkeys(ALL, "running")


@pytest.mark.parametrize(
    ("state", "word"),
    [
        ("inactive", "stopped"),
        ("failed", "failed"),
        ("activating", "starting"),
        ("deactivating", "stopping"),
        ("reloading", "running"),
    ],
)
def test_a_unit_that_does_not_run_although_its_target_is_active(carbonio, state, word):
    carbonio.systemd(systemd_says(postfix=state))
    assert said(carbonio) == {**dict.fromkeys(ALL, "running"), "mta": word}


@pytest.mark.parametrize(
    ("targets", "units", "services"),
    [
        (["directory-server"], ["openldap", "configd"], {"directory-server", "configd"}),
        (["mta"], ["postfix", "opendkim"], {"mta", "opendkim"}),
        (["proxy"], ["nginx", "memcached", "milter"], {"proxy", "memcached", "milter"}),
    ],
)
def test_several_nodes_each_with_its_own(carbonio, targets, units, services):
    carbonio.systemd(systemd_says(targets, units))
    assert said(carbonio) == dict.fromkeys(services, "running")


def test_a_unit_that_is_installed_and_not_enabled_is_none_of_the_nodes(carbonio):
    text = systemd_says().replace(
        block("milter.service", "not-found", "inactive", ""),
        block("milter.service", "loaded", "inactive", "disabled"),
    )
    carbonio.systemd(text)
    assert "milter" not in said(carbonio)


def test_a_targets_own_unit_counts_even_where_it_is_disabled(carbonio):
    text = systemd_says().replace(
        block("postfix.service"), block("postfix.service", "loaded", "inactive", "disabled")
    )
    carbonio.systemd(text)
    assert said(carbonio)["mta"] == "stopped"


@pytest.mark.parametrize(
    "text",
    [
        systemd_says(units=[unit for unit in RUN if unit != "nginx"]),
        systemd_says().replace(
            block("nginx.service"), block("nginx.service", "loaded", "maintenance")
        ),
        systemd_says().partition(block("postfix.service"))[0],
        "",
    ],
    ids=["no such unit", "a strange state", "cut", "empty"],
)
def test_what_systemd_does_not_say_is_not_known(carbonio, text):
    carbonio.systemd(text)
    assert isinstance(said(carbonio), str)
    assert carbonio.answer("nginx", "cliente.pt")[0] == 503


def test_zmcontrol_where_no_target_is_enabled(carbonio):
    carbonio.zmcontrol(zmcontrol_says())
    services = said(carbonio)
    assert services["mta"] == services["config service"] == services["service webapp"] == "running"
    carbonio.zmcontrol(zmcontrol_says(mta="Stopped", stats="Stopped"), code=1)
    services = said(carbonio)
    assert {name for name, state in services.items() if state == "stopped"} == {"mta", "stats"}


def test_zmcontrol_is_asked_where_systemd_does_not_answer(carbonio):
    carbonio.zmcontrol(zmcontrol_says())
    carbonio.systemd("", code=1)
    assert said(carbonio)["mta"] == "running"


ADVANCED = "\t --Carbonio Advanced installed.\n\t --Checking advanced modules status\n"


@pytest.mark.parametrize(
    ("text", "code"),
    [
        (f"Host {HOST}\n", 0),
        (f"Host {HOST}\n\tCarbonio Advanced installed.\n\tACL is running\n", 0),
        ("", 0),
        ("Cannot determine services - exiting\n", 1),
        ("Unable to determine enabled services. Cache is out of date or doesn't exist.\n", 1),
        (f"Host {HOST}\n\tamavis                  Running\nTimeout after 180 seconds\n", 1),
        (zmcontrol_says(), 255),
        (zmcontrol_says()[:-9], 0),
        ("Run as the zextras user!\n", 13),
    ],
    ids=[
        "host alone",
        "advanced alone",
        "nothing",
        "no services",
        "no cache",
        "time out",
        "failed",
        "cut",
        "user",
    ],
)
def test_what_zmcontrol_does_not_finish_is_not_known(carbonio, text, code):
    carbonio.zmcontrol(text, code)
    assert isinstance(said(carbonio), str)


def test_lines_of_advanced_modules_are_no_services(carbonio):
    carbonio.zmcontrol(zmcontrol_says().replace("\tmemcached", ADVANCED + "\tmemcached"))
    assert not [name for name in said(carbonio) if "Advanced" in name or name.startswith("-")]


def test_without_systemd_and_without_zmcontrol_nothing_is_known(carbonio):
    (carbonio.root / "usr/bin/systemctl").unlink()
    assert "ask_services failed" in said(carbonio)


def test_the_units_are_those_of_carbonios_targets():
    assert set(agent.TARGETS) == set(TARGETS) and set(agent.TARGETS.values()) <= set(agent.UNITS)
