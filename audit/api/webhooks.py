"""Onboarding events of the portals, in the Standard Webhooks form: verified, stored once, answered
at once.
"""

import base64
import hashlib
import hmac
import json
import logging
import re
from typing import Any

from django.db import IntegrityError, transaction
from django.http import HttpRequest
from django.utils import timezone
from django.utils.translation import gettext as _
from ninja import Router, Status
from standardwebhooks import Webhook, WebhookVerificationError

from audit.access.throttle import Throttle, client_address, peer
from audit.api import request_body, schemas
from audit.api.auth import count_request
from audit.api.problem_details import Problem, too_many
from audit.api.responses import json_body
from audit.models import Tenant, WebhookEvent
from audit.queue.onboarding_events import is_full
from audit.tasks import enqueue

log = logging.getLogger(__name__)
router = Router(tags=["webhooks"], by_alias=True)
BAD_SIGNATURES = Throttle("webhook-signature", tries=100, seconds=60)  # from one address
_ID = re.compile(r"[!-~]{1,255}")
_TIMESTAMP = re.compile(r"[0-9]{1,16}")  # of milliseconds, too: they are told in the admin
_SIGNATURE = re.compile(r"v1,[A-Za-z0-9+/]{43}=")
_EXAMPLE = {
    "type": "account.created",
    "timestamp": "2026-11-24T02:31:05Z",
    "data": {"domain": "cliente.pt", "account": "ana@cliente.pt"},
}


def _header(name, description):
    return {
        "in": "header",
        "name": name,
        "required": True,
        "description": description,
        "schema": {"type": "string"},
    }


@router.post(
    "/{int:tenant_id}",
    operation_id="receiveEvent",
    summary="An event of a tenant's portal",
    auth=None,
    response={
        202: schemas.Receipt,
        200: schemas.Receipt,
        frozenset({400, 401, 404, 409, 411, 413, 415, 429, 503}): schemas.ProblemDetails,
    },
    openapi_extra={
        "parameters": [
            _header("webhook-id", "Unique for the event; a repeat has the same."),
            _header("webhook-timestamp", "Seconds since 1970, at most five minutes off."),
            _header(
                "webhook-signature",
                "`v1,` and the base64 of the HMAC-SHA256; several are separated by blanks.",
            ),
        ],
        "requestBody": json_body("Event", {"account": {"value": _EXAMPLE}}),
    },
)
def receive_event(request, tenant_id: int):
    """Stored once and answered 202 (a repeat: 200); processed in the background. `account.created`
    and `onboarding.completed` register the domain and audit it; other types are only kept.
    """
    try:
        raw = request_body.read(request)
        tenant = Tenant.objects.filter(pk=tenant_id).first()
        event_id = verify(request, raw, tenant)
    except Problem:
        count_request(peer(request))
        raise
    count_request(f"portal:{tenant_id}")  # a portal is not kept out by strangers at its address
    payload = request_body.parse(raw)
    kind = payload.get("type") if isinstance(payload, dict) else None
    if not isinstance(kind, str) or not 0 < len(kind) <= 100:
        raise Problem(400, _("An event is a JSON object with a “type” of at most 100 characters."))
    return _store(
        tenant,
        event_id=event_id,
        event=kind,
        payload=payload,
        digest=hashlib.sha256(raw).hexdigest(),
    )


