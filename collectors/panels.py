"""Where people change DNS: the panels that a zone's name servers give away, with where to click and
the trap that each is known for. Data alone; nothing is asked.
"""

import re
from collections.abc import Iterable
from dataclasses import dataclass

from collectors.names import is_below
from collectors.text import Text, _

SHORT_NAME = _(
    "The panel adds your domain to the name by itself: enter only the short name that is shown "
    "here."
)
NO_QUOTES = _("Enter text values without quotation marks.")
QUOTES = _(
    "Enter text values in quotation marks; one of over 255 characters as the parts that are shown "
    "with it."
)
NO_PRIORITY = _(
    "There is no field for the priority: enter it before the value, with a blank between them."
)
GREY_CLOUD = _("Leave the cloud grey (“DNS only”): with the orange one these records do not work.")
ONE_ENTRY = _(
    "All values of a name and type share one entry, one on each line: add to the one that is there "
    "instead of making a second."
)
MAIL_SETTINGS = _("MX records are entered under “Mail Settings”, where “Custom MX” must be chosen.")
NO_WIZARD = _(
    "Choose the plain type TXT, and not the helpers for SPF, DKIM and DMARC: they rewrite values."
)
ADVANCED_FIRST = _("The advanced mode must be switched on first, which takes some minutes.")
LOCAL_ROUTING = _(
    "Under “Email Routing”, choose “Remote Mail Exchanger” once the MX record is changed: else "
    "mail between users of that hoster stays there."
)
MAIL_OFF = _(
    "Switch the mail service of the domain off once the MX record is changed: else mail between "
    "users of that hoster stays there."
)
REPLACES_OWN = _(
    "Entries of the hoster's own mail stand there at first: take them out as shown here."
)


@dataclass(frozen=True)
class Hint:
    """What helps somebody in front of a panel: its name, where to click, its traps."""

    name: str
    where: Text
    traps: tuple[Text, ...]


@dataclass(frozen=True)
class Panel:
    """A panel and the name servers of the zones that are changed there.

    `below`: names that a server's is, or is below. `named`: what else a server's whole name may be,
    and `unless` what it must not be, as regular expressions: hosters rent machines, and secondary
    name servers, under the same names.
    """

    name: str
    below: tuple[str, ...]
    where: Text
    traps: tuple[Text, ...]
    named: str = ""
    unless: str = ""

    @property
    def hint(self) -> Hint:
        """What is shown of it."""
        return Hint(self.name, self.where, self.traps)

    def serves(self, host: str) -> bool:
        """Whether a name server, in lower case and without a dot at its end, is one of these."""
        if self.unless and re.fullmatch(self.unless, host):
            return False
        if self.named and re.fullmatch(self.named, host):
            return True
        return any(is_below(host, name) for name in self.below)


_CPANEL = _("In cPanel: Domains → Zone Editor → your domain → Add Record")
_CPANEL_TRAPS = (SHORT_NAME, NO_QUOTES, LOCAL_ROUTING)
_PLESK = _("In Plesk: Websites & Domains → DNS Settings → Add Record; at last “Update”")
_PLESK_TRAPS = (SHORT_NAME, NO_QUOTES, MAIL_OFF)

# Many hosters have these, under name servers that do not say so.
USUAL = (Hint("cPanel", _CPANEL, _CPANEL_TRAPS), Hint("Plesk", _PLESK, _PLESK_TRAPS))

