"""`manage.py worker`: the django-q2 cluster, with a clean stop, a watch and a heartbeat."""

import argparse
import contextlib
import logging
import multiprocessing
import os
import signal
import sys
import time
from collections.abc import Callable
from datetime import timedelta
from typing import Any

from django.core.management.base import BaseCommand, CommandError, CommandParser
from django.db import DatabaseError, connections
from django.utils import timezone

from audit.management.db_errors import describe
from audit.system_checks import SETTINGS

log = logging.getLogger(__name__)
HEARTBEAT_SECONDS = 5
LOOK_SECONDS = 10.0  # between two looks at the cluster
RELEASE_SECONDS = 2.0  # between two looks for claims of processes that were killed
DEAD_BEAT_SECONDS = 300  # without a heartbeat, before a worker's row goes
RESTARTS = 3  # of a cluster that records nothing in between


class Command(BaseCommand):
    help = (
        "Audit what is due, for ever. Stops cleanly on SIGTERM or Ctrl-C. A cluster in which "
        "nothing moves any more is started again; where that does not help, or it ends by itself, "
        "exit status 1: to be started again."
    )

    requires_system_checks = (SETTINGS,)

    def add_arguments(self, parser: CommandParser) -> None:
        parser.add_argument(
            "--stall",
            type=_seconds,
            metavar="SECONDS",
            help="without progress, before its cluster is started again (default: 210)",
        )

    def handle(self, *args: Any, **options: Any) -> None:
        # here: they open what other commands do without
        from django_q.conf import Conf

        from audit import tasks
        from audit.models import WorkerHeartbeat
        from audit.queue import parent_death, schedules
        from audit.queue.claim_owner import release_dead_claims
        from audit.queue.process import own_process
        from audit.queue.watch import ClusterWatch

        # What the cluster shares, and that it ends with us, is handed on by forking. Python 3.14
        # starts processes, and keeps their semaphores, in another way unless it is told.
        multiprocessing.set_start_method("fork", force=True)
        self.stop_asked, self.waited = False, False
        self.process = own_process()
        self.process.share()
        self.watch = ClusterWatch(options["stall"] or (Conf.TIMEOUT or 60) + 30)
        make_cluster = _cluster_maker(self.watch)
        self._take_signals()
        try:
            if other := WorkerHeartbeat.with_another_key():
                raise CommandError(
                    f"the worker {other} of this database has another SECRET_KEY: neither could "
                    "read what the other asks for; give all hosts the same"
                )
            schedules.sync()
            schedules.keep_time()
            release_dead_claims()
        except DatabaseError as error:
            raise CommandError(describe(error)) from None
        if not self._wait_for_queue():
            return
        tasks.enqueue("tick")
        parent_death.end_with_parent()
        try:
            code = self._run(make_cluster)
        finally:
            self._forget()
            connections.close_all()
        sys.exit(code)

    def _take_signals(self) -> None:
        """Only set a flag: django-q2's own handler can deadlock."""
        for number in (signal.SIGTERM, signal.SIGINT):
            signal.signal(number, self._on_signal)

    def _on_signal(self, *_args: object) -> None:
        self.stop_asked = True

    def _wait_for_queue(self) -> bool:
        """Wait until the queue answers (Redis may start after us); False: asked to stop before."""
        from django_q.brokers import get_broker  # as above

        while not self.stop_asked:
            try:
                return bool(get_broker().ping())
            except Exception as error:  # noqa: BLE001 - whatever the broker raises
                if not self.waited:
                    self.waited = True
                    log.error(
                        "the queue does not answer (%s): no audits until it does; waiting for it",
                        error,
                    )
                time.sleep(1)
        return False

    def _run(self, make_cluster: Callable[[], Any]) -> int:
        """Run clusters, one after the other, until one ends well (0), by itself, or too often
        (1)."""
        from audit import tasks  # as above
        from audit.queue.claim_owner import release_dead_claims

        restarts, recorded = 0, _last_recorded()
        while True:
            connections.close_all()  # the children must not inherit a connection
            cluster = make_cluster()
            self._take_signals()
            self.process.share_memory()
            try:
                cluster.start()
                self.watch.begin()
                self.stderr.write(f"worker {_name()}: running, Ctrl-C stops")
                trouble = self._watch(cluster)
                ended = not cluster.sentinel.is_alive()
                if not trouble:
                    self.process.stopping = True  # drains take no new domain and end
                    cluster.stop()
                    return 0
            except RuntimeError as error:
                log.critical("%s", error)
                return 1
            finally:
                with contextlib.suppress(ProcessLookupError):  # none is left after a clean stop
                    os.killpg(cluster.sentinel.pid, signal.SIGKILL)
            log.critical("%s: restarting", trouble)
            if ended:
                return 1
            cluster.sentinel.join()
            before, recorded = recorded, _last_recorded()
            restarts = restarts + 1 if recorded == before else 0
            if restarts > RESTARTS:
                log.critical("%s restarts have not helped", RESTARTS)
                return 1
            with contextlib.suppress(DatabaseError):
                release_dead_claims(blameless=True)
                tasks.enqueue("tick")

    def _watch(self, cluster: Any) -> str:
        """Beat and look after the cluster until it is to stop ('') or to be started again (why)."""
        from audit import tasks  # as above
        from audit.queue import schedules
        from audit.queue.claim_owner import release_dead_claims

        last_beat = last_look = last_release = 0.0
        while not self.stop_asked:
            cluster.sentinel.join(0.5)
            now = time.monotonic()
            if not cluster.sentinel.is_alive():
                return "the cluster has ended by itself"
            try:
                if now - last_beat >= HEARTBEAT_SECONDS:
                    last_beat = now
                    _beat()
                if now - last_release >= RELEASE_SECONDS:
                    last_release = now
                    if release_dead_claims():
                        tasks.enqueue()
                if now - last_look >= min(self.watch.stall / 3, LOOK_SECONDS):
                    last_look = now
                    schedules.keep_time()
                    _say_what_is_overdue()
                    if trouble := self.watch.trouble(tasks_wait=_tasks_wait()):
                        return trouble
            except DatabaseError as error:
                log.warning("no heartbeat: %s; trying again", describe(error))
                connections.close_all()
        return ""

    def _forget(self) -> None:
        from audit.models import WorkerHeartbeat  # as above

        try:
            WorkerHeartbeat.objects.filter(name=_name()).delete()
        except DatabaseError:
            log.warning("the heartbeat row could not be removed; it goes by itself")


