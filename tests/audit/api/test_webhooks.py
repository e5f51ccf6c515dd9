"""Onboarding events: verified as Standard Webhooks say, kept once, processed in the background."""

import base64
import hashlib
import hmac
import io
import json
import threading
import time
from unittest import mock

import pytest
from django.core.handlers.wsgi import WSGIRequest
from django.db import OperationalError, connection
from django.test import Client

from audit import tasks
from audit.api import request_body
from audit.api.problem_details import Problem
from audit.models import AuditDomain, AuditRun, Tenant, WebhookEvent
from tests.audit import factories as make

pytestmark = pytest.mark.django_db
EVENT = {
    "type": "account.created",
    "timestamp": "2026-11-24T02:31:05Z",
    "data": {"domain": "cliente.pt", "account": "ana@cliente.pt"},
}


def sign(raw, *, event_id, timestamp, secret=make.WEBHOOK_SECRET):
    """The signature, computed here by the standard and not with the package."""
    key = base64.b64decode(secret.removeprefix("whsec_"))
    signed = f"{event_id}.{timestamp}.".encode() + raw
    return "v1," + base64.b64encode(hmac.new(key, signed, hashlib.sha256).digest()).decode()


def post(
    tenant,
    body=EVENT,
    *,
    event_id="evt_1",
    at=None,
    signature=None,
    client=None,
    secret=make.WEBHOOK_SECRET,
    **extra,
):
    """Post an event. `body`: bytes are sent as they are; `at`: the timestamp header; None as an
    header's value leaves it out.
    """
    raw = body if isinstance(body, bytes) else json.dumps(body).encode()
    timestamp = str(int(time.time())) if at is None else at
    signature = (
        sign(raw, event_id=event_id, timestamp=timestamp, secret=secret)
        if signature is None
        else signature
    )
    headers = {
        "webhook-id": event_id,
        "webhook-timestamp": timestamp,
        "webhook-signature": signature,
        **extra.pop("headers", {}),
    }
    headers = {name: value for name, value in headers.items() if value is not None}
    extra.setdefault("content_type", "application/json")
    path = f"/api/v1/webhooks/{getattr(tenant, 'pk', tenant)}"
    return (client or Client()).post(path, raw, headers=headers, **extra)


@pytest.fixture
def tenant():
    return make.make_tenant()


def test_while_too_many_events_of_a_tenant_wait_new_ones_are_to_come_again(tenant, monkeypatch):
    """Case 182: What was stored is still a repeat, and other tenants are not held up."""
    monkeypatch.setattr("audit.queue.onboarding_events.WAITING", 2)
    for n in range(2):
        assert post(tenant, event_id=f"msg_{n}").status_code == 202
    answer = post(tenant, event_id="msg_2")
    assert (answer.status_code, answer["Retry-After"], tenant.events.count()) == (429, "60", 2)
    assert post(tenant, event_id="msg_1").status_code == 200
    assert post(make.make_tenant("other"), event_id="msg_2").status_code == 202
    tasks.process_events()
    assert post(tenant, event_id="msg_2").status_code == 202


def refused(answer, status):
    assert answer.status_code == status, answer.content
    assert (
        answer["Content-Type"] == "application/problem+json" and answer.json()["status"] == status
    )
    assert not WebhookEvent.objects.exists() and not AuditDomain.objects.exists()


def test_a_right_signature_is_202_one_receipt_one_domain_one_audit(
    tenant, django_capture_on_commit_callbacks
):
    """Case 100."""
    with django_capture_on_commit_callbacks() as bells:
        answer = post(tenant)
    assert (answer.status_code, answer.json()) == (202, {"status": "accepted"})
    assert (
        len(bells) == 1 and not AuditDomain.objects.exists()
    )  # answered before anything is processed
    event = WebhookEvent.objects.get()
    assert (event.tenant, event.event_id, event.event, event.payload) == (
        tenant,
        "evt_1",
        "account.created",
        EVENT,
    )
    tasks.process_events()
    domain = AuditDomain.objects.get()
    assert (domain.tenant, domain.domain, domain.source) == (
        tenant,
        "cliente.pt",
        "onboarding",
    ) and domain.requested_at
    assert AuditRun.objects.get().trigger == "onboarding"
    tasks.process_events()
    assert AuditRun.objects.count() == 1


