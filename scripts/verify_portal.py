"""What `scripts/verify-audit-overview.sh --portal URL` does: ask a portal as an audit does, and say
in sentences whether it keeps its contract (docs/portal.md)."""

import asyncio
import logging
import os
import secrets
import sys
import time
from functools import cache, partial
from pathlib import Path

ROOT = Path(__file__).resolve().parent.parent
sys.path[:0] = [str(ROOT), str(ROOT / "scripts")]

from processes import Trouble, shown  # noqa: E402 - the path is set first

from collectors.base import Target  # noqa: E402
from collectors.names import DomainError, normalize_domain  # noqa: E402
from collectors.net.portal_client import PortalClient, PortalFault  # noqa: E402
from collectors.net.session import NetConfig, NetworkClients  # noqa: E402
from collectors.net.tls import trusted_context  # noqa: E402
from collectors.run import run  # noqa: E402
from collectors.server.portal import CLOCK_WARN, NOBODY  # noqa: E402

ABOUT_ONE = ("carbonio", "nginx", "certificate")
SECONDS = 8.0  # that an audit waits for an answer
SLOW_SECONDS = 4.0  # two questions follow on each other in one row of the server card
NOT_NOW = (429, 503)  # codes that the contract has for what cannot be said at the moment


def token_of(file):
    """The token from `file`, or from LIGBOX_PORTAL_TOKEN; raises Trouble."""
    if not file:
        token = os.environ.get("LIGBOX_PORTAL_TOKEN", "")
    else:
        try:
            token = Path(file).read_text(encoding="utf-8").strip()
        except (OSError, UnicodeDecodeError) as error:
            why = getattr(error, "strerror", None) or "it is not text"
            raise Trouble(f"The token can't be read from {shown(file)}: {why}.") from None
    if not token:
        raise Trouble("A token is needed: --token-file FILE, or LIGBOX_PORTAL_TOKEN.")
    return token


def verify(url, token, report, domain=None):
    """Say a line for each promise; raises Trouble where that can't go on."""
    logging.disable()  # what the client would tell an operator is said here in sentences
    asyncio.run(_Portal(url, token, report).verify(domain))


