"""Does Carbonio host the domain, is it active, are its services up?"""

from collectors.base import Finding, Fix, Outcome, Owner, Target, check, fail, unknown, warn
from collectors.net.portal_facts import said_signing_key
from collectors.net.session import CheckSession
from collectors.text import _


@check("carbonio", _("Carbonio"), needs_portal=True)
async def check_carbonio(target: Target, session: CheckSession) -> Outcome:
    """Does Carbonio host the domain, is it active, are its services up?"""
    answer = await session.portal("carbonio")
    evidence, facts = {"portal": answer.evidence()}, said_signing_key(answer).facts
    if not answer.found:
        message = _(
            "Carbonio does not know the domain {domain}: no mail to it is accepted.",
            domain=target.domain,
        )
        fix = Fix(
            _("Create the domain on the server, or take it out of the audit if it has moved away.")
        )
        missing = fail("carbonio_domain_missing", message, owner=Owner.HOST, fix=fix)
        return Outcome(message, [missing], evidence, facts)
    data = answer.data
    findings = [*_domain_status(data["status"]), *_services(data["services"])]
    if data["dkim"] is None:
        message = _(
            "The server has no DKIM key for the domain: its mail leaves unsigned and more of it "
            "lands in spam folders."
        )
        fix = Fix(
            _(
                "Make a key on the server (zmdkimkeyutil -a -d {domain}) and publish its record.",
                domain=target.domain,
            )
        )
        findings.append(warn("carbonio_no_dkim_key", message, owner=Owner.HOST, fix=fix))
    services, accounts = len(data["services"]), data["accounts"]
    summary = _(
        "Domain active, {services}, {accounts}",
        services=_("1 service running") if services == 1 else _("{n} services running", n=services),
        accounts=_("1 account") if accounts == 1 else _("{n} accounts", n=accounts),
    )
    return Outcome(summary, findings, evidence, facts)


def _domain_status(status: str) -> list[Finding]:
    activate = Fix(
        _("Find out why it was set, then set the domain's status (zimbraDomainStatus) to active.")
    )
    if status == "active":
        return []
    if status == "maintenance":
        message = _(
            "The domain is in maintenance: nobody can sign in, and mail waits in the queue."
        )
        return [warn("carbonio_domain_maintenance", message, owner=Owner.HOST, fix=activate)]
    if status == "locked":
        message = _("The domain is locked: mail arrives, but nobody can sign in.")
        return [fail("carbonio_domain_locked", message, owner=Owner.HOST, fix=activate)]
    if status == "suspended":
        message = _(
            "The domain is suspended: nobody can sign in, mail waits in the queue, and accounts "
            "cannot be changed."
        )
        return [fail("carbonio_domain_suspended", message, owner=Owner.HOST, fix=activate)]
    if status == "closed":
        message = _("The domain is closed: nobody can sign in, and mail to it is rejected.")
        return [fail("carbonio_domain_closed", message, owner=Owner.HOST, fix=activate)]
    message = _(
        "The portal's answer cannot be used: {problem}",
        problem=_("the field “status” has the unknown value “{value}”.", value=status[:100]),
    )
    return [unknown("portal_bad_response", message)]


def _services(services: dict[str, str]) -> list[Finding]:
    if not services:
        message = _(
            "The portal's answer cannot be used: {problem}",
            problem=_("the field “services” names no service."),
        )
        return [unknown("portal_bad_response", message)]
    down = [
        f"{name} ({state})"
        for name, state in sorted(services.items())
        if state.strip().lower() != "running"
    ]
    if not down:
        return []
    message = _(
        "Services that do not run: {services}. Mail or webmail of the domain does not work fully.",
        services=", ".join(down),
    )
    return [
        fail(
            "carbonio_service_down",
            message,
            owner=Owner.HOST,
            fix=Fix(_("Start them on the server and see its log for why they stopped.")),
        )
    ]
