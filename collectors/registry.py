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


def core_checks() -> list[str]:
    """The ids of the checks that make the score, in their order."""
    return [c.check_id for c in _ALL if c.core]
