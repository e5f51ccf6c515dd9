"""The schedule table: our rows are brought in step after each migration; an operator's own rows and
times are kept."""

from datetime import timedelta

from django.db import connection
from django.db.models.signals import post_migrate
from django.utils import timezone

# name: (task, cron with seconds as the sixth field)
SCHEDULES = {
    "audit tick": ("audit.tasks.tick", "* * * * * */30"),
    "audit prune": ("audit.tasks.prune", "17 3 * * *"),
}


def connect() -> None:
    """Sync whenever the tables have been migrated."""
    post_migrate.connect(lambda **_kwargs: sync(), dispatch_uid="audit.schedules", weak=False)


def sync() -> None:
    """Create what is missing, mend the task's name and remove doubles (a restored dump may have
    them); does nothing while django-q2's tables are not there."""
    if "django_q_schedule" not in connection.introspection.table_names():
        return
    from django_q.models import Schedule  # here: this module is read before its models are

    for name, (func, cron) in SCHEDULES.items():
        ids = list(Schedule.objects.filter(name=name).order_by("pk").values_list("pk", flat=True))
        Schedule.objects.filter(pk__in=ids[1:]).delete()
        if ids:
            Schedule.objects.filter(pk=ids[0]).exclude(func=func).update(func=func)
        else:
            Schedule.objects.create(
                name=name, func=func, schedule_type=Schedule.CRON, cron=cron, repeats=-1
            )


def keep_time() -> None:
    """Bring our rows back to the present, where django-q2 would leave them.

    After the clock was set back, the next turn is in a future that may be days away; after weeks
    without a worker, django-q2 would step through every turn that was missed.
    """
    from django_q.models import Schedule  # as above

    now = timezone.now()
    for row in Schedule.objects.filter(name__in=SCHEDULES):
        planned = row.next_run
        late = planned is None or planned < now - timedelta(hours=1)
        if late or planned > row.calculate_next_run() + timedelta(minutes=1):
            Schedule.objects.filter(pk=row.pk, next_run=planned).update(next_run=now)
