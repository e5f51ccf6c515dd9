"""What a worker runs by name: the functions of audit/tasks.py, and nothing else.

A task in the queue is signed; a row of the schedule is not, and whoever may write one (a restored
dump, `loaddata`) could have django-q2 import and call anything.
"""

from collections.abc import Callable
from importlib import import_module
from inspect import isfunction
from types import SimpleNamespace
from typing import Any

from django.db.models.signals import post_save

TASKS = "audit.tasks"


def connect() -> None:
    """Have every process that runs tasks look them up here, and none call a hook that a row
    names."""
    from django_q.models import Task  # here: this module is read before its models are
    from django_q.signals import call_hook, post_spawn

    post_save.disconnect(call_hook, sender=Task)
    post_spawn.connect(_allow_only_ours, weak=False, dispatch_uid="audit.allowed_tasks")


def _allow_only_ours(**_kwargs: Any) -> None:
    from django_q import worker  # here: only in the process that it is

    worker.pydoc = SimpleNamespace(locate=find)


def find(name: str) -> Callable[..., Any] | None:
    """The task with this dotted name; None for anything else (django-q2 calls that a failure)."""
    module, _, function = str(name).rpartition(".")
    if module != TASKS or function.startswith("_"):
        return None
    found = getattr(import_module(TASKS), function, None)
    return found if isfunction(found) and found.__module__ == TASKS else None
