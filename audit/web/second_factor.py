"""The second factor: giving it, setting it up, and changing it."""

import logging
import time
from collections.abc import Callable
from datetime import timedelta
from functools import wraps

import django_otp
import segno
from django.contrib.auth.models import User
from django.contrib.auth.views import redirect_to_login
from django.http import Http404, HttpRequest, HttpResponse
from django.shortcuts import redirect, render
from django.utils import timezone
from django.utils.http import url_has_allowed_host_and_scheme
from django.utils.safestring import mark_safe
from django.views.decorators.cache import never_cache
from django.views.decorators.debug import sensitive_post_parameters
from django.views.decorators.http import require_http_methods

from audit.access.admission import half_signed, requires_second_factor
from audit.access.sign_in import code_succeeded, code_wait
from audit.access.throttle import client_address
from audit.models import SecondFactor
from audit.web.login import second_factor_url, welcome

log = logging.getLogger(__name__)
SET_UP = "set-up-second-factor"
CHANGES_UNTIL = "second_factor_changes_until"  # in the session, in seconds since 1970
CHANGE_SECONDS = 10 * 60
View = Callable[[HttpRequest, User], HttpResponse]


def somebody(view: View) -> Callable[[HttpRequest], HttpResponse]:
    """For whoever gave the right password: signed in, or on the way. Others are led to the login;
    for who needs no second factor there is no such page. Nothing of it is kept in a cache.
    """

    @never_cache
    @require_http_methods(["GET", "HEAD", "POST"])
    @sensitive_post_parameters("code")
    @wraps(view)
    def inner(request: HttpRequest) -> HttpResponse:
        user = half_signed(request) or request.user
        if not user.is_authenticated:
            return redirect_to_login(request.get_full_path())
        if not requires_second_factor(user):
            raise Http404
        return view(request, user)

    return inner


@somebody
def give(request: HttpRequest, user: User) -> HttpResponse:
    """Give the code after the password; or, signed in, see what there is and change it."""
    factor = SecondFactor.of(user)
    if factor is None:
        return redirect(second_factor_url(_following(request), SET_UP))
    if half_signed(request) is None:
        return _change(request, user, factor)
    if request.method == "POST":
        wrong = _wrong(request, user, factor)
        if wrong is None:
            _let_in(request, user, factor)
            response = redirect(_following(request) or "overview")
            welcome(request, response, user)
            return response
    else:
        wrong = {}
    return _answer(request, "second_factor/give.html", {"who": user, "factor": factor, **wrong})


@somebody
def set_up(request: HttpRequest, user: User) -> HttpResponse:
    """Show a new key, and take it when a code from it is right. Whoever has a second factor has
    given it once more just before.
    """
    may_change = request.session.get(CHANGES_UNTIL, 0) > time.time()
    if SecondFactor.of(user) and (half_signed(request) or not may_change):
        return redirect(second_factor_url(_following(request)))
    factor = SecondFactor.being_set_up(user)
    wrong: dict = {}
    if request.method == "POST":
        found = _wrong(request, user, factor)
        if found is None:
            codes = factor.confirm()
            log.info("%s has set up a second factor", user.get_username())
            request.session.pop(CHANGES_UNTIL, None)
            _let_in(request, user, factor)
            response = _answer(request, "second_factor/codes.html", {"codes": codes})
            welcome(request, response, user)
            return response
        wrong = found
    code = segno.make(factor.address(request.get_host()), micro=False)
    picture = code.svg_inline(light="#fff", omitsize=True, svgclass=None, lineclass=None)
    context = {
        "who": user,
        "key": " ".join(factor.key[n : n + 4] for n in range(0, len(factor.key), 4)),
        "picture": mark_safe(picture),  # noqa: S308  # squares; no text of anybody's
        **wrong,
    }
    return _answer(request, "second_factor/set_up.html", context)


def _change(request: HttpRequest, user: User, factor: SecondFactor) -> HttpResponse:
    """New recovery codes or another phone, for one more code."""
    wrong: dict = {}
    if request.method == "POST":
        found = _wrong(request, user, factor)
        if found is None:
            if "recovery" in request.POST:
                log.info("%s has made new recovery codes", user.get_username())
                factor.refresh_from_db()
                codes = factor.new_recovery_codes()
                return _answer(request, "second_factor/codes.html", {"codes": codes})
            request.session[CHANGES_UNTIL] = time.time() + CHANGE_SECONDS
            return redirect(second_factor_url("", SET_UP))
        wrong = found
    return _answer(request, "second_factor/change.html", {"factor": factor, **wrong})


def _wrong(request: HttpRequest, user: User, factor: SecondFactor) -> dict | None:
    """None if the code is right, else what the page says and `status`."""
    name = user.get_username()
    if wait := code_wait(request, user.pk, name):
        log.warning("second factor of %s refused: too many tries, for %d s more", name, wait)
        again_at = timezone.now() + timedelta(seconds=wait)
        return {"again_at": again_at, "again_in": wait}
    if not factor.accepts(request.POST.get("code", "")[:100]):
        log.warning("second factor of %s from %s is wrong", name, client_address(request))
        return {"wrong": True}
    code_succeeded(request, user.pk, name)
    return None


def _let_in(request: HttpRequest, user: User, factor: SecondFactor) -> None:
    """The session has its second factor from here on, under a new key."""
    request.user = user  # what Admission held back
    django_otp.login(request, factor)
    request.session.cycle_key()


def _answer(request: HttpRequest, template: str, context: dict) -> HttpResponse:
    wait = context.get("again_in", 0)
    context = {**context, "next": _following(request)}
    response = render(request, template, context, status=429 if wait else 200)
    if wait:
        response["Retry-After"] = str(wait)
        response._has_been_logged = True  # type: ignore[attr-defined]  # what matters is in the log
    return response


def _following(request: HttpRequest) -> str:
    """Where to go then: an address of this site, or ''."""
    wanted = request.POST.get("next", request.GET.get("next", ""))
    hosts, secure = {request.get_host()}, request.is_secure()
    return wanted if url_has_allowed_host_and_scheme(wanted, hosts, require_https=secure) else ""
