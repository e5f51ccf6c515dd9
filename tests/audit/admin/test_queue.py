"""Case 196: the queue in the administration: shown, never run, and nothing of it unpickled."""

import os
import pickle
from base64 import b64encode
from datetime import timedelta
from unittest import mock

import pytest
from django.core.management import call_command
from django.db import connection
from django.urls import reverse
from django.utils import timezone
from django_q.conf import Conf
from django_q.models import OrmQ, Schedule, Task
from django_q.signing import SignedPackage

from audit import tasks
from audit.admin.queue import TASKS, failures, stored_text, waiting, why
from audit.models import AuditDomain, AuditRun
from audit.queue.schedules import SCHEDULES
from tests.audit import factories as make

pytestmark = pytest.mark.django_db
TRACE = 'Traceback (most recent call last):\n  File "x.py", line 1, in f\n'


class Bomb:
    """Unpickling it makes a folder."""

    folder = ""

    def __reduce__(self):
        return os.mkdir, (self.folder,)


def fail(error, *, func="audit.tasks.drain", minutes=0):
    """A failed task as django-q2 keeps it."""
    at = timezone.now() - timedelta(minutes=minutes)
    number = Task.objects.count()
    Task.objects.create(
        id=f"{number:032d}",
        name="a-b-c-d",
        func=func,
        args=(),
        kwargs={},
        started=at - timedelta(seconds=3),
        stopped=at,
        success=False,
        result=error and f"{error} : {TRACE}{error}\n",
    )


def html_of(client, user, language="en"):
    client.force_login(user)
    answer = client.get(reverse("admin:queue"), headers={"Accept-Language": language})
    assert answer.status_code == 200
    return answer.content.decode()


def test_it_says_what_waits_and_since_when(client, monkeypatch):
    monkeypatch.setattr(Conf, "ORM", "default")  # where the database is the queue
    now = timezone.now()
    for minutes in (7, 2):
        OrmQ.objects.create(key="ligbox", payload="x", lock=now - timedelta(minutes=minutes))
    OrmQ.objects.create(key="ligbox", payload="x", lock=now + timedelta(minutes=5))
    found = waiting()
    assert (found.tasks, found.taken) == (2, 1)
    assert now - found.since == timedelta(minutes=7)
    tenant = make.make_tenant()
    make.make_domains(3, tenant)
    AuditRun.objects.get_or_create_run(
        tenant=tenant, domains=AuditDomain.objects.all(), trigger="manual", by="ana", scope=""
    )
    html = html_of(client, make.make_operator())
    assert "7 min ago" in html and ">3<" in html and "No worker is running" in html
    assert reverse("admin:audit_auditrun_change", args=[AuditRun.objects.get().pk]) in html


def test_it_says_what_comes_and_how_it_went_last(client):
    call_command("migrate", verbosity=0)
    fail("ValueError: no", func="audit.tasks.prune")
    Schedule.objects.filter(name="audit prune").update(task=Task.objects.get().pk)
    html = html_of(client, make.make_viewer())
    assert "Remove what is old" in html and "failed" in html and "Look for what is due" in html


def test_every_task_of_ours_has_a_name_in_words():
    rung = {func for func, _cron in SCHEDULES.values()}
    rung |= {f"audit.tasks.{name}" for name in ("drain", "process_events", "process_transitions")}
    assert rung == set(TASKS)
    assert all(callable(getattr(tasks, name.rpartition(".")[2])) for name in TASKS)


@pytest.mark.parametrize(
    ("error", "said"),
    [
        ("django_q.exceptions.TimeoutException: Task exceeded maximum timeout", "took longer"),
        ("django.db.utils.OperationalError: database is locked", "database is locked"),
        ("redis.exceptions.ConnectionError: refused", "Redis did not answer"),
        ("ValueError: Function os.system is not defined", "not one of ours"),
        ("ZeroDivisionError: division by zero", "division by zero"),
        ("ValueError: a\u202eb\x1b[31m<script>alert(1)</script>", "\\u202e"),
        ("", "log says more"),
    ],
)
def test_a_failure_is_said_in_words(client, error, said):
    fail(error)
    assert said in failures()[0].why
    html = html_of(client, make.make_operator())
    assert "<script>alert" not in html and "\u202e" not in html and "\x1b" not in html
    assert "3.0" in html


def test_the_newest_failure_stands_first():
    fail("ValueError: old", minutes=9)
    fail("ValueError: new", minutes=1)
    assert ["new" in f.why for f in failures()] == [True, False]


@pytest.mark.parametrize("how", ["a queued task", "a failure", "a success"])
def test_nothing_is_unpickled_by_looking(client, tmp_path, how):
    """A pickle with code in it is shown like any other, and does not run."""
    Bomb.folder = str(tmp_path / "it ran")
    pickled = pickle.dumps(Bomb())
    if how == "a queued task":
        OrmQ.objects.create(key="ligbox", payload=SignedPackage.dumps(Bomb()), lock=timezone.now())
    else:
        fail("ValueError: x")
        with connection.cursor() as cursor:
            cursor.execute(
                "update django_q_task set result=%s, args=%s, kwargs=%s, success=%s",
                [*[b64encode(pickled).decode()] * 3, how == "a success"],
            )
    with mock.patch("pickle.loads", side_effect=AssertionError("it was unpickled")):
        html_of(client, make.make_admin())
    assert not (tmp_path / "it ran").exists()


@pytest.mark.parametrize(
    "stored",
    ["", "x", "!!!", "=" * 8, b64encode(b"\x80\x05X\xff\xff\xff\x7fab").decode(), "gAWVAAAA"]
    + [b64encode(pickle.dumps(v)).decode() for v in (1, None, b"b", ["text"], {"text": "text"})],
)
def test_what_is_no_stored_text_is_none(stored):
    assert stored_text(stored) == ""
    assert "log says more" in why(stored_text(stored))


@pytest.mark.parametrize("protocol", range(2, pickle.HIGHEST_PROTOCOL + 1))
@pytest.mark.parametrize("text", ["short", "x" * 300, "é\n€" * 70_0, ""])
def test_a_stored_text_is_read(text, protocol):
    assert stored_text(b64encode(pickle.dumps(text, protocol)).decode()) == text


def test_it_is_for_those_who_see_runs(client):
    path = reverse("admin:queue")
    assert client.get(path).status_code == 302
    client.force_login(make.make_user(staff=True))
    assert client.get(path).status_code == 403
    assert path not in client.get("/admin/").content.decode()
    client.force_login(make.make_viewer())
    assert path in client.get("/admin/").content.decode()
    for method in (client.post, client.put, client.delete):
        assert method(path).status_code == 405


def test_redis_that_is_away_is_said(client, monkeypatch):
    monkeypatch.setattr("audit.admin.queue.Conf.ORM", None)
    broker = mock.Mock(queue_size=mock.Mock(return_value=4))
    with mock.patch("audit.admin.queue.get_broker", return_value=broker):
        assert waiting().tasks == 4
    with mock.patch("audit.admin.queue.get_broker", side_effect=OSError):
        assert waiting().tasks is None
        html_of(client, make.make_viewer())
