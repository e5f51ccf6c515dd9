"""Changing one's own password: Django's page of the administration, behind a throttle."""

from datetime import timedelta

from django.contrib import admin
from django.http import HttpRequest, HttpResponse
from django.shortcuts import render
from django.template.defaultfilters import time as time_of
from django.utils import timezone
from django.utils.translation import gettext as _

from audit.access.throttle import Throttle

TRIES = Throttle("old-password", tries=20, seconds=3600)
_page = admin.site.admin_view(admin.site.password_change, cacheable=True)


def change_password(request: HttpRequest) -> HttpResponse:
    """The old password is asked for there: with somebody's open session it is no easier to guess
    than at the login.
    """
    if request.method != "POST" or not request.user.is_authenticated:
        return _page(request)
    key = str(request.user.pk)
    if wait := TRIES.hit(key):
        at = time_of(timezone.localtime() + timedelta(seconds=wait), "H:i")
        notice = _("Too many tries from here. Try again after %(at)s.") % {"at": at}
        response = render(request, "notice.html", {"notice": notice}, status=429)
        response["Retry-After"] = str(wait)
        return response
    response = _page(request)
    if response.status_code == 302:
        TRIES.reset(key)
    return response
