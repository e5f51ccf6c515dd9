"""Who may use the API: scripts with a token, staff with their session. One class decides by the
header (RFC 6750).
"""

import logging
from dataclasses import dataclass
from datetime import timedelta

from django.contrib.auth.models import User
from django.db import DatabaseError
from django.db.models import Q, QuerySet
from django.http import HttpRequest
from django.utils import timezone
from django.utils.translation import gettext as _
from ninja.utils import check_csrf

from audit.access.throttle import Throttle, peer, request_limit
from audit.api.problem_details import Problem, too_many
from audit.models import ApiToken, AuditDomain, AuditRun, Tenant
from audit.models.domains import AuditDomainQuerySet
from audit.results.trail import Actor

log = logging.getLogger(__name__)
CHALLENGE = 'Bearer realm="Ligbox Audit"'
BAD_TOKENS = Throttle("api-bad-token", tries=100, seconds=60)  # from one address


@dataclass(frozen=True)
class Caller:
    """Whoever asks, and what they may see; `key` is unique (for throttles), `name` for people."""

    key: str
    name: str
    tenant_id: int | None = None  # a token may be restricted to one tenant
    user: User | None = None  # whose session it is

    @property
    def actor(self) -> Actor:
        """In whose name what is done stands in the trail."""
        return Actor.person(self.user) if self.user else Actor.token(self.name)

    def tenants(self) -> QuerySet[Tenant]:
        """The tenants that the caller may see, without their secrets."""
        rows = Tenant.objects.defer("portal_token", "webhook_secret")
        return rows if self.tenant_id is None else rows.filter(pk=self.tenant_id)

    def domains(self) -> AuditDomainQuerySet:
        rows = AuditDomain.objects.all()
        return rows if self.tenant_id is None else rows.filter(tenant_id=self.tenant_id)

    def runs(self) -> QuerySet[AuditRun]:
        rows = AuditRun.objects.all()
        return rows if self.tenant_id is None else rows.filter(tenant_id=self.tenant_id)


def not_found() -> Problem:
    """The one answer for what does not exist and for what the caller may not see."""
    return Problem(404, _("There is no such tenant, domain or run, or you may not see it."))


class Access:
    """What an operation asks of its caller: a scope of a token, a permission of a user. Returns the
    Caller, raises Problem.

    Staff may read, as on the pages; whatever changes something needs its permission.
    """

    csrf = True  # the documentation page sends the CSRF token along with a session

    def __init__(self, *, scope: str, permission: str) -> None:
        self.scope, self.permission = scope, permission

    def __call__(self, request: HttpRequest) -> Caller:
        if "Authorization" in request.headers:
            return self.by_token(request)
        return self._session(request)

    def by_token(self, request: HttpRequest) -> Caller:
        """Whoever sends a token in the header `Authorization`, which is there."""
        scheme, _blank, secret = request.headers["Authorization"].partition(" ")
        token = find_token(secret.strip()) if scheme.lower() == "bearer" else None
        if token is None:
            count_request(peer(request))
            if wait := BAD_TOKENS.hit(peer(request)):
                raise too_many(wait)
            sentence = _("The token is not valid: unknown, expired or revoked.")
            raise Problem(
                401, sentence, headers={"WWW-Authenticate": f'{CHALLENGE}, error="invalid_token"'}
            )
        caller = Caller(f"token:{token.pk}", token.name, token.tenant_id)
        count_request(caller.key)
        if self.scope not in scopes_of(token):
            headers = {
                "WWW-Authenticate": f'{CHALLENGE}, error="insufficient_scope", scope="{self.scope}"'
            }
            raise Problem(
                403,
                _("The token does not have the scope “%(scope)s”.") % {"scope": self.scope},
                headers=headers,
            )
        return caller

    def _session(self, request: HttpRequest) -> Caller:
        user = request.user
        if not user.is_authenticated:
            count_request(peer(request))
            raise Problem(
                401,
                _("Send a token (Authorization: Bearer …) or sign in."),
                headers={"WWW-Authenticate": CHALLENGE},
            )
        caller = Caller(f"user:{user.pk}", user.get_username(), user=user)
        count_request(caller.key)
        if not (self.scope == "read" and user.is_staff) and not user.has_perm(self.permission):
            raise Problem(403, _("Your account does not have the permission for this."))
        if check_csrf(request):
            raise Problem(403, _("The CSRF token is missing or wrong; send it as X-CSRFToken."))
        return caller


def count_request(key: str) -> None:
    """Count one request of this caller, a key of `Caller` or a `peer`; raises Problem 429 when
    there were too many.
    """
    if wait := request_limit().hit(key):
        raise too_many(wait)


def scopes_of(token: ApiToken) -> set[str]:
    """The scopes of a token; `run` includes `read`."""
    scopes = set(token.scopes)
    return scopes | {"read"} if "run" in scopes else scopes


def find_token(secret: str) -> ApiToken | None:
    """The active token with this secret, or None. Looked up by its digest, so there is nothing to
    compare in time.

    Its last use is noted, at most once a minute.
    """
    if not secret or len(secret) > 200:
        return None
    token = ApiToken.objects.filter(digest=ApiToken.digest_of(secret)).first()
    if token is None or not token.active:
        return None
    now = timezone.now()
    old = now - timedelta(minutes=1)
    if token.last_used_at is None or token.last_used_at < old:
        try:
            ApiToken.objects.filter(
                Q(last_used_at=None) | Q(last_used_at__lt=old), pk=token.pk
            ).update(last_used_at=now)
        except DatabaseError:
            log.warning("the last use of token %s could not be noted", token.pk)
    return token
