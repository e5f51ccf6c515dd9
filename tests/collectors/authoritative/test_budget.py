"""The questions of one look are counted where they are sent, and first ones come before others."""

import asyncio

import pytest

from collectors.authoritative.budget import Budget, Recursor, Spent
from collectors.net.dns_transport import BadTry
from mock_tenant.dnsserver import DnsServer

ZONE = {"names": {"a.test": {"A": ["192.0.2.1"]}}}


def run(zone, play):
    """What `play(budget, host)` comes to, and how many questions arrived."""
    with DnsServer(zone) as server:
        return asyncio.run(play((server.host, server.port))), len(server.queries)


def test_what_is_owed_to_others_is_not_spent():
    async def play(host):
        budget = Budget(5)
        budget.owed = 3
        for _n in range(2):
            await budget.ask(host, "a.test", "A")
        with pytest.raises(Spent):
            await budget.ask(host, "a.test", "A")
        for _n in range(3):
            await budget.ask(host, "a.test", "A", owed=True)
        with pytest.raises(Spent):
            await budget.ask(host, "a.test", "A", owed=True)
        return budget.sent

    assert run(ZONE, play) == (5, 5)


@pytest.mark.parametrize(
    ("action", "sent"), [("tc", 2), ("tc_loop", 2), ("formerr", 2), ("drop", 2), ("refused", 1)]
)
def test_retries_and_tcp_count(action, sent):
    async def play(host):
        budget = Budget(5)
        try:
            await budget.ask(host, "a.test", "A")
        except BadTry as bad:
            assert not isinstance(bad, Spent)
        return budget.sent

    assert run({**ZONE, "rules": [{"action": action}]}, play) == (sent, sent)


def test_a_silence_for_which_no_retry_is_left_stays_a_silence():
    async def play(host):
        with pytest.raises(BadTry, match="dns_timeout"):
            await Budget(1).ask(host, "a.test", "A")

    assert run({"rules": [{"action": "drop"}]}, play) == (None, 1)


def test_our_resolver_is_asked_once_for_a_name_and_with_recursion():
    async def play(host):
        recursor = Recursor(Budget(), [host])
        found = await asyncio.gather(*(recursor.records("a.test", "A") for _n in range(5)))
        await recursor.close()
        return found

    found, count = run(ZONE, play)
    assert count == 1 and [[r.address for r in f] for f in found] == [["192.0.2.1"]] * 5
