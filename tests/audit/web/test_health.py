"""Health: the process, and whether it can work. No login, no detail."""

from datetime import timedelta
from unittest import mock

import pytest
from django.db import InterfaceError, OperationalError
from django.db.migrations.recorder import MigrationRecorder
from django.utils import timezone

from audit.models.access import own_key_print
from tests.audit import factories as make


def test_healthz_asks_nothing_of_the_database(client):
    answer = client.get("/healthz")  # pytest-django refuses the database here
    assert (answer.status_code, answer.json()) == (200, {"status": "ok"})
    assert client.head("/healthz").status_code == 200
    assert client.post("/healthz").status_code == 405


@pytest.mark.django_db
def test_readyz_is_ready_with_database_migrations_and_a_worker(client):
    make.make_worker()
    answer = client.get("/readyz")
    assert (answer.status_code, answer.json()) == (200, {"status": "ready"})
    assert "no-store" in answer["Cache-Control"]


def refused(client):
    answer = client.get("/readyz")
    assert (answer.status_code, answer.json()) == (503, {"status": "not ready"})  # no detail


@pytest.mark.django_db
def test_readyz_is_not_ready_without_a_worker_that_is_alive(client):
    refused(client)
    make.make_worker(seen=timezone.now() - timedelta(minutes=2))
    refused(client)


@pytest.mark.django_db
def test_readyz_is_not_ready_while_a_domain_is_due_for_more_than_two_intervals(client, settings):
    """Case 180: A worker that is alive and audits nothing."""
    make.make_worker()
    domain = make.make_domain()
    late = timedelta(seconds=2 * settings.AUDIT_INTERVAL_SEC)
    rows = type(domain).objects.filter(pk=domain.pk)
    rows.update(next_audit_at=timezone.now() - late + timedelta(seconds=20))
    assert client.get("/readyz").status_code == 200
    rows.update(next_audit_at=timezone.now() - late - timedelta(seconds=1))
    refused(client)
    rows.update(enabled=False)
    assert client.get("/readyz").status_code == 200


@pytest.mark.django_db
def test_readyz_is_not_ready_where_a_worker_has_another_key(client, settings):
    """Case 188: Neither can read the tasks and sessions of the other."""
    beat = make.make_worker()
    type(beat).objects.update(key_print=own_key_print())
    assert client.get("/readyz").status_code == 200
    settings.SECRET_KEY = "another" * 10
    refused(client)


@pytest.mark.django_db
def test_the_board_says_that_audits_do_not_keep_up(client):
    """Case 180."""
    make.make_worker()
    domain = make.make_domain()
    client.force_login(make.make_viewer())
    assert "two intervals" not in client.get("/").content.decode()
    type(domain).objects.update(next_audit_at=timezone.now() - timedelta(hours=2))
    assert "due for longer than two intervals" in client.get("/").content.decode()


@pytest.mark.django_db
def test_readyz_is_not_ready_while_a_migration_is_missing(client):
    make.make_worker()
    MigrationRecorder.Migration.objects.filter(app="audit").order_by("-id").first().delete()
    refused(client)


@pytest.mark.django_db
def test_readyz_is_not_ready_without_a_database_and_does_not_say_why(client):
    with mock.patch(
        "audit.web.health.MigrationExecutor",
        side_effect=OperationalError("password of db01 is wrong"),
    ):
        refused(client)


@pytest.mark.parametrize("path", ["/", "/admin/", "/login/"])
@pytest.mark.parametrize("error", [OperationalError, InterfaceError])
def test_pages_say_that_the_database_is_away(client, path, error):
    """Case 153."""
    client.raise_request_exception = False
    client.cookies["sessionid"] = "x" * 32
    with mock.patch("django.db.backends.base.base.BaseDatabaseWrapper.cursor", side_effect=error):
        answer = client.get(path, headers={"Accept-Language": "en"})
    assert answer.status_code == 503 and answer["Retry-After"] == "60"
    assert "database can&#x27;t be reached" in answer.content.decode().replace("'", "&#x27;")


def test_static_files_are_for_our_own_pages_only(client):
    """Case 143."""
    answer = client.get("/static/css/tokens.css")
    assert answer.status_code == 200 and "Access-Control-Allow-Origin" not in answer
