"""Signing in, throttled."""

from datetime import timedelta

from django.contrib.auth.views import LoginView
from django.utils import timezone

from audit.throttle import Limit, peer

TRIES = Limit("login", tries=20, seconds=3600)


class Login(LoginView):
    """Django's login, with at most 20 failures an hour for an address and a user name; past that nothing is tried at all."""

    def post(self, request, *args, **kwargs):
        self.key = f"{peer(request)} {request.POST.get('username', '')[:150].casefold()}"
        if wait := TRIES.hit(self.key):
            context = {
                "form": self.form_class(request),
                "next": self.get_redirect_url(),
                "again_at": timezone.now() + timedelta(seconds=wait),
            }
            response = self.render_to_response(context, status=429)
            response["Retry-After"] = str(wait)
            return response
        return super().post(request, *args, **kwargs)

    def form_valid(self, form):
        TRIES.reset(self.key)
        return super().form_valid(form)
