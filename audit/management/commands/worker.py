"""`manage.py worker`: the django-q2 cluster, with a clean stop, a stall watchdog and a heartbeat."""

import contextlib
import logging
import os
import signal
import sys
import time
from datetime import timedelta
from multiprocessing import Value

from django.core.management.base import BaseCommand, CommandError
from django.db import DatabaseError, connections
from django.utils import timezone

from audit import orphans
from audit.database import trouble

log = logging.getLogger(__name__)
HEARTBEAT_SECONDS = 5


class Command(BaseCommand):
    help = "Audit what is due, for ever. Stops cleanly on SIGTERM or Ctrl-C; exits 1 if nothing moves any more, to be started again."

    def add_arguments(self, parser):
        parser.add_argument("--stall", type=float, metavar="SECONDS", help="without progress, before it gives up (default: 210)")

    def handle(self, *args, **options):
        from django_q.conf import Conf

        from audit import runner, schedules, tasks

        self.stall = options["stall"] or (Conf.TIMEOUT or 60) + 30
        self.progress = Value("d", time.monotonic(), lock=False)  # shared with the forked workers
        self.stop_asked = False
        cluster = self._cluster()
        for number in (signal.SIGTERM, signal.SIGINT):
            signal.signal(number, self._on_signal)  # only sets a flag: django-q2's own handler can deadlock
        try:
            schedules.sync()
            schedules.keep_time()
            runner.release_dead()
        except DatabaseError as error:
            raise CommandError(trouble(error)) from None
        if not self._wait_for_queue():
            return
        tasks.ring("tick")
        connections.close_all()  # the children must not inherit a connection
        orphans.end_with_parent()
        code = 1
        try:
            cluster.start()
            self.stderr.write(f"worker {self._name()}: running, Ctrl-C stops")
            code = self._watch(cluster, Conf)
            if code == 0:
                runner.stopping.set()  # a drain at work takes no new domain and ends with those that it has
                cluster.stop()
        except RuntimeError as error:
            log.critical("%s", error)
        finally:
            with contextlib.suppress(ProcessLookupError):  # nobody is left after a clean stop
                os.killpg(cluster.sentinel.pid, signal.SIGKILL)
            self._forget()
            connections.close_all()
        sys.exit(code)

    def _on_signal(self, *_args):
        self.stop_asked = True

    def _wait_for_queue(self):
        """Wait until the queue answers (Redis may start after us); False if we are asked to stop before."""
        from django_q.brokers import get_broker

        while not self.stop_asked:
            try:
                return get_broker().ping()
            except Exception as error:  # noqa: BLE001 - whatever the broker raises
                if not hasattr(self, "waited"):
                    self.waited = True
                    log.error("the queue does not answer (%s): no audits until it does; waiting for it", error)
                time.sleep(1)
        return False

    def _cluster(self):
        """A cluster whose children leave our process group, so that a signal to the whole group still lets tasks finish."""
        from django_q import cluster as q
        from django_q.signals import pre_execute

        pre_execute.connect(lambda **_kwargs: setattr(self.progress, "value", time.monotonic()), weak=False, dispatch_uid="stall")
        original = q.Sentinel

        class Sentinel(original):
            def __init__(self, *args, **kwargs):
                os.setpgid(0, 0)
                super().__init__(*args, **kwargs)

            def reincarnate(self, process):
                """A process that was killed while it waited had the lock of its queue, and no other gets it any more."""
                idle = process == self.monitor or (process in self.pool and process.timer.value == -1)
                if idle and (process.exitcode or 0) < 0:
                    log.critical("an idle process of the worker was killed: restarting")
                    os.killpg(0, signal.SIGKILL)
                super().reincarnate(process)

        q.Sentinel = Sentinel
        return q.Cluster()

    def _watch(self, cluster, conf):
        """Beat and look after the cluster until it is to stop (0) or to be started again (1)."""
        from audit import runner, schedules, tasks

        last_beat = last_look = 0.0
        while not self.stop_asked:
            cluster.sentinel.join(0.5)
            now = time.monotonic()
            if not cluster.sentinel.is_alive():
                log.critical("the cluster has ended by itself: restarting")
                return 1
            try:
                if now - last_beat >= HEARTBEAT_SECONDS:
                    last_beat = now
                    self._beat()
                if now - last_look >= min(self.stall / 3, 10):
                    last_look = now
                    schedules.keep_time()
                    if runner.release_dead():
                        tasks.ring()
                    if self._stalled(conf):
                        log.critical("no task started for %.0f s while tasks wait: restarting", self.stall)
                        return 1
            except DatabaseError as error:
                log.warning("no heartbeat: %s; trying again", trouble(error))
                connections.close_all()
        return 0

    def _stalled(self, conf):
        """True if tasks wait and none has begun for too long. A queue that can't be reached is not a stall: it may come back."""
        if not self._waiting(conf):
            self.progress.value = max(self.progress.value, time.monotonic() - self.stall / 2)
            return False
        return time.monotonic() - self.progress.value > self.stall

    @staticmethod
    def _waiting(conf):
        if conf.ORM:
            from django_q.models import OrmQ

            return OrmQ.objects.using(conf.ORM).filter(key=conf.CLUSTER_NAME, lock__lt=timezone.now() - timedelta(seconds=1)).exists()
        from django_q.brokers import get_broker

        try:
            return get_broker().queue_size() > 0
        except Exception as error:  # noqa: BLE001 - whatever the broker raises
            log.error("the queue does not answer (%s): no audits until it does", error)
            return False

    @staticmethod
    def _name():
        from audit.models import WorkerHeartbeat

        return WorkerHeartbeat.name_of(os.getpid())

    def _beat(self):
        from audit.models import WorkerHeartbeat

        WorkerHeartbeat.objects.update_or_create(name=self._name(), defaults={"last_seen": timezone.now()})

    def _forget(self):
        from audit.models import WorkerHeartbeat

        try:
            WorkerHeartbeat.objects.filter(name=self._name()).delete()
        except DatabaseError:
            log.warning("the heartbeat row could not be removed; it grows old by itself")
