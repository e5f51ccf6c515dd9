"""Redis as the queue of tasks, with patience: while it is away, a cluster waits for it and says so
once."""

import logging
import time
from typing import Any

from django_q.brokers.redis_broker import Redis
from redis.exceptions import RedisError

log = logging.getLogger(__name__)
PAUSE_SECONDS = 1.0


class PatientRedis(Redis):  # type: ignore[misc] # django-q2 has no annotations
    """In a cluster (`in_cluster`) nothing fails for want of Redis: tasks are lost, and the next
    tick finds in the rows what is due. Elsewhere whoever enqueues is told."""

    in_cluster = False
    _away = False

    def enqueue(self, task: str) -> Any:
        try:
            return super().enqueue(task)
        except RedisError:
            if not self.in_cluster:
                raise
            return None

    def dequeue(self) -> Any:
        """Also says when Redis goes and comes: of a cluster, one process takes tasks."""
        try:
            tasks = super().dequeue()
        except RedisError as error:
            if not self._away:
                log.error("the queue does not answer (%s): no audits until it does", error)
            self._away = True
            time.sleep(PAUSE_SECONDS)
            return None
        if self._away:
            log.warning("the queue answers again")
        self._away = False
        return tasks

    def set_stat(self, key: str, value: str, timeout: int) -> None:
        try:
            super().set_stat(key, value, timeout)
        except RedisError:
            if not self.in_cluster:
                raise
