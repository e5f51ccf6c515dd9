"""The cookies of one visit (RFC 6265): kept for the host that set them, and gone with the visit."""

import re
import time
from email.utils import parsedate_to_datetime

MAX_COOKIES = 30  # of one visit
MAX_BYTES = 4096  # of one cookie, and of what is sent back in all
_SENDABLE = re.compile(r"[ !-:<-~]*")  # no control characters, no semicolon, nothing beyond ASCII


class VisitCookies:
    """What a browser would send back; to the host alone that set it, whatever Domain says."""

    def __init__(self) -> None:
        self._kept: dict[tuple[str, str, str], str] = {}  # (host, path, name) -> value

    def keep(self, host: str, path: str, lines: tuple[str, ...]) -> None:
        """Take the Set-Cookie lines of a response to `path` (RFC 6265, section 5.3)."""
        for line in lines[:MAX_COOKIES]:
            pair, *attributes = (part.strip() for part in line.split(";"))
            name, equals, value = pair.partition("=")
            name, value = (name.strip(), value.strip()) if equals else ("", pair)
            if len(pair) > MAX_BYTES or not _SENDABLE.fullmatch(name + value):
                continue
            said = {
                key.strip().lower(): text.strip()
                for key, _equals, text in (a.partition("=") for a in attributes)
            }
            where = said.get("path", "")
            if not where.startswith("/"):
                where = path.rpartition("/")[0] or "/"  # section 5.1.4
            key = host, where, name
            self._kept.pop(key, None)
            if not _over(said) and len(self._kept) < MAX_COOKIES:
                self._kept[key] = value

    def header(self, host: str, path: str) -> str:
        """The Cookie header for a request to `path` at `host`, '' for none."""
        fitting = [
            f"{name}={value}" if name else value
            for (of, where, name), value in sorted(self._kept.items(), key=lambda k: -len(k[0][1]))
            if of == host and _path_matches(where, path)
        ]
        while len("; ".join(fitting)) > MAX_BYTES:
            fitting.pop()
        return "; ".join(fitting)


def _path_matches(where: str, path: str) -> bool:
    """RFC 6265, section 5.1.4."""
    return path == where or path.startswith(where if where.endswith("/") else f"{where}/")


def _over(said: dict[str, str]) -> bool:
    """Whether the cookie is taken back (Max-Age goes before Expires)."""
    age = said.get("max-age", "")
    if age.lstrip("-").isdigit():
        return age.startswith("-") or int(age[:12]) == 0
    try:
        return parsedate_to_datetime(said["expires"]).timestamp() < time.time()
    except (KeyError, ValueError, TypeError, OverflowError, IndexError):
        return False
