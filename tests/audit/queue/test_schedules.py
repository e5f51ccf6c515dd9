"""The schedule table: what is doubled, lost or misnamed is mended."""

import pytest
from django.core.management import call_command
from django_q.models import Schedule

from audit.queue import schedules

pytestmark = pytest.mark.django_db
TICKS = Schedule.objects.filter(name="audit tick")


def test_a_doubled_row_is_mended_by_migrate():
    """A dump that was restored twice: the worker and `migrate` ended with an error."""
    schedules.sync()
    first = TICKS.get()
    row = {"name": first.name, "func": first.func, "cron": first.cron, "schedule_type": "C"}
    Schedule.objects.bulk_create([Schedule(**row), Schedule(**row)])
    call_command("migrate", verbosity=0)
    assert TICKS.get() == first


def test_a_lost_row_is_made_again_and_a_wrong_name_set_right():
    schedules.sync()
    TICKS.delete()
    Schedule.objects.filter(name="audit prune").update(func="audit.gone", cron="5 5 * * *")
    schedules.sync()
    assert TICKS.get().func == "audit.tasks.tick"
    prune = Schedule.objects.get(name="audit prune")
    assert (prune.func, prune.cron) == ("audit.tasks.prune", "5 5 * * *")  # their time is kept


def test_a_turn_that_is_missing_comes_now():
    schedules.sync()
    TICKS.update(next_run=None)
    schedules.keep_time()
    assert TICKS.get().next_run is not None