def test_the_package_of_the_standard_signs_what_we_accept(tenant):
    from datetime import UTC, datetime

    from standardwebhooks import Webhook

    now, raw = datetime.now(UTC), json.dumps(EVENT)
    signature = Webhook(make.WEBHOOK_SECRET).sign("evt_1", now, raw)
    assert (
        post(tenant, raw.encode(), at=str(int(now.timestamp())), signature=signature).status_code
        == 202
    )


@pytest.mark.parametrize("position", [0, 20, -1])
def test_one_byte_changed_is_401_and_nothing_is_kept(tenant, position):
    """Case 101."""
    raw = bytearray(json.dumps(EVENT).encode())
    signature = sign(bytes(raw), event_id="evt_1", timestamp=str(int(time.time())))
    raw[position] ^= 1
    refused(post(tenant, bytes(raw), signature=signature), 401)


def test_the_id_and_the_time_are_signed_too(tenant):
    """Case 101."""
    now = int(time.time())
    raw = json.dumps(EVENT).encode()
    refused(
        post(
            tenant, raw, event_id="evt_2", signature=sign(raw, event_id="evt_1", timestamp=str(now))
        ),
        401,
    )
    refused(
        post(
            tenant, raw, at=str(now), signature=sign(raw, event_id="evt_1", timestamp=str(now - 1))
        ),
        401,
    )


@pytest.mark.parametrize("name", ["webhook-id", "webhook-timestamp", "webhook-signature"])
@pytest.mark.parametrize("value", [None, ""])
def test_each_header_is_needed(tenant, name, value):
    """Case 102."""
    refused(post(tenant, headers={name: value}), 400)


def test_the_signature_of_another_secret_is_401(tenant):
    """Case 103."""
    refused(post(tenant, secret="whsec_" + "A" * 32), 401)


def test_of_several_signatures_one_right_one_is_enough(tenant):
    """Case 103."""
    raw, now = json.dumps(EVENT).encode(), str(int(time.time()))
    good, bad = (
        sign(raw, event_id="evt_1", timestamp=now),
        sign(raw, event_id="evt_1", timestamp=now, secret="whsec_" + "A" * 32),
    )
    for n, signatures in enumerate(
        [f"{bad} {good}", f"v1a,abc {good}", f"nonsense v1,%% {good}", f"{good} {bad}", f"  {good}"]
    ):
        again = good.join(signatures.split(good))
        answer = post(tenant, raw, at=now, signature=again)
        assert answer.status_code == (202 if n == 0 else 200), signatures
    assert post(tenant, raw, at=now, event_id="e2", signature=f"{bad} {bad}").status_code == 401


def test_while_the_secret_is_changed_the_old_one_counts_too(tenant):
    """Case 103."""
    old, new = make.WEBHOOK_SECRET, "whsec_" + "B" * 32
    for secrets, opens in (
        (old, [True, False]),
        (f"{new} {old}", [True, True]),
        (new, [False, True]),
    ):
        tenant.webhook_secret = secrets
        tenant.full_clean()
        tenant.save()
        found = [
            post(tenant, event_id=f"{n}-{len(secrets)}-{opens}".replace(" ", ""), secret=s)
            for n, s in enumerate((old, new))
        ]
        assert [answer.status_code for answer in found] == [202 if yes else 401 for yes in opens]


@pytest.mark.parametrize(
    "signature",
    [
        "v1",
        "v1,",
        "v1,é",
        ",",
        "v2," + "A" * 43 + "=",
        "v1," + "A" * 43 + "=",
        " ",
        "v1,a" * 5000,
        "v1, v1,",
    ],
)
def test_signatures_of_any_shape_are_401(tenant, signature):
    """Case 103."""
    refused(post(tenant, signature=signature), 401)


def test_an_event_for_a_tenant_without_a_secret_or_for_none_is_401(tenant):
    empty = make.make_tenant("VM113", webhook_secret="")
    refused(post(empty), 401)
    key = base64.b64encode(hmac.new(b"", b"x", hashlib.sha256).digest()).decode()
    refused(post(empty, signature="v1," + key), 401)
    unknown, wrong = post(987654), post(tenant, secret="whsec_" + "A" * 32)
    refused(unknown, 401)
    assert unknown.content == wrong.content


