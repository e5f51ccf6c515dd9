"""Whose server card is judged now: claims, as jobs for a drain, and a judgement for a form that is
not saved."""

import asyncio
import logging
from collections.abc import Collection
from dataclasses import replace

from audit.models import ServerCard, Tenant, server_of
from audit.queue.collect import Job, Results
from audit.queue.event_loop import net_config
from audit.results.server_card import DNSBL, block_lists_are_known
from collectors.net.session import NetworkClients
from collectors.run import judge_server
from collectors.server.card import CARD
from collectors.server.subject import Server

log = logging.getLogger(__name__)
AT_ONCE = 4  # cards of one drain


def claim_jobs(owner: str, most: int = AT_ONCE) -> list[Job]:
    """Jobs for the cards that are due, claimed for `owner`."""
    jobs = []
    for card in ServerCard.objects.claim(owner, most):
        try:
            jobs.append(_job(card))
        except Exception:
            log.exception("the server of %s can't be judged", card.tenant.name)
            ServerCard.objects.give_up(card.pk, owner)
    return jobs


def _job(card: ServerCard) -> Job:
    server = server_of(card.tenant)
    return Job(
        card,
        server.target,
        fresh=card.requested_at is not None,
        server=server,
        only=rows_to_ask(card.tenant),
    )


def rows_to_ask(tenant: Tenant) -> list[str]:
    """All rows, without the block lists where these were asked within the interval."""
    known = block_lists_are_known(tenant)
    return [c for c in CARD if not (known and c == DNSBL)]


def judge_now(server: Server, *, seconds: float, only: Collection[str] | None = None) -> Results:
    """The rows as they are this moment, of what need not be stored; nothing is recorded.

    On a loop of its own, for a web process that serves several requests at a time. Each row has
    `seconds`.
    """
    config = replace(net_config(), check_seconds=seconds, domain_seconds=seconds)

    async def look() -> Results:
        clients = NetworkClients(config)
        try:
            return await judge_server(
                server, clients.server_session(server.target, fresh=True), only
            )
        finally:
            await clients.close()

    return asyncio.run(look())
