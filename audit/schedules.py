"""The schedule table: our rows are brought in step after each migration; an operator's own rows and times are kept."""

from datetime import timedelta

from django.db.models.signals import post_migrate
from django.utils import timezone

# name: (task, cron with seconds as the sixth field)
SCHEDULES = {
    "audit tick": ("audit.tasks.tick", "* * * * * */30"),
    "audit prune": ("audit.tasks.prune", "17 3 * * *"),
}


def connect():
    """Sync whenever the tables have been migrated."""
    post_migrate.connect(lambda **_kwargs: sync(), dispatch_uid="audit.schedules", weak=False)


def sync():
    """Create what is missing and mend the task's name; does nothing while django-q2's tables are not there."""
    from django.db import connection

    if "django_q_schedule" not in connection.introspection.table_names():
        return
    from django_q.models import Schedule

    for name, (func, cron) in SCHEDULES.items():
        Schedule.objects.update_or_create(
            name=name,
            defaults={"func": func},
            create_defaults={"func": func, "schedule_type": Schedule.CRON, "cron": cron, "repeats": -1},
        )


def keep_time():
    """Bring our rows back to the present, where django-q2 would leave them: after the clock was set back, the next turn is in
    a future that may be days away; after weeks without a worker, it would step through every turn that was missed."""
    from django_q.models import Schedule

    now = timezone.now()
    for row in Schedule.objects.filter(name__in=SCHEDULES):
        if row.next_run < now - timedelta(hours=1) or row.next_run > row.calculate_next_run() + timedelta(minutes=1):
            Schedule.objects.filter(pk=row.pk, next_run=row.next_run).update(next_run=now)