def test_a_secret_of_one_tenant_does_not_open_another(tenant):
    other = make.make_tenant("VM113", webhook_secret="whsec_" + "B" * 32)
    refused(post(other), 401)


@pytest.mark.parametrize(("seconds", "status"), [(-301, 401), (301, 401), (-298, 202), (298, 202)])
def test_five_minutes_are_tolerated(tenant, seconds, status):
    """Case 104."""
    answer = post(tenant, at=str(int(time.time()) + seconds))
    assert answer.status_code == status


@pytest.mark.parametrize(
    "at",
    [
        "NaN",
        "1e9",
        "-1",
        "9" * 20,
        "999999999999",
        "0",
        "inf",
        "0x10",
        "1_0",
        "17 00",
        "1.5",
        "٣",
        "",
        "x" * 5000,
    ],
)
def test_timestamps_of_any_shape_are_400_or_401(tenant, at):
    """Case 104."""
    answer = post(tenant, at=at, signature="v1," + "A" * 43 + "=")
    refused(answer, answer.status_code if answer.status_code in (400, 401) else 400)


@pytest.mark.parametrize("event_id", ["x" * 256, "a b", "é", "x" * 100_000, "a\tb"])
def test_ids_of_any_shape_are_400(tenant, event_id):
    refused(post(tenant, event_id=event_id), 400)


def test_a_repeat_is_200_and_changes_nothing(tenant):
    """Case 105."""
    assert [post(tenant).status_code for _n in range(3)] == [202, 200, 200]
    assert WebhookEvent.objects.count() == 1
    assert post(tenant, event_id="evt_2").status_code == 202


def test_the_same_id_of_two_tenants_is_two_events(tenant):
    other = make.make_tenant("VM113")
    assert post(tenant).status_code == post(other).status_code == 202


@pytest.mark.django_db(transaction=True)
def test_fifty_at_once_are_one_receipt_and_one_domain():
    """Case 105."""
    tenant = make.make_tenant()
    raw, now, found = json.dumps(EVENT).encode(), str(int(time.time())), []
    start = threading.Barrier(50)

    def one():
        try:
            start.wait()
            found.append(post(tenant, raw, at=now).status_code)
        finally:
            connection.close()

    threads = [threading.Thread(target=one) for _n in range(50)]
    for thread in threads:
        thread.start()
    for thread in threads:
        thread.join()
    assert sorted(found) == [200] * 49 + [202]
    assert WebhookEvent.objects.count() == 1
    tasks.process_events()
    assert AuditDomain.objects.count() == AuditRun.objects.count() == 1


def test_the_same_id_with_another_body_is_409_and_logged(tenant, caplog):
    """Case 106."""
    post(tenant)
    answer = post(tenant, {**EVENT, "data": {"domain": "outro.pt"}})
    assert answer.status_code == 409 and "another body" in caplog.text
    assert WebhookEvent.objects.get().payload == EVENT


@pytest.mark.parametrize(
    "order",
    [["account.created", "onboarding.completed"], ["onboarding.completed", "account.created"]],
)
def test_both_orders_end_alike(tenant, order):
    """Case 107."""
    for n, kind in enumerate(order):
        post(tenant, {**EVENT, "type": kind}, event_id=f"evt_{n}")
    tasks.process_events()
    assert (
        AuditDomain.objects.get().domain == "cliente.pt"
        and not WebhookEvent.objects.filter(processed_at=None).exists()
    )


def test_other_types_are_kept_and_left_alone(tenant):
    """Case 108."""
    assert (
        post(tenant, {"type": "invoice.paid", "data": {"domain": "cliente.pt"}}).status_code == 202
    )
    tasks.process_events()
    event = WebhookEvent.objects.get()
    assert event.processed_at and event.error == "" and not AuditDomain.objects.exists()


def test_a_body_over_64_kib_is_413_before_it_is_read(tenant):
    """Case 109."""
    refused(post(tenant, b"x" * (64 * 1024 + 1)), 413)
    limit = json.dumps({"type": "big", "data": "x" * (64 * 1024 - 27)}).encode()
    assert len(limit) == 64 * 1024
    assert post(tenant, limit).status_code == 202


