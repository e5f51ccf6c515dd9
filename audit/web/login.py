"""Signing in: the password, throttled, and where it leads."""

import logging
from datetime import timedelta
from typing import Any
from urllib.parse import urlencode

from django import forms
from django.contrib.auth import authenticate
from django.contrib.auth.forms import AuthenticationForm
from django.contrib.auth.models import User
from django.contrib.auth.views import LoginView
from django.http import HttpRequest, HttpResponse
from django.shortcuts import redirect
from django.urls import reverse
from django.utils import timezone
from django.views.decorators.debug import sensitive_variables

from audit.access.admission import half_signed, requires_second_factor, session_ended
from audit.access.hashing import PLACES, RETRY_AFTER, Busy
from audit.access.sign_in import Attempt, know_browser
from audit.access.throttle import client_address

log = logging.getLogger(__name__)


class SignInForm(AuthenticationForm):
    """Django's, which counts each try under the name that Django will look up. After it was
    validated: `again_in`, the seconds until a try is allowed (nothing was tried), or 0; `busy`: no
    place was free to hash the password.
    """

    request: HttpRequest
    again_in, busy = 0, False

    @sensitive_variables()
    def clean(self) -> dict[str, Any]:
        name = self.cleaned_data.get("username")
        if name is None:  # no name that anybody can have, such as one with NUL
            name = (self.data.get("username") or "").strip()[:150]
        attempt = Attempt(self.request, name)
        try:
            with PLACES.take_for(attempt.source):
                self._try(attempt)
        except Busy:
            self.busy = True
            raise forms.ValidationError("", code="busy") from None
        return self.cleaned_data

    @sensitive_variables()
    def _try(self, attempt: Attempt) -> None:
        address = client_address(self.request)
        if wait := attempt.count():
            log.warning("sign-in from %s refused: too many tries, for %d s more", address, wait)
            self.again_in = wait
            raise forms.ValidationError("", code="too-many")
        if self.errors:  # nothing to look up
            return
        try:
            self.user_cache = authenticate(self.request, **self.cleaned_data)
        except Busy:
            attempt.give_back()
            raise
        if self.user_cache is None:
            log.warning("sign-in from %s failed", address)
            raise self.get_invalid_login_error()
        attempt.succeeded()


class Login(LoginView):
    """Django's, also of the administration. 429 with Retry-After after too many tries, 503 where
    too many sign in at once; whoever needs a second factor is led on to it.
    """

    form_class = SignInForm

    def get(self, request: HttpRequest, *args: Any, **kwargs: Any) -> HttpResponse:
        if half_signed(request):
            return redirect(second_factor_url(self.get_redirect_url()))
        return super().get(request, *args, **kwargs)

    def get_context_data(self, **kwargs: Any) -> dict[str, Any]:
        return super().get_context_data(ended=session_ended(self.request), **kwargs)

    def form_invalid(self, form: Any) -> HttpResponse:
        context = self.get_context_data(form=form)
        if form.busy:
            return _later(self.render_to_response(context, status=503), RETRY_AFTER)
        if form.again_in:
            context["again_at"] = timezone.now() + timedelta(seconds=form.again_in)
            return _later(self.render_to_response(context, status=429), form.again_in)
        return self.render_to_response(context)

    def form_valid(self, form: Any) -> HttpResponse:
        response = super().form_valid(form)
        user = form.get_user()
        if requires_second_factor(user):
            return redirect(second_factor_url(self.get_redirect_url()))
        welcome(self.request, response, user)
        return response


def second_factor_url(following: str, route: str = "second-factor") -> str:
    """Where the second factor is asked for, and then on to `following`, an address of ours."""
    query = f"?{urlencode({'next': following})}" if following else ""
    return reverse(route) + query


def welcome(request: HttpRequest, response: HttpResponse, user: User) -> None:
    """All that was asked for was right: say it in the log, and know this browser again."""
    log.info("%s signed in from %s", user.get_username(), client_address(request))
    know_browser(request, response, user.get_username())


def _later(response: HttpResponse, seconds: int) -> HttpResponse:
    response["Retry-After"] = str(seconds)
    response._has_been_logged = True  # type: ignore[attr-defined]  # what matters is in the log
    return response