class _Portal:
    """One portal, asked by the collectors' own client; each time by a new one, so that no answer
    has it left alone for the next."""

    def __init__(self, url, token, report):
        self.url, self.token, self.report = url, token, report
        self.config = NetConfig(ca_file=os.environ.get("SSL_CERT_FILE", ""))
        self.context = cache(partial(trusted_context, self.config.ca_file))

    async def verify(self, domain):
        domain = await self._listed(domain)
        for what in ABOUT_ONE:
            answered = await self._of(what, domain)
            if what == "carbonio" and answered:
                await self._status_and_services(domain)
        for what in ABOUT_ONE:
            await self._of_nobody(what)
        for what in (*ABOUT_ONE, "domains"):
            await self._refused(what, domain, f"wrong-{secrets.token_hex(8)}", "a wrong token")
            await self._refused(what, domain, "", "no token")

    async def _ask(self, what, domain="", token=None):
        """(answer or fault, seconds that it took)."""
        client = PortalClient(self.config.portal_paths, context=self.context)
        token, begun = self.token if token is None else token, time.monotonic()
        try:
            said = await client.get(self.url, token, what, domain, seconds=SECONDS)
        except PortalFault as fault:
            said = fault
        finally:
            await client.close()
        return said, time.monotonic() - begun

    def _where(self, what, domain=""):
        return f"GET {self.config.portal_paths[what].format(domain=domain)}"

    def _faulty(self, where, fault):
        """Say what came instead of an answer."""
        if fault.message.params.get("status") in NOT_NOW:
            self.report.open(f"{where}: not said at the moment ({fault.message})")
        else:
            self.report.line(False, f"{where}: {fault.message}")

    def _timely(self, where, said, seconds, words):
        took = f"{seconds * 1000:.0f} ms"
        late = seconds >= SLOW_SECONDS
        if late:
            took += f", limit {SLOW_SECONDS * 1000:.0f} ms"
        self.report.line(not late, f"{where}: {words}; {took}")

    async def _listed(self, domain):
        """Ask for the list; the domain to ask about: the one that is given, else the first."""
        where = self._where("domains")
        said, seconds = await self._ask("domains")
        if isinstance(said, PortalFault):
            if said.code in ("portal_unreachable", "portal_not_configured"):
                raise Trouble(str(said.message))
            if said.code == "portal_auth":
                raise Trouble(f"{where}: {said.message}")
            self._faulty(where, said)
        elif not said.found:
            self._timely(
                where, said, seconds, "the list is not offered (HTTP 404), which it need not be"
            )
        else:
            names = said.data["domains"]
            usable = [name for text in names if (name := _name_of(text))]
            words = f"as agreed, {len(usable)} domains"
            if left := len(names) - len(usable):
                words += f" and {left} that are no public domain names and are passed over"
            self._timely(where, said, seconds, words)
            domain = domain or next(iter(usable), None)
        if not isinstance(said, PortalFault):
            self._clock(said)
        if not domain:
            raise Trouble("No domain is known to ask about; --domain names one that it hosts.")
        return domain

    def _clock(self, said):
        ahead = said.clock_ahead
        if ahead is None:
            self.report.line(True, "clock: it sends no Date, so it was not compared")
        else:
            off = (
                f"{abs(ahead):.0f} s {'ahead of' if ahead > 0 else 'behind'} ours"
                if ahead
                else "right"
            )
            self.report.line(abs(ahead) < CLOCK_WARN, f"clock: {off}")

    async def _of(self, what, domain):
        """Ask about one domain; whether it answered."""
        where = self._where(what, domain)
        said, seconds = await self._ask(what, domain)
        if isinstance(said, PortalFault):
            self._faulty(where, said)
        elif said.found:
            self._timely(where, said, seconds, "as agreed")
        else:
            self._timely(
                where, said, seconds, f"it says that there is none (HTTP 404: {said.detail[:200]})"
            )
        return not isinstance(said, PortalFault)

    async def _status_and_services(self, domain):
        """What the check itself refuses: a status that nobody knows, or no service."""
        target = Target(domain=domain, portal_url=self.url, portal_token=self.token)
        clients = NetworkClients(self.config)
        try:
            results = await run(target, clients.audit_session(target), only={"carbonio"})
        finally:
            await clients.close()
        refused = [f for f in results["carbonio"].findings if f.code == "portal_bad_response"]
        for finding in refused:
            self.report.line(False, f"{self._where('carbonio', domain)}: {finding.message}")

    async def _of_nobody(self, what):
        where = self._where(what, NOBODY)
        said, seconds = await self._ask(what, NOBODY)
        if isinstance(said, PortalFault):
            self._faulty(where, said)
        elif said.found and said.data != {"vhost": False}:
            self.report.line(False, f"{where}: HTTP 200, though nobody has that name")
        else:
            self._timely(where, said, seconds, f"HTTP {said.status} for a name that nobody has")

    async def _refused(self, what, domain, token, words):
        where = self._where(what, domain)
        said, _seconds = await self._ask(what, domain, token)
        if isinstance(said, PortalFault) and said.code == "portal_auth":
            self.report.line(
                True, f"{where} with {words}: refused (HTTP {said.message.params['status']})"
            )
        elif isinstance(said, PortalFault):
            self._faulty(f"{where} with {words}", said)
        elif what == "domains" and not said.found:
            self.report.line(True, f"{where} with {words}: not offered")
        else:
            self.report.line(False, f"{where} with {words}: HTTP {said.status}, not 401")


def _name_of(text):
    try:
        return normalize_domain(text)
    except DomainError:
        return None
