"""All checks of one domain at the same time, or all rows of a server card, each within its time; a
fault becomes `unknown`."""

import asyncio
import logging
from collections.abc import Awaitable, Callable, Collection, Mapping
from datetime import UTC, datetime

from collectors.base import Check, CheckResult, Fault, Outcome, Status, Target, unknown
from collectors.causes import link
from collectors.dns.agreement import agree
from collectors.net.dns_lookup import Lookup
from collectors.net.session import AuditSession, CheckSession
from collectors.registry import CHECKS, measured
from collectors.server.card import CARD
from collectors.server.subject import Row, Server
from collectors.text import _

log = logging.getLogger(__name__)
ON_DNS = ("dns_mx", "dns_spf", "dns_dkim", "dns_dmarc", "webmail_http")  # that rest on it alone


async def run(
    target: Target, audit: AuditSession, only: Collection[str] | None = None
) -> Mapping[str, CheckResult]:
    """Run all checks that are measured there (or those in `only`) for one domain; never raises for
    what a check does.

    A check that runs over its time, or into a fault, becomes `unknown` with the code that says
    which; what it saw until then is kept as evidence. The time stops while this process does.
    """
    here = measured(without_portal=target.without_portal)
    wanted = [CHECKS[c] for c in here if only is None or c in only]

    def start(check: Check[CheckSession]) -> asyncio.Task[CheckResult]:
        session = audit.check_session(check.check_id)
        about = f"{check.check_id} of {target.domain}"
        looking = _run_check(session, audit, about, lambda: check.function(target, session))
        return asyncio.create_task(looking, name=check.check_id)

    tasks = [start(check) for check in wanted]
    audit.running = {task.get_name(): task for task in tasks}
    try:
        done = await asyncio.gather(*tasks)
        results = await _without_lies({r.check_id: r for r in done}, target, audit)
    finally:
        for task in tasks:
            task.cancel()
        await audit.close()
    return link(agree(results), target)


async def _without_lies(
    results: Mapping[str, CheckResult], target: Target, audit: AuditSession
) -> Mapping[str, CheckResult]:
    """Where DNS says that there is no such domain: not from a resolver that says so of everything;
    then what rests on DNS could not be measured."""
    denied = any(
        name == target.domain and isinstance(found, Lookup) and found.result == "NXDOMAIN"
        for (name, _type), found in audit.lookups.items()
    )
    if not denied or (lies := await audit.network.dns.denies_all()) is None:
        return results
    outcome = Outcome(lies, [unknown("resolver_down", lies)])
    return {
        check_id: CheckResult.of(
            check_id,
            outcome,
            checked_at=result.checked_at,
            duration_ms=result.duration_ms,
            seen=result.evidence,
        )
        if check_id in ON_DNS and result.status != Status.OK
        else result
        for check_id, result in results.items()
    }


async def judge_server(
    server: Server, audit: AuditSession, only: Collection[str] | None = None
) -> Mapping[str, CheckResult]:
    """Judge all rows of a server card (or those in `only`) but those that have nothing to judge."""
    rows = [r for r in CARD.values() if (only is None or r.check_id in only) and not r.off(server)]

    async def judge(row: Row) -> CheckResult:
        session = audit.check_session(row.check_id)
        about = f"{row.check_id} of {server.target.tenant}"
        return await _run_check(session, audit, about, lambda: row.judge(server, session))

    try:
        results = await asyncio.gather(*map(judge, rows))
    finally:
        await audit.close()
    return {r.check_id: r for r in results}


async def _run_check(
    session: CheckSession, audit: AuditSession, about: str, look: Callable[[], Awaitable[Outcome]]
) -> CheckResult:
    checked_at, lag = datetime.now(UTC), session.lag
    started = lag.now()
    try:
        async with lag.timeout(audit.check_seconds):
            outcome = await look()
    except TimeoutError:
        message = _(
            "The check did not finish within {seconds} seconds.", seconds=f"{audit.check_seconds:g}"
        )
        outcome = Outcome(message, [unknown("check_timeout", message)])
    except Fault as fault:
        outcome = Outcome(fault.message, [fault.finding()])
    except Exception:
        log.exception("check %s failed", about)
        message = _("The check ran into an internal error; the log has the details.")
        outcome = Outcome(message, [unknown("check_error", message)])
    expected = audit.target.expected(session.check_id)
    return CheckResult.of(
        session.check_id,
        outcome,
        checked_at=checked_at,
        duration_ms=round((lag.now() - started) * 1000),
        seen={"expected": expected, **session.seen()} if expected else session.seen(),
    )