class Body(io.BytesIO):
    """A body of any size that counts what was read of it."""

    def __init__(self, size):
        super().__init__()
        self.left, self.taken = size, 0

    def read(self, size=-1):
        size = min(size if size >= 0 else self.left, self.left, 8192)
        self.left, self.taken = self.left - size, self.taken + size
        return b"x" * size


def request(stream, **environ):
    return WSGIRequest(
        {
            "REQUEST_METHOD": "POST",
            "wsgi.input": stream,
            "CONTENT_TYPE": "application/json",
            **environ,
        }
    )


def test_ten_megabytes_are_refused_unread_and_chunks_are_cut():
    """Case 109."""
    stream = Body(10_000_000)
    with pytest.raises(Problem) as refusal:
        request_body.read(request(stream, CONTENT_LENGTH="10000000"))
    assert refusal.value.status == 413 and stream.taken == 0
    stream = Body(10_000_000)
    with pytest.raises(Problem) as refusal:
        request_body.read(
            request(stream, HTTP_TRANSFER_ENCODING="chunked", **{"wsgi.input_terminated": True})
        )
    assert refusal.value.status == 413 and stream.taken <= 64 * 1024 + 1
    assert (
        len(
            request_body.read(
                request(
                    Body(60_000),
                    HTTP_TRANSFER_ENCODING="chunked",
                    **{"wsgi.input_terminated": True},
                )
            )
        )
        == 60_000
    )
    with pytest.raises(
        Problem
    ) as refusal:  # a server that does not mark the end: it could wait for ever
        request_body.read(request(Body(10), HTTP_TRANSFER_ENCODING="chunked"))
    assert refusal.value.status == 411


@pytest.mark.parametrize("length", ["x", "-", "1e3", "²", "9" * 5000])
def test_a_length_of_any_shape_is_a_problem(length):
    with pytest.raises(Problem) as refusal:
        request_body.read(request(Body(10), CONTENT_LENGTH=length))
    assert refusal.value.status in (400, 413)


BROKEN = {
    "a list": b"[]",
    "null": b"null",
    "a text": b'"x"',
    "a number": b"5",
    "cut": b'{"a":',
    "NaN": b'{"type":"x","data":NaN}',
    "infinity": b'{"type":"x","data":-Infinity}',
    "overflow": b'{"type":"x","data":1e999}',
    "duplicate keys": b'{"type":"x","type":"y"}',
    "deep": b'{"type":"x","data":' + b"[" * 10_000 + b"]" * 10_000 + b"}",
    "rather deep": b'{"type":"x","data":' + b"[" * 40 + b"]" * 40 + b"}",
    "not utf-8": b'{"type":"\xff"}',
    "utf-16": '{"type":"x"}'.encode("utf-16"),
    "a BOM": b'\xef\xbb\xbf{"type":"x"}',
    "NUL": b'{"type":"x","data":"\\u0000"}',
    "NUL in a key": b'{"type":"x","a\\u0000":1}',
    "a lone surrogate": b'{"type":"x","data":"\\ud800"}',
    "many digits": b'{"type":"x","data":' + b"9" * 5000 + b"}",
    "no type": b"{}",
    "type null": b'{"type":null}',
    "type empty": b'{"type":""}',
    "type list": b'{"type":["account.created"]}',
    "type long": b'{"type":"' + b"x" * 101 + b'"}',
    "two values": b'{"type":"x"}{}',
}


@pytest.mark.parametrize("name", BROKEN)
def test_what_is_not_an_event_is_400(tenant, name):
    """Case 110."""
    refused(
        post(
            tenant,
            BROKEN[name],
            signature=None if name not in ("not utf-8", "utf-16") else "v1," + "A" * 43 + "=",
        ),
        400,
    )


def test_text_of_any_script_is_kept_as_it_is(tenant):
    """Case 141."""
    body = {"type": "note", "data": {"text": "رلل \u202e 😀 é"}}
    assert post(tenant, body).status_code == 202
    assert WebhookEvent.objects.get().payload == body


