"""All checks, in the order in which they are shown."""

from collectors.base import Check
from collectors.dns.dkim.check import check_dkim
from collectors.dns.dmarc.check import check_dmarc
from collectors.dns.mx.check import check_mx
from collectors.dns.spf.check import check_spf
from collectors.net.session import CheckSession
from collectors.vm112.carbonio import check_carbonio
from collectors.vm112.cert_le.check import check_certificate
from collectors.vm112.nginx_vhost import check_nginx_vhost
from collectors.webmail.check import check_webmail

_ALL: tuple[Check[CheckSession], ...] = (
    check_carbonio,
    check_nginx_vhost,
    check_certificate,
    check_mx,
    check_spf,
    check_dkim,
    check_dmarc,
    check_webmail,
)

CHECKS: dict[str, Check[CheckSession]] = {c.check_id: c for c in _ALL}


# what only a portal knows, in their order: not measured where there is none on purpose
NEED_PORTAL: tuple[str, ...] = tuple(c.check_id for c in _ALL if c.needs_portal)


def measured(*, without_portal: bool) -> list[str]:
    """The ids of the checks that are measured at a tenant (`without_portal`: it has none, on
    purpose), in their order."""
    return [c for c in CHECKS if not (without_portal and c in NEED_PORTAL)]


def core_checks(*, without_portal: bool = False) -> list[str]:
    """Of those that are `measured`, the ones that make the score; the highest is their number."""
    return [c for c in measured(without_portal=without_portal) if CHECKS[c].core]
