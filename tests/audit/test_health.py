"""Health: the process, and whether it can work. No login, no detail."""

from datetime import timedelta
from unittest import mock

import pytest
from django.db import OperationalError
from django.db.migrations.recorder import MigrationRecorder
from django.utils import timezone

from . import factories as make


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
def test_readyz_is_not_ready_while_a_migration_is_missing(client):
    make.make_worker()
    MigrationRecorder.Migration.objects.filter(app="audit").order_by("-id").first().delete()
    refused(client)


@pytest.mark.django_db
def test_readyz_is_not_ready_without_a_database_and_does_not_say_why(client):
    with mock.patch("audit.health.MigrationExecutor", side_effect=OperationalError("password of db01 is wrong")):
        refused(client)


def test_case_143_static_files_are_for_our_own_pages_only(client):
    answer = client.get("/static/css/tokens.css")
    assert answer.status_code == 200 and "Access-Control-Allow-Origin" not in answer
