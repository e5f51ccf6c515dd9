"""Recorded shapes of the directory and of keys, held to our own parser of a portal's answers."""

import base64
import json

import pytest

from collectors.net.portal_answers import read_answer
from tests.agent.carbonio import KEY, Carbonio, account_entry, agent, domain_entry, genkey

SERVICES = {"mta": "running"}


def domain(text):
    return agent.read_directory(text)["cliente.pt"]


def answered(text):
    return agent.carbonio(domain(text), SERVICES)


# -- recorded shapes


@pytest.mark.parametrize("status", ["active", "maintenance", "locked", "suspended", "closed"])
def test_each_status(status):
    assert answered(domain_entry("cliente.pt", zimbraDomainStatus=status))["status"] == status


def test_a_status_that_nobody_has_heard_of_is_not_known():
    with pytest.raises(agent.NotKnown):
        answered(domain_entry("cliente.pt", zimbraDomainStatus="dreaming"))


@pytest.mark.parametrize("bits", [400, 294, 32])
def test_a_key_in_quoted_parts(bits):
    key = base64.b64encode(b"k" * bits).decode()
    text = genkey("S1", "cliente.pt", key)
    assert agent.dkim_key({"dkimselector": ["s1"], "dkimpublickey": [text]}) == {
        "selector": "s1",
        "public_key": key,
    }


@pytest.mark.parametrize(
    "text",
    [
        f"v=DKIM1; k=rsa; p={KEY}",
        f'"v=DKIM1; k=rsa; p={KEY}"',
        f's1._domainkey IN TXT ( "v=DKIM1; p={KEY}" ) ; "not this" one; p=x\n',
        f'  s1._domainkey\tIN\tTXT\t( "v=DKIM1; k=rsa;"\r\n\t"p={KEY[:100]}"\r\n "{KEY[100:]}" )',
    ],
)
def test_a_key_in_other_forms(text):
    assert agent.dkim_key({"dkimselector": ["s1"], "dkimpublickey": [text]})["public_key"] == KEY


@pytest.mark.parametrize(
    ("selectors", "texts"),
    [
        (["s1"], []),
        ([], [genkey("s1", "cliente.pt")]),
        (["s1", "s2"], [genkey("s1", "cliente.pt")]),
        (["s2"], [genkey("s1", "cliente.pt")]),
        (["s1"], ['( "v=DKIM1; k=rsa; p=" )']),
        (["s1"], ['( "v=DKIM1; k=rsa; p=!!" )']),
        (["s1"], ["-----BEGIN PUBLIC KEY-----"]),
        (["s1"], [""]),
        ([""], [genkey("s1", "cliente.pt")]),
    ],
)
def test_half_a_key_is_neither_a_key_nor_none(selectors, texts):
    with pytest.raises(agent.FAULTS):
        agent.dkim_key({"dkimselector": selectors, "dkimpublickey": texts})


def test_ldif_with_base64_folded_lines_options_and_comments():
    text = domain_entry("cliente.pt")
    assert "DKIMPublicKey:: " in text
    folded = "".join(
        line
        if line.startswith("\n")
        else "\n ".join(line[at : at + 40] for at in range(0, len(line), 40))
        for line in text.splitlines(keepends=True)
    ).replace("\n \n", "\n")
    folded = "# a comment\n" + folded.replace("zimbraDomainStatus:", "zimbraDomainStatus;x-y:")
    assert domain(folded) == {**domain(text), "zimbradomainstatus": ["active"]}
    assert answered(folded.replace("\n", "\r\n")) == answered(text)


def test_who_counts_as_an_account():
    text = domain_entry("cliente.pt", accounts=2) + domain_entry("pt", accounts=1)
    text += account_entry("cliente.pt", "spam", zimbraIsSystemAccount="TRUE") + "\n"
    text += account_entry("cliente.pt", "room", classes=["zimbraCalendarResource"]) + "\n"
    text += account_entry("other.cliente.pt", "not-here") + "\n"
    text += account_entry("cliente.pt", "a\\,dc=b") + "\n"
    text += "dn: uid=zimbra,cn=admins,cn=zimbra\nobjectClass: zimbraAccount\n"
    assert answered(text)["accounts"] == 3


@pytest.mark.parametrize(
    "more",
    [
        "# refldap://other.host.test/??sub\n",
        "# search reference\nref: ldap://other\n",
        "ref: ldap://other.host.test/??sub\n",
        "result: 4 Size limit exceeded\n",
        "search: 2\nresult: 4 Size limit exceeded\ntext: 3 of 5\n",
        "dn: dc=x\nobjectClass zimbraDomain\n",
        "dn: dc=x\nobjectClass:: !!!!\n",
        "dn: dc=x\njpegPhoto:< file:///etc/passwd\n",
        "dn: dc=x\nobjectClass: zimbraDomain\n",
        " continued\n",
        "ldap_bind: Invalid credentials (49)\n",
    ],
)
def test_a_list_that_is_not_whole_is_not_known(more):
    text = domain_entry("cliente.pt")
    assert domain(text)
    with pytest.raises(agent.FAULTS):
        agent.read_directory(f"{text}\n{more}")


@pytest.mark.parametrize(
    "text", ["", "\n\n", "dn: cn=config,cn=zimbra\nobjectClass: zimbraGlobalConfig\n"]
)
def test_no_domain_at_all_is_not_known(text):
    with pytest.raises(agent.NotKnown):
        agent.read_directory(text)


def test_every_answer_is_one_that_our_own_parser_takes(tmp_path):
    carbonio = Carbonio(tmp_path)
    carbonio.ldapsearch(domain_entry("cliente.pt") + domain_entry("outro.pt", key=False))
    pem = "-----BEGIN CERTIFICATE-----\nMIAA\n-----END CERTIFICATE-----\n"
    carbonio.sites({"webmail.cliente.pt": carbonio.certificate("cliente.pt", pem, "")})
    carbonio.script("opt/zextras/common/sbin/nginx", "")
    assert carbonio.collect() == ""
    for name in ("cliente.pt", "outro.pt", "nobody.pt"):
        for what in agent.WHAT:
            status, answer = carbonio.answer(what, name)
            assert read_answer(what, status, json.dumps(answer), name)
    assert carbonio.answer("nginx", "outro.pt")[1]["vhost"] is False
