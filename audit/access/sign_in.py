"""How often somebody may try to sign in. Nobody is locked out by what others try.

A browser in which somebody signed in before counts for itself. Elsewhere the name counts with the
address, and the address counts for all names. A name that is tried from many addresses is not
locked: each address then has fewer tries.
"""

import hashlib
import secrets
import unicodedata

from django.conf import settings
from django.http import HttpRequest, HttpResponse

from audit.access import cookies
from audit.access.throttle import Throttle, peer

HOUR = 3600
NAME_AND_ADDRESS = Throttle("sign-in", tries=20, seconds=HOUR)
ADDRESS = Throttle("sign-in-address", tries=50, seconds=HOUR)
NAME = Throttle("sign-in-name", tries=200, seconds=HOUR)  # from all addresses; then:
TRIES_UNDER_ATTACK = 3  # of a name from one address
BROWSER = Throttle("sign-in-browser", tries=20, seconds=HOUR)
CODE = Throttle("sign-in-code", tries=10, seconds=HOUR)
DEVICE_SECONDS = 180 * 86400  # how long a browser is known


def fold(name: str) -> str:
    """One form for all spellings that look alike, and so for all that Django takes for one name
    (blanks at the ends, NFKC). Case, blanks and invisible characters do not count.
    """
    text = unicodedata.normalize("NFKC", unicodedata.normalize("NFKC", name).casefold())
    return "".join(char for char in text if char.isprintable() and not char.isspace())


class Attempt:
    """One try of a password for a name. `source`: what it counts for, a browser that is known or
    an address.
    """

    def __init__(self, request: HttpRequest, name: str) -> None:
        self.name, self.peer = fold(name), peer(request)
        self.browser = known_browser(request, self.name)
        self.source = self.browser or self.peer
        self._pair = f"{self.peer} {self.name}"

    def count(self) -> int:
        """0 if it may be made, else the seconds until it may."""
        if self.browser:
            return BROWSER.hit(self.browser)
        if wait := ADDRESS.wait(self.peer):
            return wait
        tries = TRIES_UNDER_ATTACK if NAME.wait(self.name) else None
        if wait := NAME_AND_ADDRESS.hit(self._pair, tries=tries):
            return wait
        NAME.hit(self.name)
        return ADDRESS.hit(self.peer)

    def give_back(self) -> None:
        """It was not made after all, or the password was right."""
        if self.browser:
            BROWSER.give_back(self.browser)
            return
        for throttle, key in (
            (NAME_AND_ADDRESS, self._pair),
            (NAME, self.name),
            (ADDRESS, self.peer),
        ):
            throttle.give_back(key)

    def succeeded(self) -> None:
        """The tries of this name from here are forgotten; what else the address tried is not."""
        self.give_back()
        if self.browser:
            BROWSER.reset(self.browser)
        else:
            NAME_AND_ADDRESS.reset(self._pair)


def code_wait(request: HttpRequest, user_id: int, name: str) -> int:
    """Count one try of a second factor: 0, or the seconds until the next. It takes the password to
    get there; whoever has stolen that holds up the owner's browser no more than with the password.
    """
    return CODE.hit(_code_key(request, user_id, name))


def code_succeeded(request: HttpRequest, user_id: int, name: str) -> None:
    CODE.reset(_code_key(request, user_id, name))


def _code_key(request: HttpRequest, user_id: int, name: str) -> str:
    return f"{user_id} {known_browser(request, fold(name))}"


def known_browser(request: HttpRequest, folded: str) -> str:
    """What tells a browser in which this name has signed in before; '' in any other."""
    kept = cookies.read(request, settings.DEVICE_COOKIE_NAME)
    if isinstance(kept, list) and len(kept) == 2 and kept[0] == _digest(folded):
        return f"{kept[0]} {kept[1]}"
    return ""


def know_browser(request: HttpRequest, response: HttpResponse, name: str) -> None:
    """Remember that this name has signed in here."""
    folded = fold(name)
    known = known_browser(request, folded)
    nonce = known.partition(" ")[2] or secrets.token_urlsafe(12)
    value = [_digest(folded), nonce]
    cookies.write(response, settings.DEVICE_COOKIE_NAME, value, seconds=DEVICE_SECONDS)


def _digest(folded: str) -> str:
    return hashlib.sha256(folded.encode("utf-8", "surrogatepass")).hexdigest()[:20]