@pytest.mark.parametrize(
    "data",
    [
        {"domain": "localhost"},
        {"domain": "192.0.2.1"},
        {"domain": 5},
        {"domain": ["a.pt"]},
        {"account": "ana"},
        {"account": "ana@"},
        {"account": None},
        {},
        None,
        "cliente.pt",
        {"domain": "<script>alert(1)</script>"},
        {"domain": "x" * 5000},
    ],
)
def test_an_event_that_cannot_be_used_is_kept_with_its_error(tenant, data):
    """Case 111."""
    assert post(tenant, {"type": "account.created", "data": data}).status_code == 202
    tasks.process_events()
    event = WebhookEvent.objects.get()
    assert event.processed_at and event.error and not AuditDomain.objects.exists()


def test_the_domain_of_the_account_counts_where_none_is_named(tenant):
    post(tenant, {"type": "account.created", "data": {"account": "ana@Café.PT"}})
    tasks.process_events()
    assert AuditDomain.objects.get().domain == "xn--caf-dma.pt"


def test_without_a_database_it_is_503_and_the_retry_works(tenant):
    """Case 112."""
    with mock.patch(
        "audit.models.WebhookEvent.objects.create",
        side_effect=OperationalError("could not connect to 10.0.0.5"),
    ):
        answer = post(tenant)
    assert answer.status_code == 503 and answer["Retry-After"] and b"10.0.0.5" not in answer.content
    assert post(tenant).status_code == 202


def test_a_queue_that_is_down_loses_nothing(tenant, django_capture_on_commit_callbacks):
    """Case 112."""
    with (
        mock.patch("django_q.tasks.async_task", side_effect=ConnectionError("redis")),
        django_capture_on_commit_callbacks(execute=True),
    ):
        assert post(tenant).status_code == 202
    tasks.tick()  # the sweep finds it in the table
    assert AuditDomain.objects.exists()


def test_only_post_and_only_json(tenant, client):
    """Case 113."""
    for method in ("get", "put", "delete", "patch"):
        answer = getattr(client, method)(f"/api/v1/webhooks/{tenant.pk}")
        assert answer.status_code == 405 and answer["Allow"] == "OPTIONS, POST"
    for content_type in (
        "text/plain",
        "application/x-www-form-urlencoded",
        "multipart/form-data; boundary=x",
        "application/json; charset=utf-16",
        "",
    ):
        refused(post(tenant, content_type=content_type), 415)
    for content_type in (
        "application/json; charset=utf-8",
        "Application/JSON",
        'application/json;charset="UTF-8"',
    ):
        assert (
            post(
                tenant, event_id=content_type.replace(" ", "")[:50], content_type=content_type
            ).status_code
            == 202
        )


def test_a_hundred_bad_signatures_a_minute_from_one_address_are_429(tenant):
    """Case 113."""
    bad = "v1," + "A" * 43 + "="
    assert {post(tenant, signature=bad).status_code for _n in range(100)} == {401}
    answer = post(tenant, signature=bad)
    assert answer.status_code == 429 and answer["Retry-After"]
    assert post(tenant, signature=bad, REMOTE_ADDR="192.0.2.9").status_code == 401
    assert post(tenant).status_code == 202  # a right one is never kept out


def test_signatures_are_compared_in_constant_time(tenant):
    """Case 113."""
    with mock.patch(
        "standardwebhooks.webhooks.hmac.compare_digest", wraps=hmac.compare_digest
    ) as compare:
        post(tenant)
    assert compare.called


def test_the_secret_is_nowhere_in_the_answer_or_the_log(tenant, caplog):
    answer = post(tenant, secret="whsec_" + "A" * 32)
    assert make.WEBHOOK_SECRET[6:] not in caplog.text + answer.content.decode()


# -- repeats, clocks, quota


@pytest.mark.parametrize(
    "again",
    [
        {**EVENT, "timestamp": "2026-11-24T02:36:05Z"},
        dict(reversed(EVENT.items())),
        {**EVENT, "attempt": 2},
        json.dumps(EVENT, indent=2).encode(),
        json.dumps({**EVENT, "data": dict(reversed(EVENT["data"].items()))}).encode(),
        json.dumps(EVENT).replace("a", "\\u0061").encode(),
    ],
)
def test_a_repeat_that_is_written_anew_is_200(tenant, again):
    """Case 105: what counts is what it says, not its bytes."""
    assert post(tenant).status_code == 202
    assert post(tenant, again).status_code == 200
    assert WebhookEvent.objects.get().payload == EVENT


