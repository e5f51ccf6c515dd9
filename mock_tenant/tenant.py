"""The whole company in one object: start it, and it says what an auditor must be told to look at
it."""

import errno
from pathlib import Path

from mock_tenant import secrets_store
from mock_tenant.certificates import Authority
from mock_tenant.company import load
from mock_tenant.dnsserver import DnsServer
from mock_tenant.events import Onboarding
from mock_tenant.faults import Faults
from mock_tenant.portal import Portal
from mock_tenant.webmail import Webmail
from mock_tenant.zone import Zone

PORTS = {"portal": 8090, "dns": 5300, "webmail": 8443}


class PortTaken(Exception):
    """A port is used by another program; the text says which, and for what it was wanted."""


class MockTenant:
    """Portal, DNS and webmail of the company in company.toml, on loopback; `folder` keeps its keys.

    A port of 0 takes a free one, known after `start()`. Also a context manager.
    """

    def __init__(self, folder, **ports):
        self.folder = Path(folder).resolve()
        self.ports = {**PORTS, **ports}
        secrets_store.private_folder(self.folder)
        self._secrets = secrets_store.load(self.folder)
        self.authority = Authority(self.folder)
        self.company = load(self._secrets["dkim"])
        self.dns: DnsServer | None = None
        self.portal: Portal | None = None
        self.webmail: Webmail | None = None
        self.faults = Faults(self.folder, self.company.faults, self._switch)
        self._onboarding = None

    def _switch(self, faults):
        """These faults of the server are on from now on."""
        assert self.dns and self.portal
        self.dns.zone = Zone(self.company.zone(faults))
        self.portal.faults = faults

    # -- life
    def start(self):
        """Open all ports; raises PortTaken and leaves nothing open then."""
        days, leaves, shown = self.company.certificates, {}, {}
        for domain in self.company.domains.values():
            leaves[domain.name] = self.authority.leaf(
                domain.webmail_host, *days[domain.webmail["certificate"]]
            )
            shows = domain.portal["certificate"].get("shows")
            shown[domain.name] = {"served": leaves[domain.name][0]}
            if shows in days:
                shown[domain.name][shows] = self.authority.leaf(domain.webmail_host, *days[shows])[
                    0
                ]
        default = self.authority.leaf(
            f"default.{self.company.host}", *days[self.company.default_certificate]
        )
        try:
            self.dns = self._open(
                "dns",
                lambda port: DnsServer(
                    self.company.zone(), port=port, max_queries=20_000, forget=True
                ),
            )
            self.portal = self._open(
                "portal",
                lambda port: Portal(port, self.company, self._secrets["portal_token"], shown),
            )
            self.webmail = self._open(
                "webmail", lambda port: Webmail(port, self.company, leaves, default)
            )
        except PortTaken:
            self.stop()
            raise
        self.faults.start()
        return self

    def stop(self):
        """Close everything; may be called twice."""
        self.faults.stop()
        for server in (self._onboarding, self.webmail, self.portal, self.dns):
            if server:
                server.stop()
        self._onboarding = self.dns = self.portal = self.webmail = None

    __enter__ = start

    def __exit__(self, *exc):
        self.stop()

    def _open(self, what, make):
        port = self.ports[what]
        try:
            server = make(port).start()
        except (OSError, OverflowError) as error:
            busy = getattr(error, "errno", None) == errno.EADDRINUSE
            why = (
                "is used by another program"
                if busy
                else f"can't be opened ({getattr(error, 'strerror', None) or error})"
            )
            raise PortTaken(
                f"Port {port} for the {what} server {why}; choose another with --{what}-port (0: "
                "any free one)."
            ) from None
        self.ports[what] = server.port
        return server

    # -- what an auditor must be told
    @property
    def env(self):
        """The environment of every process that audits it. The ports must be known."""
        if not self.ports["dns"]:
            raise ValueError("with port 0 the port is known after start() alone")
        return {
            "AUDIT_DNS_SERVERS": f"127.0.0.1:{self.ports['dns']}",
            "AUDIT_AUTHORITATIVE_PORT": str(self.ports["dns"]),
            "AUDIT_ALLOWED_NETWORKS": "127.0.0.0/8",
            "AUDIT_DNSBLS": f"bl.{self.company.host}",
            "SSL_CERT_FILE": str(self.authority.ca_file),
        }

    @property
    def fields(self):
        """The tenant's record: everything that an auditor keeps of this server."""
        return {
            **self.company.tenant,
            "portal_url": f"http://127.0.0.1:{self.ports['portal']}",
            "portal_token": self._secrets["portal_token"],
            "webhook_secret": self._secrets["webhook_secret"],
            "webmail_url": f"https://webmail.{{domain}}:{self.ports['webmail']}/",
        }

    @property
    def second_fields(self):
        """The record of the second server: the same portal, which does not know its token."""
        return {
            **self.company.second,
            "portal_url": f"http://127.0.0.1:{self.ports['portal']}",
            "portal_token": "a-token-of-last-year",
            "webmail_url": f"https://webmail.{{domain}}:{self.ports['webmail']}/",
        }

    def onboard(self, *, web, tenant_id, every, domains=None, say=lambda line: None):
        """Begin to post events for the joining domains (or those of them named in `domains`) to
        the web at `web`."""
        names = [d.name for d in self.company.joining() if domains is None or d.name in domains]
        url = f"{web.rstrip('/')}/api/v1/webhooks/{tenant_id}"
        self._onboarding = Onboarding(
            url=url, secret=self._secrets["webhook_secret"], domains=names, every=every, say=say
        )
        self._onboarding.start()
        return self._onboarding
