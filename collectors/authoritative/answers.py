"""What the name servers of a zone said, as plain data that can be kept as JSON."""

from collections.abc import Mapping
from dataclasses import asdict, dataclass
from enum import StrEnum
from typing import Any, Self


class State(StrEnum):
    """What became of one question to one name server."""

    ANSWERED = "answered"  # as the owner of the zone (AA), with records or without
    SILENT = "silent"  # nothing came in time
    REFUSED = "refused"
    FAILED = "failed"  # SERVFAIL, or another error
    LAME = "lame"  # it does not know that the zone is its own
    ELSEWHERE = "elsewhere"  # it refers to other servers for this name
    LOOP = "loop"  # its aliases lead in a circle, or into the distance
    UNREADABLE = "unreadable"
    UNREACHABLE = "unreachable"  # no way there, or nobody listens
    NOT_PUBLIC = "not_public"  # its address is inside some network: never asked
    NO_ADDRESS = "no_address"  # its name has none
    NOT_FOUND = "not_found"  # the address of its name could not be had
    NOT_ASKED = "not_asked"  # the bounds of one look were reached before it


class Trouble(StrEnum):
    """Why nobody could be asked."""

    NO_SERVERS = "no_servers"  # the domain has no name servers
    NOT_FOUND = "not_found"  # they could not be found out
    RESOLVER = "resolver"  # our own resolver does not answer


@dataclass(frozen=True)
class Server:
    """A name server of the zone; `state` is ANSWERED where it was asked at all."""

    name: str
    address: str = ""
    state: State = State.ANSWERED

    @property
    def short(self) -> str:
        """The first label, as people call it."""
        return self.name.partition(".")[0]


@dataclass(frozen=True)
class Said:
    """What one server said to one question: `records` as text, of the name or of where its aliases
    lead (`chain`); `ttl` in seconds. `leads`: whether what an alias points at is there; None where
    that was not looked at. `stands_in`: what stands there is not the alias that was looked for, and
    says the same as its end."""

    server: str
    name: str
    type: str
    state: State
    records: tuple[str, ...] = ()
    chain: tuple[str, ...] = ()
    ttl: int = 0
    leads: bool | None = None
    stands_in: bool = False


@dataclass(frozen=True)
class Answers:
    """All of one look. `of_all`: how many name servers the zone has; at most six are asked."""

    zone: str = ""
    trouble: Trouble | None = None
    servers: tuple[Server, ...] = ()
    of_all: int = 0
    said: tuple[Said, ...] = ()
    queries: int = 0  # packets that were sent, over UDP and TCP

    def about(self, name: str, rdtype: str) -> list[Said]:
        """What each server said of this name and type, in the order of the servers; a server that
        was never asked says so here, too."""
        heard = {s.server: s for s in self.said if s.name == name and s.type == rdtype}
        if not heard and all(s.state == State.ANSWERED for s in self.servers):
            return []
        return [
            heard.get(server.name) or Said(server.name, name, rdtype, _never(server))
            for server in self.servers
        ]

    def to_json(self) -> dict[str, Any]:
        """As JSON data; `from_json` takes it back."""
        return asdict(self)

    @classmethod
    def from_json(cls, data: Mapping[str, Any]) -> Self:
        said = [
            Said(
                **{
                    **entry,
                    "state": State(entry["state"]),
                    "records": tuple(entry["records"]),
                    "chain": tuple(entry["chain"]),
                }
            )
            for entry in data["said"]
        ]
        servers = [Server(**{**s, "state": State(s["state"])}) for s in data["servers"]]
        trouble = Trouble(data["trouble"]) if data["trouble"] else None
        return cls(
            data["zone"], trouble, tuple(servers), data["of_all"], tuple(said), data["queries"]
        )


def _never(server: Server) -> State:
    return State.NOT_ASKED if server.state == State.ANSWERED else server.state