@pytest.mark.parametrize(
    "other",
    [
        {**EVENT, "type": "onboarding.completed"},
        {**EVENT, "data": {**EVENT["data"], "plan": 1}},
        {**EVENT, "data": {"domain": "cliente.pt"}},
        {"type": EVENT["type"]},
        {**EVENT, "data": [EVENT["data"]]},
    ],
)
def test_the_same_id_that_says_something_else_is_409(tenant, other):
    """Case 106."""
    post(tenant)
    assert post(tenant, other).status_code == 409
    assert WebhookEvent.objects.get().payload == EVENT


def test_true_is_not_one(tenant):
    post(tenant, {**EVENT, "data": {"domain": "a.pt", "n": 1}})
    assert post(tenant, {**EVENT, "data": {"domain": "a.pt", "n": True}}).status_code == 409


@pytest.mark.parametrize(
    ("stamp", "said"),
    [
        (lambda now: int(now * 1000), "counts milliseconds"),
        (lambda now: int(now + 3600 * 5), "5 hours ahead of ours"),
        (lambda now: int(now - 60 * 11), "11 minutes behind ours"),
        (lambda now: int(now - 86400 * 30), "30 days behind ours"),
    ],
)
def test_a_clock_that_is_off_is_said_in_the_admin(tenant, client, stamp, said):
    """On the list of events, where the portal's events are missed, and on the tenant's page."""
    refused(post(tenant, at=str(stamp(time.time()))), 401)
    client.force_login(make.make_admin())
    pages = "/admin/audit/webhookevent/", f"/admin/audit/tenant/{tenant.pk}/change/"
    for page in pages:
        assert said in client.get(page).content.decode(), page
    assert post(tenant).status_code == 202
    for page in pages:
        assert "An event of" not in client.get(page).content.decode(), page


@pytest.mark.parametrize("signature", ["v1," + "A" * 43 + "=", "v2,x", "v1,é"])
def test_a_stranger_s_clock_is_nobody_s(tenant, signature):
    """Only a right signature says that it is the portal's."""
    refused(post(tenant, at=str(int(time.time()) - 7200), signature=signature), 401)
    tenant.refresh_from_db()
    assert tenant.clock_off is None


@pytest.mark.parametrize("at", ["9" * 13, "9" * 16, "0", "1"])
def test_a_time_of_any_size_is_401(tenant, at):
    refused(post(tenant, at=at), 401)


def test_a_tenant_s_quota_keeps_an_event_with_its_error(tenant):
    Tenant.objects.filter(pk=tenant.pk).update(quota=1)
    make.make_domain("um.pt", tenant)
    assert post(tenant).status_code == 202
    tasks.process_events()
    assert "quota" in WebhookEvent.objects.get().error
    assert [d.domain for d in AuditDomain.objects.all()] == ["um.pt"]
    post(tenant, {**EVENT, "data": {"domain": "um.pt"}}, event_id="evt_2")
    tasks.process_events()
    assert WebhookEvent.objects.get(event_id="evt_2").error == ""


def test_a_tenant_s_quota_holds_for_the_api_and_not_for_people(tenant, client):
    Tenant.objects.filter(pk=tenant.pk).update(quota=1)
    url, headers = f"/api/v1/audit/tenants/{tenant.pk}/domains", make.bearer(make.make_token("run"))

    def register(name):
        body = json.dumps({"domain": name})
        return client.post(url, data=body, content_type="application/json", headers=headers)

    assert [register(n).status_code for n in ("um.pt", "um.pt", "dois.pt")] == [201, 200, 409]
    answer = register("dois.pt")
    assert answer["Content-Type"] == "application/problem+json"
    assert "quota" in answer.json()["detail"]
    client.force_login(make.make_admin())
    form = {"tenant": tenant.pk, "domain": "dois.pt", "dkim_selectors": "", "enabled": "on"}
    assert client.post("/admin/audit/auditdomain/add/", form).status_code == 302
