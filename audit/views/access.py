"""Who may see the pages and who may ask for audits."""

from functools import wraps

from django.contrib.auth.views import redirect_to_login
from django.core.exceptions import PermissionDenied
from django.utils.cache import patch_cache_control
from django_htmx.http import HttpResponseClientRedirect

SEE, RUN = "audit.view_auditdomain", "audit.run_audit"


def viewer(view):
    """For those who are signed in and may see domains; a fragment that is asked for without a session leads to the login."""

    @wraps(view)
    def inner(request, *args, **kwargs):
        if not request.user.is_authenticated:
            if request.htmx:
                here = request.htmx.current_url_abs_path or "/"
                return HttpResponseClientRedirect(redirect_to_login(here).url)
            return redirect_to_login(request.get_full_path())
        if not (request.user.is_staff or request.user.has_perm(SEE)):
            raise PermissionDenied
        response = view(request, *args, **kwargs)
        patch_cache_control(response, private=True, no_cache=True)
        return response

    return inner


def may_run(user):
    """Whether this user may ask for audits."""
    return user.has_perm(RUN)


def runner(view):
    """For those who may ask for audits, by POST."""

    @wraps(view)
    def inner(request, *args, **kwargs):
        if not may_run(request.user):
            raise PermissionDenied
        return view(request, *args, **kwargs)

    return viewer(inner)