PANELS = (
    Panel(
        "Cloudflare",
        ("ns.cloudflare.com", "foundationdns.com", "foundationdns.net", "foundationdns.org"),
        _("DNS → Records → Add record"),
        (SHORT_NAME, NO_QUOTES, GREY_CLOUD),
    ),
    Panel(
        "GoDaddy",
        ("domaincontrol.com",),
        _("My Products → your domain → DNS → Add New Record"),
        (SHORT_NAME, NO_QUOTES),
    ),
    Panel(
        "OVHcloud",
        ("ovh.net", "ovh.ca", "anycast.me"),
        _("Web Cloud → Domain names → your domain → DNS zone → Add an entry"),
        (SHORT_NAME, NO_WIZARD),
        unless=r"(sdns\d*|ns\d{4,}|(.*\.)?(vps|ip|kimsufi|soyoustart)[^.]*)\.ovh\.(net|ca)|.+\..+\.ovh\.(net|ca)",
    ),
    Panel(
        "Registro.br",
        ("auto.dns.br", "sec.dns.br"),
        _("your domain → DNS → Edit zone → Advanced mode → New entry"),
        (SHORT_NAME, NO_QUOTES, ADVANCED_FIRST),
    ),
    Panel(
        "Amazon Route 53",
        (),
        _("Route 53 → Hosted zones → your domain → Create record"),
        (SHORT_NAME, QUOTES, NO_PRIORITY, ONE_ENTRY),
        named=r"ns-\d{1,4}\.awsdns-\d{2}\.(com|net|org|co\.uk)",
    ),
    Panel(
        "Squarespace Domains / Google Cloud DNS",
        ("googledomains.com", "squarespacedns.com"),
        _(
            "Squarespace: Domains → your domain → DNS → Add record. Google Cloud: Cloud DNS → "
            "your zone"
        ),
        (SHORT_NAME, NO_QUOTES),
    ),
    Panel(
        "IONOS",
        ("ui-dns.com", "ui-dns.de", "ui-dns.org", "ui-dns.biz", "1and1-dns.com", "1and1-dns.de"),
        _("Domains & SSL → your domain → DNS → Add record"),
        (SHORT_NAME, NO_QUOTES, REPLACES_OWN),
    ),
    Panel(
        "Hostinger",
        ("dns-parking.com", "hostinger.com", "hostinger.com.br"),
        _("Domains → your domain → DNS / Nameservers → DNS records"),
        (SHORT_NAME, NO_QUOTES, REPLACES_OWN),
    ),
    Panel(
        "Namecheap",
        ("registrar-servers.com",),
        _("Domain List → Manage → Advanced DNS → Add New Record"),
        (SHORT_NAME, NO_QUOTES, MAIL_SETTINGS),
    ),
    Panel("Namecheap (cPanel)", ("namecheaphosting.com",), _CPANEL, _CPANEL_TRAPS),
    Panel(
        "Locaweb",
        ("locaweb.com.br",),
        _("Domínios → your domain → Zona de DNS → Adicionar entrada"),
        (SHORT_NAME, NO_QUOTES, REPLACES_OWN),
        unless=r"(.*\.)?(hospedagem|vps|cloud)[^.]*\.locaweb\.com\.br",
    ),
    Panel(
        "UOL Host",
        ("dominios.uol.com.br", "uhserver.com"),
        _("Domínios → your domain → Editar zona de DNS → Adicionar"),
        (SHORT_NAME, NO_QUOTES, REPLACES_OWN),
    ),
    Panel(
        "KingHost",
        ("kinghost.com.br", "kinghost.net"),
        _("your domain → Gerenciador de DNS → Nova entrada"),
        (SHORT_NAME, NO_QUOTES, REPLACES_OWN),
        unless=r"(.*\.)?(vps|web|www)[^.]*\.kinghost\.(com\.br|net)",
    ),
    Panel(
        "HostGator (cPanel)",
        ("hostgator.com.br", "hostgator.com", "prodns.com.br", "websitewelcome.com"),
        _CPANEL,
        _CPANEL_TRAPS,
    ),
    Panel(
        "Amen",
        ("amen.pt", "amenworld.com"),
        _("Domínios → your domain → DNS e redirecionamento → Gestão DNS"),
        (SHORT_NAME, NO_QUOTES, REPLACES_OWN),
    ),
    Panel("PTisp (cPanel)", ("ptisp.pt",), _CPANEL, _CPANEL_TRAPS),
    Panel(
        "Dominios.pt",
        ("dominios.pt",),
        _("Os meus domínios → your domain → Gerir DNS → Adicionar registo"),
        (SHORT_NAME, NO_QUOTES),
    ),
    Panel("WebTuga (cPanel)", ("webtuga.pt", "webtuga.com"), _CPANEL, _CPANEL_TRAPS),
    Panel("WebHS (cPanel)", ("webhs.pt", "webhs.org"), _CPANEL, _CPANEL_TRAPS),
)


def panel_name(host: str) -> str:
    """The name of the panel that a name server is one of; '' for none that is known."""
    host = host.lower().removesuffix(".")
    return next((panel.name for panel in PANELS if panel.serves(host)), "")


def hints_of(name_servers: Iterable[object]) -> tuple[Hint, ...]:
    """The hints for a zone with these name servers: one, those of both where two panels share it,
    none as soon as one server is of no panel that is known. Nothing is guessed from a part of them.
    """
    found: dict[str, Hint] = {}
    for server in name_servers:
        host = str(server).lower().removesuffix(".")
        panel = next((p for p in PANELS if p.serves(host)), None)
        if panel is None:
            return ()
        found[panel.name] = panel.hint
    return tuple(found.values()) if len(found) <= 2 else ()
