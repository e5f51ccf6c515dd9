"""Who a request is from: sessions that were left alone or are old have ended, and where a second
factor is required nobody is anybody without it. Every face asks `request.user`, so this holds for
all of them.
"""

import logging
import time
from collections.abc import Callable
from typing import Any

from django.conf import settings
from django.contrib.auth.models import AnonymousUser, User
from django.contrib.auth.signals import user_logged_in, user_logged_out
from django.db import DatabaseError
from django.dispatch import receiver
from django.http import HttpRequest, HttpResponse
from django.utils.functional import SimpleLazyObject

from audit.access import cookies

log = logging.getLogger(__name__)
SIGNED_IN = "signed_in"  # in the session: when, in seconds since 1970
UNATTENDED = "X-Unattended"  # the page asks by itself, and nobody touched it since it last did
HALF_SIGNED_SECONDS = 15 * 60  # to find the phone
NOTED_EVERY = 60  # seconds; that somebody is there is noted no more often


def requires_second_factor(user: User) -> bool:
    """Whether settings.SECOND_FACTOR asks this user for one."""
    if settings.SECOND_FACTOR == "staff":
        return user.is_staff or user.is_superuser
    return settings.SECOND_FACTOR == "superusers" and user.is_superuser


def half_signed(request: HttpRequest) -> User | None:
    """Whoever gave the right password, and the second factor not yet."""
    bool(request.user.is_authenticated)  # it is looked up when it is asked for
    return getattr(request, "half_signed_user", None)


class Admission:
    """Middleware: `request.user` is nobody where the session has ended or lacks the second factor.

    When somebody was there last stands in a signed cookie and not in the session: a page that is
    only read writes nothing to the database.
    """

    def __init__(self, get_response: Callable[[HttpRequest], HttpResponse]) -> None:
        self.get_response = get_response

    def __call__(self, request: HttpRequest) -> HttpResponse:
        found: Any = request.user
        request.user = SimpleLazyObject(lambda: _admitted(request, found))  # type: ignore[assignment]
        response = self.get_response(request)
        if seen := getattr(request, "seen_now", None):
            seconds = settings.SESSION_COOKIE_AGE
            cookies.write(response, settings.SEEN_COOKIE_NAME, seen, seconds=seconds)
        elif getattr(request, "signed_out", False):
            cookies.forget(response, settings.SEEN_COOKIE_NAME)
        return response


def session_ended(request: HttpRequest) -> bool:
    """Whether this browser was signed in and its session ended by itself."""
    ours = cookies.read(request, settings.SEEN_COOKIE_NAME) is not None
    return ours and not request.user.is_authenticated and half_signed(request) is None


def _admitted(request: HttpRequest, user: Any) -> Any:
    if not user.is_authenticated:
        return user
    now, signed_in = time.time(), request.session.get(SIGNED_IN, 0)
    half = requires_second_factor(user) and not user.is_verified()
    seen = max(signed_in, _seen(request, user, signed_in))
    if (
        now - signed_in > settings.SESSION_HOURS * 3600
        or now - seen > settings.SESSION_IDLE_MINUTES * 60
        or (half and now - signed_in > HALF_SIGNED_SECONDS)
    ):
        _end(request)
        return AnonymousUser()
    if half:
        request.half_signed_user = user  # type: ignore[attr-defined]
        return AnonymousUser()
    if UNATTENDED not in request.headers and now - seen > NOTED_EVERY:
        request.seen_now = _seen_value(user, signed_in, now)  # type: ignore[attr-defined]
    return user


def _seen_value(user: User, signed_in: float, now: float) -> list:
    return [user.pk, signed_in, now]


def _seen(request: HttpRequest, user: User, signed_in: float) -> float:
    """When this session was last used, as its cookie says; 0 where there is none."""
    kept = cookies.read(request, settings.SEEN_COOKIE_NAME)
    if isinstance(kept, list) and kept[:2] == [user.pk, signed_in]:
        return kept[2]
    return 0


def _end(request: HttpRequest) -> None:
    try:
        request.session.flush()
    except DatabaseError:  # it is over all the same
        log.warning("a session that has ended could not be removed")
        request.session = type(request.session)()


@receiver(user_logged_in)
def _note_begin(request: HttpRequest, user: User, **kwargs: Any) -> None:
    """A session begins: its age counts from here."""
    now = time.time()
    request.session[SIGNED_IN] = now
    request.seen_now = _seen_value(user, now, now)  # type: ignore[attr-defined]


@receiver(user_logged_out)
def _note_end(request: HttpRequest, **kwargs: Any) -> None:
    request.signed_out = True  # type: ignore[attr-defined]
    request.seen_now = None  # type: ignore[attr-defined]