def verify(request: HttpRequest, raw: bytes, tenant: Tenant | None) -> str:
    """The id of an event whose signature and time are right (Standard Webhooks); raises Problem
    400, 401 or 429.

    The tenant's secret is one, or during a change of it several with blanks between; each opens.
    """
    event_id, timestamp, signatures = (
        request.headers.get(f"webhook-{name}", "") for name in ("id", "timestamp", "signature")
    )
    if not _ID.fullmatch(event_id) or not _TIMESTAMP.fullmatch(timestamp) or not signatures:
        raise Problem(
            400,
            _(
                "The headers webhook-id, webhook-timestamp and webhook-signature are needed, in "
                "the Standard Webhooks form."
            ),
        )
    known = [part for part in signatures.split(" ")[:20] if _SIGNATURE.fullmatch(part)]
    headers = {
        "webhook-id": event_id,
        "webhook-timestamp": timestamp,
        "webhook-signature": " ".join(known),
    }
    why = "no secret"
    for secret in (tenant.webhook_secret if tenant else "").split():
        try:
            Webhook(secret).verify(raw, headers, json_parse=False)  # compares in constant time
            if tenant and tenant.clock_off is not None:
                Tenant.objects.filter(pk=tenant.pk).update(clock_off=None, clock_off_at=None)
            return event_id
        except UnicodeDecodeError:
            raise Problem(400, _("The body is not UTF-8.")) from None
        except (
            WebhookVerificationError,
            ValueError,
            RuntimeError,
        ) as problem:  # ValueError: a secret that is not base64
            why = str(problem)
            if tenant and _is_signed(raw, headers, secret):
                why = _note_clock(tenant, int(timestamp))
    log.warning(
        "an event for %s from %s was refused: %s", request.path, client_address(request), why
    )
    if wait := BAD_SIGNATURES.hit(peer(request)):
        raise too_many(wait)
    raise Problem(
        401,
        _("The signature is wrong, or the timestamp is more than five minutes off."),
        headers=_CHALLENGE,
    )


def _is_signed(raw: bytes, headers: dict[str, str], secret: str) -> bool:
    """Whether the signature is right and the time alone was not."""
    try:
        key = base64.b64decode(secret.removeprefix("whsec_"))
    except ValueError:
        return False
    signed = f"{headers['webhook-id']}.{headers['webhook-timestamp']}.".encode() + raw
    right = b"v1," + base64.b64encode(hmac.digest(key, signed, "sha256"))
    known = headers["webhook-signature"].encode().split()
    return True in [hmac.compare_digest(right, signature) for signature in known]


def _note_clock(tenant: Tenant, timestamp: int) -> str:
    """Keep for the admin that the portal's time is off; what the log says of it."""
    now = timezone.now()
    off = timestamp - round(now.timestamp())
    Tenant.objects.filter(pk=tenant.pk).update(clock_off=off, clock_off_at=now)
    return f"the signature is right, and the timestamp {off} s ahead of our clock"


_CHALLENGE = {"WWW-Authenticate": 'StandardWebhooks realm="Ligbox Audit"'}


def _store(tenant, *, event_id, event, payload, digest):
    """Keep the event and ring; the unique constraint decides whether it is new. 429 while too many
    of this tenant wait to be processed.
    """
    if is_full(tenant) and not tenant.events.filter(event_id=event_id).exists():
        raise too_many(60)
    try:
        with transaction.atomic():
            WebhookEvent.objects.create(
                tenant=tenant, event_id=event_id, event=event, payload=payload, digest=digest
            )
            enqueue("process_events")
        return Status(202, {"status": "accepted"})
    except IntegrityError:
        known = WebhookEvent.objects.filter(tenant=tenant, event_id=event_id).first()
    if known is None:
        raise Problem(
            503, _("The event could not be stored; send it again."), headers={"Retry-After": "60"}
        )
    if known.digest != digest and not _is_repeat(known, event, payload):
        log.warning(
            "event %s of %s came again with another body; it was refused", event_id, tenant.name
        )
        raise Problem(409, _("An event with this id and another body was received before."))
    return Status(200, {"status": "duplicate"})


def _is_repeat(known: WebhookEvent, event: str, payload: dict[str, Any]) -> bool:
    """Whether it says the same again: a portal may write its JSON anew, with the time of now."""
    was, now = (json.dumps(p.get("data"), sort_keys=True) for p in (known.payload, payload))
    return known.event == event and was == now
