"""Signed cookies of our own: what a browser keeps for us, and cannot make itself."""

from typing import Any

from django.conf import settings
from django.core import signing
from django.http import HttpRequest, HttpResponse


def read(request: HttpRequest, name: str) -> Any:
    """What `write` put there, or None: no cookie, or not one of ours."""
    try:
        return signing.loads(request.COOKIES.get(name, ""), salt=f"ligbox-audit {name}")
    except signing.BadSignature:
        return None


def write(response: HttpResponse, name: str, value: Any, *, seconds: int) -> None:
    """Keep a small JSON value in the browser; it can be read there, not changed."""
    response.set_cookie(
        name,
        signing.dumps(value, salt=f"ligbox-audit {name}"),
        max_age=seconds,
        secure=settings.SESSION_COOKIE_SECURE,
        httponly=True,
        samesite="Lax",
    )


def forget(response: HttpResponse, name: str) -> None:
    """Take it away again (a `__Host-` cookie goes only by one that is as safe)."""
    response.set_cookie(
        name, "", max_age=0, secure=settings.SESSION_COOKIE_SECURE, httponly=True, samesite="Lax"
    )
