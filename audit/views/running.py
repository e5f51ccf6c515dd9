"""Limits on audits that a person asks for."""

from django.conf import settings

from audit.throttle import Limit


def too_many(request):
    """Count one request for audits: 0, or the seconds until this user may ask again."""
    return Limit("page-run", tries=settings.AUDIT_RUNS_PER_MINUTE, seconds=60).hit(str(request.user.pk))
