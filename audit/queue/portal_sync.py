"""Which portals' lists of domains are compared with ours now: claims, the question, what came of it
recorded. One at a time for each portal, whatever the number of workers."""

import asyncio
import logging
import time
from collections.abc import Sequence

from django.utils import timezone

from audit.models import PortalSync, target_of
from audit.queue.claim_owner import owner_name
from audit.queue.db_retry import retry_on_db_error
from audit.queue.process import AuditProcess
from audit.results.portal_domains import Listed, record, register
from audit.results.trail import Actor
from collectors.base import Fault, Target
from collectors.net.session import NetworkClients

log = logging.getLogger(__name__)
AT_ONCE = 8  # portals
SECONDS = 60.0  # that a task goes on taking more


def compare_due(process: AuditProcess, *, seconds: float = SECONDS) -> int:
    """Ask the portals that are due for their domains and record how these differ from ours; how
    many were asked."""
    until, asked, owner = time.monotonic() + seconds, 0, owner_name()
    while time.monotonic() < until and not process.stopping:
        claimed = retry_on_db_error(process.loop, PortalSync.objects.claim, owner, AT_ONCE)
        if not claimed:
            break
        asked += len(claimed)
        begun_at = timezone.now()
        targets = [target_of(sync.tenant, "") for sync in claimed]
        answers = process.loop.run(_ask_all(process.loop.clients, targets))
        for sync, said in zip(claimed, answers, strict=True):
            try:
                if isinstance(said, BaseException) and not isinstance(said, Fault):
                    raise said
                listed = Listed.of(said) if isinstance(said, list) else said
                state = retry_on_db_error(
                    process.loop, record, sync.pk, listed, owner=owner, asked_at=begun_at
                )
                if state == PortalSync.State.COMPARED and sync.tenant.sync == "register":
                    who = Actor.sync(sync.tenant.name)
                    retry_on_db_error(process.loop, register, sync.tenant, None, who=who)
            except Exception:  # of one tenant: its next turn is in an hour
                log.exception("the domains of %s can't be compared", sync.tenant.name)
    return asked


async def _ask_all(
    clients: NetworkClients, targets: Sequence[Target]
) -> Sequence[list[str] | BaseException | None]:
    """What each says: a list, None where it offers none, or a Fault."""
    questions = (_ask(clients, target) for target in targets)
    return await asyncio.gather(*questions, return_exceptions=True)


async def _ask(clients: NetworkClients, target: Target) -> list[str] | None:
    """The names as the portal spells them; raises PortalFault."""
    seconds = clients.config.check_seconds
    answer = await clients.ask_portal(target, "domains", "", seconds=seconds)
    return answer.data["domains"] if answer.found else None