def _seconds(text: str) -> float:
    with contextlib.suppress(ValueError):
        if 0 < (seconds := float(text)) < 86400:
            return seconds
    raise argparse.ArgumentTypeError(f"{text!r} is not a number of seconds up to a day")


def _cluster_maker(watch: Any) -> Callable[[], Any]:
    """Makes clusters whose processes leave our process group, so that a signal to the whole group
    still lets tasks finish, and that tell `watch` what they do."""
    from django_q import cluster as q  # here: as in `handle`
    from django_q.signals import pre_execute

    pre_execute.connect(watch.note_task, weak=False, dispatch_uid="stall")

    class Sentinel(q.Sentinel):  # type: ignore[misc] # django-q2 has no annotations
        def __init__(self, *args: Any, **kwargs: Any) -> None:
            os.setpgid(0, 0)
            super().__init__(*args, **kwargs)

        def start(self) -> None:
            self.broker.in_cluster = True
            super().start()

        def status(self) -> str:
            """Asked for in each round."""
            watch.note_guard()
            return super().status()

        def reincarnate(self, process: Any) -> None:
            """A process that was killed while it waited had the lock of its queue, and no other
            gets it any more."""
            idle = process == self.monitor or (process in self.pool and process.timer.value == -1)
            if idle and (process.exitcode or 0) < 0:
                log.critical("an idle process of the worker was killed: restarting")
                os.killpg(0, signal.SIGKILL)
            super().reincarnate(process)

    q.Sentinel = Sentinel
    return q.Cluster


def _tasks_wait() -> bool:
    """True if tasks wait. A queue that can't be reached is no stall: it may come back."""
    from django_q.brokers import get_broker  # here: as in `handle`
    from django_q.conf import Conf
    from django_q.models import OrmQ

    if Conf.ORM:
        runnable = timezone.now() - timedelta(seconds=1)
        rows = OrmQ.objects.using(Conf.ORM).filter(key=Conf.CLUSTER_NAME, lock__lt=runnable)
        return rows.exists()
    try:
        return bool(get_broker().queue_size())
    except Exception:  # noqa: BLE001 - whatever the broker raises; the cluster says it
        return False


def _last_recorded() -> object:
    """When the last audit was recorded, by whichever host; None where the database is away."""
    from audit.models import AuditDomain  # here: as in `handle`

    with contextlib.suppress(DatabaseError):
        rows = AuditDomain.objects.exclude(last_audit_at=None).order_by("-last_audit_at")
        return rows.values_list("last_audit_at", flat=True).first()
    return None


def _say_what_is_overdue() -> None:
    from audit.models import AuditDomain  # here: as in `handle`

    if count := AuditDomain.objects.overdue().count():
        log.error("%s domains have been due for longer than two intervals", count)


def _name() -> str:
    from audit.models import WorkerHeartbeat  # here: as in `handle`

    return WorkerHeartbeat.name_of(os.getpid())


def _beat() -> None:
    """Say that we are alive, and let the rows of those go that have long been silent, or were seen
    in what is now the future."""
    from audit.models import WorkerHeartbeat  # here: as in `handle`
    from audit.models.access import own_key_print

    now = timezone.now()
    WorkerHeartbeat.objects.update_or_create(
        name=_name(), defaults={"last_seen": now, "key_print": own_key_print()}
    )
    others = WorkerHeartbeat.objects.exclude(name=_name())
    others.filter(last_seen__lt=now - timedelta(seconds=DEAD_BEAT_SECONDS)).delete()
    others.filter(last_seen__gt=now + timedelta(seconds=DEAD_BEAT_SECONDS)).delete()
