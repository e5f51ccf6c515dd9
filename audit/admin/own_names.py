"""A tenant's own names, looked at when they are saved: what does not work is said at once."""

import asyncio
from dataclasses import replace

from django.utils.translation import gettext as _

from audit.models import Tenant, target_of
from audit.queue.event_loop import net_config
from audit.results.translate import translate
from collectors.base import Target
from collectors.net.session import NetConfig, NetworkClients
from collectors.server.own_names import OwnName, OwnNames, judge_own_names

SECONDS = 5.0  # that whoever saves waits at most
SETTINGS = {
    "mail_hosts",
    "sending_ips",
    "spf_include",
    "dmarc_rua",
    "webmail_addresses",
    "webmail_target",
}


def warnings(tenant: Tenant) -> list[str]:
    """A sentence for each of the tenant's own names that does not work, or could not be looked at.

    The loop is this call's own: a web process serves several requests at a time.
    """
    config = replace(net_config(), check_seconds=SECONDS, domain_seconds=SECONDS)
    names = asyncio.run(_look(target_of(tenant, "example.com"), config))
    if names is None:
        return [_("The names could not be looked at in time; whether they work is not known.")]
    return [sentence for name in names.all if (sentence := _warning(name))]


def _warning(name: OwnName) -> str:
    if name.problem:
        return translate(name.problem)
    if name.fault:
        reason = translate(name.fault.message)
        return _("{name} could not be looked at: {reason}").format(name=name.name, reason=reason)
    return ""


async def _look(target: Target, config: NetConfig) -> OwnNames | None:
    clients = NetworkClients(config)
    audit = clients.audit_session(target, fresh=True)
    try:
        async with asyncio.timeout(SECONDS + 1):
            return await judge_own_names(target, audit)
    except TimeoutError:
        return None
    finally:
        await audit.close()
        await clients.close()
