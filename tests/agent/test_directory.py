"""On a real slapd: what the agent learns of domains, and that it says where it learns nothing."""

import json
import os
import time
from pathlib import Path

import pytest

from tests.agent.carbonio import KEY, PASSWORD, Carbonio, account_entry, domain_entry
from tests.agent.directory import Directory
from tests.deploy.nginx import installed

pytestmark = pytest.mark.skipif(
    not installed("/usr/sbin/slapd", "ldapsearch", "nginx"),
    reason="needs slapd, ldapsearch and nginx",
)
SECRET = "-----BEGIN RSA PRIVATE KEY-----\nMIIEnot-to-be-seen\n-----END RSA PRIVATE KEY-----\n"
DOMAINS = (
    domain_entry("cliente.pt", DKIMKey=SECRET, zimbraSSLPrivateKey=SECRET)
    + account_entry("cliente.pt", "galsync", zimbraIsSystemResource="TRUE") + "\n"
    + account_entry("cliente.pt", "room", classes=["zimbraCalendarResource"]) + "\n"
    + domain_entry("sub.cliente.pt", accounts=3, key=False, zimbraDomainStatus="shutdown")
    + domain_entry("xn--caf-dma.pt", accounts=0, zimbraDomainType="alias", zimbraDomainStatus=None)
)  # fmt: skip


@pytest.fixture(scope="module")
def directory():
    with Directory(DOMAINS) as running:
        yield running


@pytest.fixture
def carbonio(tmp_path, directory):
    return Carbonio(tmp_path, ldap_url=directory.url)


def test_it_reads_status_accounts_and_public_key_of_each_domain(carbonio):
    carbonio.collect()
    status, answer = carbonio.answer("carbonio", "cliente.pt")
    assert status == 200
    assert answer["dkim"] == {"selector": "0A1B-CLIENTE-PT", "public_key": KEY}
    assert (answer["status"], answer["accounts"]) == ("active", 2)
    assert answer["services"]["mta"] == "running"
    status, answer = carbonio.answer("carbonio", "sub.cliente.pt")
    assert (status, answer["status"], answer["accounts"]) == (200, "suspended", 3)
    assert answer["dkim"] is None
    status, answer = carbonio.answer("carbonio", "xn--caf-dma.pt")
    assert (status, answer["status"], answer["accounts"]) == (200, "active", 0)
    status, listed = carbonio.answer(None)
    assert {one["domain"]: one["type"] for one in listed["domains"]} == {
        "cliente.pt": "local", "sub.cliente.pt": "local", "xn--caf-dma.pt": "alias",
    }  # fmt: skip


def test_a_domain_that_is_not_there_is_absent_and_one_beside_it_is_not(carbonio):
    carbonio.collect()
    status, answer = carbonio.answer("carbonio", "nobody.pt")
    assert status == 404 and "nobody.pt" in answer["detail"]
    assert carbonio.answer("nginx", "pt")[0] == 404  # an entry, and no domain of Carbonio's


def test_no_secret_comes_into_the_snapshot_or_the_log(carbonio):
    log = carbonio.collect()
    text = carbonio.snapshot.read_text()
    for secret in (PASSWORD, json.dumps(PASSWORD)[1:-1], "PRIVATE", "not-to-be-seen"):
        assert secret not in text and secret not in log
    assert carbonio.snapshot.stat().st_mode & 0o777 == 0o640


def test_the_password_is_on_no_command_line_and_in_no_environment(carbonio):
    program = carbonio.zextras / "common/bin/ldapsearch"
    real = program.resolve()
    program.unlink()
    program.write_text(
        f"#!/bin/sh\n(tr '\\0' '\\n' </proc/$$/cmdline; tr '\\0' '\\n' </proc/$$/environ) "
        f'>{carbonio.root}/seen\nexec {real} "$@"\n'
    )
    program.chmod(0o755)
    carbonio.collect()
    seen = (carbonio.root / "seen").read_text()
    assert carbonio.answer("carbonio", "cliente.pt")[0] == 200
    assert "zimbraDomainName" in seen and PASSWORD not in seen
    assert "DKIMKey" not in seen and "PrivateKey" not in seen
    assert not [
        path for path in Path("/tmp").glob("*password*") if path.stat().st_uid == os.getuid()
    ]


