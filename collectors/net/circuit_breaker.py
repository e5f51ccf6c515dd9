"""When a portal is left alone: one that falls silent, for everybody; or a token, after a 429."""

import logging
from collections.abc import Callable
from dataclasses import dataclass

from collectors.base import Fault
from collectors.text import _

log = logging.getLogger(__name__)

FAILURES = 5  # transport failures in a row after which a portal is left alone
PAUSE_SECONDS = 30.0
LONGEST_PAUSE_SECONDS = 3600.0  # whatever Retry-After says


class PortalFault(Fault):
    """The portal did not give an answer.

    portal_not_configured, portal_busy (it was not asked), portal_timeout, portal_unreachable (also
    TLS), portal_auth (401, 403), portal_error (any other code) or portal_bad_response (not what was
    agreed).
    """


class Breaker:
    """Whether one portal is worth asking.

    After FAILURES transport failures in a row the last fault answers for it for PAUSE_SECONDS; then
    one request is let through as a probe, and what becomes of it decides for the rest.
    """

    def __init__(self, clock: Callable[[], float]) -> None:
        self._clock = clock
        self._failures, self._until, self._probing = 0, 0.0, False
        self._fault: PortalFault | None = None  # the last one, while the portal is left alone

    @property
    def is_open(self) -> bool:
        """The portal is left alone, but for probes."""
        return self._fault is not None

    def raise_if_backing_off(self) -> bool:
        """Raise the last fault while the portal is left alone; True if this is the probe."""
        if self._fault is None:
            return False
        if self._until > self._clock() or self._probing:
            raise later(self._fault)
        self._probing = True
        return True

    def probe_ended(self) -> None:
        """The probe is over, whether it came to a result or was cancelled."""
        self._probing = False

    def failed(self, fault: PortalFault) -> None:
        """A request came to nothing on its way."""
        self._failures += 1
        if self._failures >= FAILURES:
            self._pause(fault, PAUSE_SECONDS)

    def answered(self) -> None:
        """Any HTTP answer, whatever it says: the portal is there."""
        self._failures, self._fault = 0, None

    def back_off(self, fault: PortalFault, seconds: float) -> None:
        """The portal itself asks for a pause."""
        self._pause(fault, min(seconds, LONGEST_PAUSE_SECONDS))

    def _pause(self, fault: PortalFault, seconds: float) -> None:
        if self._fault is None:
            log.warning("the portal is left alone for %d s: %s", seconds, fault.code)
        self._fault, self._until = fault, self._clock() + seconds


def later(fault: PortalFault) -> PortalFault:
    """The fault once more. The log says for how long; a sentence that counts changes each time."""
    message = _("{reason} It is left alone for a while.", reason=fault.message)
    return PortalFault(fault.code, message)


@dataclass
class TokenBackoff:
    """What one token met at a portal; other tenants of that portal have nothing to do with it."""

    refused: bool = False  # 401 or 403, already said in the log
    until: float = 0.0  # by the clock: too many requests (429) before then
    fault: PortalFault | None = None

    def raise_if_backing_off(self, now: float) -> None:
        """Raise the last fault while this token is to wait."""
        if self.fault and self.until > now:
            raise later(self.fault)

    def back_off(self, fault: PortalFault, seconds: float, now: float) -> None:
        """The portal asks for fewer requests."""
        seconds = min(seconds, LONGEST_PAUSE_SECONDS)
        if self.until <= now:
            log.warning(
                "a portal answers a token with 429: nothing is asked with it for %d s", seconds
            )
        self.fault, self.until = fault, now + seconds
