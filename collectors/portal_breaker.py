"""When a portal is left alone: one that falls silent, for everybody; one that has had enough of one token, for that token."""

import logging
from dataclasses import dataclass

from .base import Fault
from .text import _

log = logging.getLogger(__name__)

FAILURES = 5  # transport failures in a row after which a portal is left alone
PAUSE_SECONDS = 30.0
LONGEST_PAUSE_SECONDS = 3600.0  # whatever Retry-After says


class PortalFault(Fault):
    """The portal did not give an answer: portal_not_configured, portal_timeout, portal_unreachable (also TLS),
    portal_auth (401, 403), portal_error (any other code) or portal_bad_response (not what was agreed)."""


class Breaker:
    """Whether one portal is worth asking. After FAILURES transport failures in a row the last fault answers for it
    for PAUSE_SECONDS; then one request is let through as a probe, and what becomes of it decides for the rest."""

    def __init__(self, clock):
        self._clock = clock
        self._failures, self._until, self._fault, self._probing = 0, None, None, False

    def admit(self):
        """Raise the last fault while the portal is left alone; returns True if this request is the probe."""
        if self._until is None:
            return False
        left = self._until - self._clock()
        if left > 0 or self._probing:
            raise later(self._fault, left)
        self._probing = True
        return True

    def probe_ended(self):
        """The probe is over, whether it came to a result or was cancelled."""
        self._probing = False

    def failed(self, fault):
        """A request came to nothing on its way."""
        self._failures += 1
        if self._failures >= FAILURES:
            self._pause(fault, PAUSE_SECONDS)

    def answered(self):
        """Any HTTP answer, whatever it says: the portal is there."""
        self._failures, self._until, self._fault = 0, None, None

    def told_to_wait(self, fault, seconds):
        """The portal itself asks for a pause."""
        self._pause(fault, min(seconds, LONGEST_PAUSE_SECONDS))

    def _pause(self, fault, seconds):
        if self._until is None:
            log.warning("the portal is left alone for %d s: %s", seconds, fault.code)
        self._fault, self._until = fault, self._clock() + seconds


def later(fault, left):
    """The fault once more, with the time after which the portal is asked again."""
    seconds = max(1, round(left))
    return PortalFault(fault.code, _("{reason} It will be asked again in {seconds} s.", reason=fault.message, seconds=seconds))


@dataclass
class Caller:
    """What one token met at a portal; other tenants of the same portal have nothing to do with it."""

    refused: bool = False  # 401 or 403, already said in the log
    until: float = 0.0  # by the clock: too many requests (429) before then
    fault: PortalFault | None = None

    def admit(self, now):
        """Raise the last fault while this token is to wait."""
        if self.until > now:
            raise later(self.fault, self.until - now)

    def told_to_wait(self, fault, seconds, now):
        """The portal asks for fewer requests."""
        seconds = min(seconds, LONGEST_PAUSE_SECONDS)
        if self.until <= now:
            log.warning("a portal answers a token with 429: nothing is asked with it for %d s", seconds)
        self.fault, self.until = fault, now + seconds