def test_a_wrong_password_says_nothing_of_any_domain(carbonio, directory):
    carbonio.local_config(ldap_url=directory.url, zimbra_ldap_password="wrong")
    log = carbonio.collect()
    assert "Invalid credentials" in log and "wrong" not in log
    for what in ("carbonio", "nginx", "certificate", None):
        status, answer = carbonio.answer(what, "cliente.pt")
        assert status == 503 and "Invalid credentials" in answer["detail"]


def test_an_empty_password_is_not_tried(carbonio, directory):
    """Who binds without one is let in as nobody, and may be shown half of it."""
    carbonio.local_config(ldap_url=directory.url, zimbra_ldap_password="")
    assert "no password for it" in carbonio.collect()
    assert carbonio.answer("carbonio", "nobody.pt")[0] == 503


def test_a_directory_that_is_away_says_nothing(carbonio):
    carbonio.local_config(ldap_url="ldap://127.0.0.1:1")
    assert "Can't contact LDAP server" in carbonio.collect()
    assert carbonio.answer("carbonio", "nobody.pt")[0] == 503


def test_the_second_of_two_directories_is_asked_where_the_first_is_away(carbonio, directory):
    carbonio.local_config(ldap_url=f"ldap://127.0.0.1:1 {directory.url}")
    carbonio.collect()
    assert carbonio.answer("carbonio", "cliente.pt")[0] == 200


def test_starttls_that_the_directory_does_not_have_is_not_gone_without(carbonio, directory):
    carbonio.local_config(ldap_url=directory.url, ldap_starttls_supported="1")
    carbonio.collect()
    assert carbonio.answer("carbonio", "cliente.pt")[0] == 503


READER = f"""dn: uid=reader,cn=zimbra
objectClass: account
objectClass: simpleSecurityObject
uid: reader
userPassword: {PASSWORD}

"""
LOGIN = "access to attrs=userPassword by anonymous auth\n"
READS = 'access to * by dn.exact="uid=reader,cn=zimbra" read\n'


@pytest.mark.parametrize(
    ("access", "said"),
    [
        (f'limits dn.exact="uid=reader,cn=zimbra" size=3\n{LOGIN}{READS}', "Size limit exceeded"),
        (LOGIN, "No such object"),
        (f"{LOGIN}access to attrs=entry by users read\n", "showed no domain at all"),
    ],
    ids=["cut", "closed", "not shown"],
)
def test_a_list_that_was_cut_or_not_shown_says_nothing_of_those_that_lack(tmp_path, access, said):
    with Directory(DOMAINS + READER, access=access) as running:
        carbonio = Carbonio(tmp_path)
        carbonio.local_config(ldap_url=running.url, zimbra_ldap_userdn="uid=reader,cn=zimbra")
        assert said in carbonio.collect()
        for domain in ("cliente.pt", "nobody.pt"):
            assert [status for status, _answer in carbonio.answers(domain)] == [503] * 3


def test_a_key_that_is_not_shown_is_not_taken_for_none(tmp_path):
    some = "entry,objectClass,zimbraDomainName,zimbraDomainStatus"
    with Directory(
        DOMAINS + READER, access=f"{LOGIN}access to attrs={some} by users read\n"
    ) as running:
        carbonio = Carbonio(tmp_path)
        carbonio.local_config(ldap_url=running.url, zimbra_ldap_userdn="uid=reader,cn=zimbra")
        carbonio.collect()
        assert carbonio.answer("carbonio", "cliente.pt")[0] == 503
        assert carbonio.answer("carbonio", "sub.cliente.pt")[1]["dkim"] is None


def test_two_thousand_domains_are_read_within_the_minute(tmp_path):
    text = "".join(domain_entry(f"d{number}.pt", accounts=5) for number in range(2000))
    with Directory(text) as running:
        carbonio = Carbonio(tmp_path, ldap_url=running.url)
        began = time.monotonic()
        carbonio.collect()
        assert time.monotonic() - began < 30
        assert carbonio.answer("carbonio", "d1999.pt")[1]["accounts"] == 5
        assert len(carbonio.answer(None)[1]["domains"]) == 2000
        assert carbonio.snapshot.stat().st_size < 8 << 20
