"""Case 196: what a worker runs by name."""

import queue
from multiprocessing import Value

import pytest
from django.utils import timezone
from django_q.models import Task
from django_q.worker import worker

from audit import tasks
from audit.queue.allowed_tasks import find
from audit.queue.schedules import SCHEDULES


def test_our_tasks_are_found():
    for name, _cron in SCHEDULES.values():
        assert find(name) is getattr(tasks, name.rpartition(".")[2])
    for name in ("drain", "process_events", "process_transitions"):
        assert find(f"audit.tasks.{name}") is getattr(tasks, name)


@pytest.mark.parametrize(
    "name",
    [
        "os.system",
        "os.mkdir",
        "subprocess.call",
        "builtins.exec",
        "audit.tasks.enqueue",
        "audit.tasks._delete",
        "audit.tasks.log.info",
        "audit.tasks.settings",
        "audit.tasks.__class__",
        "audit.tasks.AuditDomain",
        "audit.tasks.nothing",
        "audit.tasks.",
        "audit.tasks",
        "audit..tasks.tick",
        "django.core.management.call_command",
        "",
        "\0",
    ],
)
def test_nothing_else_is(name):
    assert find(name) is None


def run(task):
    """What a worker's process makes of this task."""
    todo, done = queue.Queue(), queue.Queue()
    todo.put({"id": "x" * 32, "name": "a", "started": timezone.now(), **task})
    todo.put("STOP")
    worker(todo, done, Value("f", -1), timeout=20)
    return done.get_nowait()


@pytest.mark.django_db(transaction=True)
def test_a_worker_runs_no_function_that_a_row_names(tmp_path):
    folder = tmp_path / "it ran"
    result = run({"func": "os.mkdir", "args": (str(folder),), "kwargs": {}})
    assert not result["success"] and "os.mkdir is not defined" in result["result"]
    assert not folder.exists()


@pytest.mark.django_db
def test_nor_a_hook_that_a_row_names(tmp_path):
    called = []
    tasks.hook_of_a_test = called.append
    try:
        now = timezone.now()
        Task.objects.create(
            id="y" * 32, func="x", hook="audit.tasks.hook_of_a_test", started=now, stopped=now
        )
    finally:
        del tasks.hook_of_a_test
    assert called == []
