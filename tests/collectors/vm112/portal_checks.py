"""A check of the portal, asked of a real portal on loopback."""

from tests.collectors.lab import look, target
from tests.collectors.portal_server import TOKEN, PortalServer

CARBONIO = {
    "status": "active",
    "services": dict.fromkeys(("mta", "mailbox", "proxy"), "running"),
    "accounts": 12,
    "dkim": {"selector": "s1", "public_key": "AAAA"},
}
NGINX = {
    "vhost": True,
    "server_names": ["webmail.kunde.test"],
    "tls": True,
    "config_ok": True,
    "running": True,
}


def ask(check_id, answer, *, seconds=6.0, **changes):
    """The result of one check, with a portal that answers like this."""
    what = {"carbonio": "carbonio", "nginx_vhost": "nginx"}[check_id]
    with PortalServer({what: answer} if answer else {}) as portal:
        the_target = target(**{"portal_url": portal.url, "portal_token": TOKEN, **changes})
        return look(check_id, {"names": {}}, the_target, config_changes={"check_seconds": seconds})[
            0
        ]
