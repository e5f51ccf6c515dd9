"""Onboarding events of the portals, in the Standard Webhooks form: verified, stored once, answered at once."""

import hashlib
import logging
import re

from django.db import IntegrityError, transaction
from django.utils.translation import gettext as _
from ninja import Router
from standardwebhooks import Webhook, WebhookVerificationError

from . import bodies, schemas
from .answers import json_body, send
from .auth import count_request
from .models import Tenant, WebhookEvent
from .problems import Problem, too_many
from .tasks import ring
from .throttle import Limit, client_address, peer

log = logging.getLogger(__name__)
router = Router(tags=["webhooks"], by_alias=True)
BAD_SIGNATURES = Limit("webhook-signature", tries=100, seconds=60)  # from one address
_ID = re.compile(r"[!-~]{1,255}")
_TIMESTAMP = re.compile(r"[0-9]{1,12}")
_SIGNATURE = re.compile(r"v1,[A-Za-z0-9+/]{43}=")
_EXAMPLE = {"type": "account.created", "timestamp": "2026-11-24T02:31:05Z", "data": {"domain": "cliente.pt", "account": "ana@cliente.pt"}}


def _header(name, description):
    return {"in": "header", "name": name, "required": True, "description": description, "schema": {"type": "string"}}


@router.post(
    "/{int:tenant_id}", operation_id="receiveEvent", summary="An event of a tenant's portal", auth=None,
    response={
        202: schemas.Receipt, 200: schemas.Receipt, frozenset({400, 401, 404, 409, 411, 413, 415, 429, 503}): schemas.ProblemDetails,
    },
    openapi_extra={
        "parameters": [
            _header("webhook-id", "Unique for the event; a repeat has the same."),
            _header("webhook-timestamp", "Seconds since 1970, at most five minutes off."),
            _header("webhook-signature", "`v1,` and the base64 of the HMAC-SHA256; several are separated by blanks."),
        ],
        "requestBody": json_body("Event", {"account": {"value": _EXAMPLE}}),
    },
)  # fmt: skip
def receive_event(request, tenant_id: int):
    """Stored once and answered 202 (a repeat: 200); processed in the background. `account.created` and
    `onboarding.completed` register the domain and audit it; other types are only kept."""
    try:
        raw = bodies.read(request)
        tenant = Tenant.objects.filter(pk=tenant_id).first()
        event_id = verify(request, raw, tenant.webhook_secret if tenant else "")
    except Problem:
        count_request(peer(request))
        raise
    count_request(f"portal:{tenant_id}")  # a portal is not kept out by strangers at its address
    payload = bodies.parse(raw)
    kind = payload.get("type") if isinstance(payload, dict) else None
    if not isinstance(kind, str) or not 0 < len(kind) <= 100:
        raise Problem(400, _("An event is a JSON object with a “type” of at most 100 characters."))
    return _store(tenant, event_id=event_id, event=kind, payload=payload, digest=hashlib.sha256(raw).hexdigest())


def verify(request, raw, secrets):
    """The id of an event whose signature and time are right (Standard Webhooks); raises Problem 400, 401 or 429.

    `secrets`: one, or during a change of it several with blanks between; each opens.
    """
    event_id, timestamp, signatures = (request.headers.get(f"webhook-{name}", "") for name in ("id", "timestamp", "signature"))
    if not _ID.fullmatch(event_id) or not _TIMESTAMP.fullmatch(timestamp) or not signatures:
        raise Problem(400, _("The headers webhook-id, webhook-timestamp and webhook-signature are needed, in the Standard Webhooks form."))
    known = [part for part in signatures.split(" ")[:20] if _SIGNATURE.fullmatch(part)]
    headers = {"webhook-id": event_id, "webhook-timestamp": timestamp, "webhook-signature": " ".join(known)}
    why = "no secret"
    for secret in secrets.split():
        try:
            Webhook(secret).verify(raw, headers, json_parse=False)  # compares in constant time
            return event_id
        except UnicodeDecodeError:
            raise Problem(400, _("The body is not UTF-8.")) from None
        except (WebhookVerificationError, ValueError, RuntimeError) as problem:  # ValueError: a secret that is not base64
            why = str(problem)
    log.warning("an event for %s from %s was refused: %s", request.path, client_address(request), why)
    if wait := BAD_SIGNATURES.hit(peer(request)):
        raise too_many(wait)
    raise Problem(401, _("The signature is wrong, or the timestamp is more than five minutes off."), headers=_CHALLENGE)


_CHALLENGE = {"WWW-Authenticate": 'StandardWebhooks realm="Ligbox Audit"'}


def _store(tenant, *, event_id, event, payload, digest):
    """Keep the event and ring; the unique constraint decides whether it is new."""
    try:
        with transaction.atomic():
            WebhookEvent.objects.create(tenant=tenant, event_id=event_id, event=event, payload=payload, digest=digest)
            ring("process_events")
        return send({"status": "accepted"}, status=202)
    except IntegrityError:
        known = WebhookEvent.objects.filter(tenant=tenant, event_id=event_id).first()
    if known is None:
        raise Problem(503, _("The event could not be stored; send it again."), headers={"Retry-After": "60"})
    if known.digest != digest:
        log.warning("event %s of %s came again with another body; it was refused", event_id, tenant.name)
        raise Problem(409, _("An event with this id and another body was received before."))
    return send({"status": "duplicate"})
