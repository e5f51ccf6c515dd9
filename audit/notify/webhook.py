"""A message as a signed webhook in the Standard Webhooks form."""

import asyncio
import json
from datetime import UTC, datetime
from urllib.parse import urlsplit

from django.conf import settings
from django.utils.translation import gettext as _
from standardwebhooks import Webhook

from audit.fields import UnreadableSecret
from audit.models import Notification
from audit.notify.outcome import Outcome, without
from audit.results.translate import translate
from collectors.net.addresses import is_reachable
from collectors.net.post import Posted, post, resolve
from collectors.net.tls import trusted_context
from collectors.net.web_fault import WebFault
from collectors.text import Text, clean, show_bytes

SECONDS = 15.0  # for the whole of one try
VERSION = 1  # of the body's shape; a change that receivers must know of gets another
TYPES = {
    "opened": "incident.opened",
    "closed": "incident.closed",
    "unwaived": "incident.no_longer_known",
    "storm": "incidents.many",
    "digest": "digest.daily",
    "channel": "channel.switched_off",
    "test": "test",
}
GONE = 410


def send(row: Notification) -> Outcome:
    """Post it once; any answer but 2xx is a failure, 410 the wish for no more."""
    url = row.channel.url
    if isinstance(url, UnreadableSecret) or isinstance(row.channel.secret, UnreadableSecret):
        return Outcome(False, _("No key in ENCRYPTION_KEYS opens its address or secret."))
    if not url or not row.channel.secret:
        return Outcome(False, _("The channel has no address."))
    body = body_of(row)
    headers = {
        "Content-Type": "application/json",
        "User-Agent": f"LigboxAudit/{settings.VERSION}",
        **signed(row, body, datetime.now(UTC)),
    }
    host = urlsplit(url).hostname or ""
    try:
        posted = asyncio.run(_post(url, host, body, headers))
    except WebFault as fault:
        return Outcome(False, _in_words(fault, host))
    except TimeoutError:
        return Outcome(False, _timeout(host))
    except OSError:
        return Outcome(False, _("The name %(host)s is not found.") % {"host": clean(host, 253)})
    return _judged(posted, url)


def body_of(row: Notification) -> bytes:
    """The same bytes at each try: PostgreSQL gives keys back in an order of its own."""
    data = json.loads(json.dumps(row.facts, sort_keys=True))
    content = {
        "type": TYPES[row.event],
        "timestamp": row.created_at.astimezone(UTC).isoformat(timespec="seconds"),
        "version": VERSION,
        "data": data,
    }
    return json.dumps(content, ensure_ascii=False, separators=(",", ":")).encode()


def signed(row: Notification, body: bytes, now: datetime) -> dict[str, str]:
    """The three headers of Standard Webhooks: the message's id, which stays, the time of this try,
    and a signature by each secret that is in force."""
    text = body.decode()
    signatures = [Webhook(s).sign(row.message_id, now, text) for s in row.channel.secrets]
    return {
        "webhook-id": row.message_id,
        "webhook-timestamp": str(int(now.timestamp())),
        "webhook-signature": " ".join(signatures),
    }


def allowed(address: str) -> bool:
    """Whether a webhook may go to this address: a public one, or one that the operator named."""
    return is_reachable(address, settings.NOTIFY_ALLOWED_NETWORKS)


async def _post(url: str, host: str, body: bytes, headers: dict[str, str]) -> Posted:
    async with asyncio.timeout(SECONDS):
        addresses = await resolve(host)
    if urlsplit(url).scheme == "http" and any(map(is_reachable, addresses)):
        raise WebFault("blocked", cause="http", address=addresses[0])
    return await post(
        url,
        addresses,
        body=body,
        headers=headers,
        context=trusted_context(settings.AUDIT_CA_FILE),
        reachable=allowed,
        seconds=SECONDS,
    )


def _judged(posted: Posted, url: str) -> Outcome:
    values = {"host": clean(urlsplit(url).hostname or "", 253), "status": posted.status}
    if 200 <= posted.status < 300:
        return Outcome(True, _("%(host)s took it (HTTP %(status)d).") % values)
    if posted.status == GONE:
        text = _("%(host)s wants no more messages (HTTP 410): the channel is switched off.")
        return Outcome(False, text % values, gone=True)
    if 300 <= posted.status < 400:
        text = _(
            "%(host)s answered with a redirect (HTTP %(status)d), which is not followed: enter the "
            "address that it leads to."
        )
        return Outcome(False, text % values)
    text = _("%(host)s did not take it (HTTP %(status)d)") % values
    said = without(url, " ".join(show_bytes(posted.body).split()))[:200]
    return Outcome(False, f"{text}: {said}" if said else f"{text}.")


def _in_words(fault: WebFault, host: str) -> str:
    """What went wrong on the way, without more of the address than its host."""
    detail = translate(fault.detail) if isinstance(fault.detail, Text) else fault.detail
    values = {"host": clean(host, 253), "address": fault.address, "detail": detail}
    if fault.kind == "blocked" and fault.cause == "http":
        text = _("%(host)s is on the internet: a message goes there over https:// alone.")
    elif fault.kind == "blocked":
        text = _(
            "%(host)s leads to %(address)s, which is not public. If it is meant, name its network "
            "in NOTIFY_ALLOWED_NETWORKS."
        )
    elif fault.kind == "refused":
        text = _("Nothing answers at %(host)s (%(address)s).")
    elif fault.kind == "timeout":
        return _timeout(host)
    elif fault.kind == "tls" and fault.verify_code:
        text = _("The certificate of %(host)s is not good: %(detail)s.")
    elif fault.kind == "tls":
        text = _("%(host)s does not speak TLS as it should: %(detail)s.")
    elif fault.kind == "reset":
        text = _("%(host)s closed the connection before it answered.")
    elif fault.kind == "unreachable":
        text = _("There is no way to %(host)s (%(address)s): %(detail)s.")
    else:
        text = _("What %(host)s answered is not HTTP that can be read: %(detail)s.")
    return text % values


def _timeout(host: str) -> str:
    text = _("%(host)s did not answer within %(seconds)d seconds.")
    return text % {"host": clean(host, 253), "seconds": SECONDS}
