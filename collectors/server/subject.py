"""What the rows of a server card are judged by: a tenant's settings, and what a row is."""

from collections.abc import Awaitable, Callable
from dataclasses import dataclass

from collectors.base import Outcome, Target
from collectors.net.session import CheckSession
from collectors.text import Text

MAX_ADDRESSES = 16  # sending addresses that are looked at; nobody has that many


@dataclass(frozen=True)
class Server:
    """A tenant's server. `target`: the tenant's settings, of its first domain or of none.

    `domains`: those of its own that the portal may be asked about, the first ones; `suspects`: of
    these, or others, those whose audits said that a service or the proxy does not run. `dnsbls`:
    the block lists that are asked. `smtp_port`: where mail is taken; None: nobody is asked.
    """

    target: Target
    domains: tuple[str, ...] = ()
    suspects: tuple[str, ...] = ()
    dnsbls: tuple[str, ...] = ()
    smtp_port: int | None = None

    @property
    def sending_ips(self) -> tuple[str, ...]:
        """The sending addresses that are looked at, each once."""
        ips = dict.fromkeys(ip.strip() for ip in self.target.sending_ips)
        return tuple(ips)[:MAX_ADDRESSES]


@dataclass(frozen=True)
class Row:
    """A row of the server card. `off`: why there is nothing to judge, None where there is."""

    check_id: str
    title: Text
    judge: Callable[[Server, CheckSession], Awaitable[Outcome]]
    off: Callable[[Server], Text | None]
