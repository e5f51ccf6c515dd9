"""The four checks that ask public DNS. What each answer means stands in `records/`, one module per record."""

from .base import check
from .records import dkim, dmarc, mx, spf
from .text import _


@check("dns_mx", _("Mail exchange (MX)"))
async def dns_mx(target, net):
    """Does mail for the domain reach the tenant? (RFC 5321 section 5.1, RFC 7505, RFC 2181 section 10.3)"""
    return await mx.audit(target, net)


@check("dns_spf", _("SPF"))
async def dns_spf(target, net):
    """May the tenant send for the domain? (RFC 7208)"""
    return await spf.audit(target, net)


@check("dns_dkim", _("DKIM"))
async def dns_dkim(target, net):
    """Can receivers verify the tenant's signature? (RFC 6376, RFC 8301, RFC 8463)"""
    return await dkim.audit(target, net)


@check("dns_dmarc", _("DMARC"))
async def dns_dmarc(target, net):
    """Is there an enforceable policy with reports? (RFC 9989, RFC 9990)"""
    return await dmarc.audit(target, net)
