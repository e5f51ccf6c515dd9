"""Ringing: a task of `audit.tasks` is run by its dotted name once the transaction is committed."""

import logging
from multiprocessing import parent_process

from django.db import transaction

log = logging.getLogger(__name__)


def enqueue(name: str = "drain") -> None:
    """Have a worker run the task `name` once the present transaction is committed.

    A queue that can't be reached is logged and no more: the next tick finds in the rows what is to
    be done.
    """

    def send() -> None:
        from django_q.tasks import async_task  # here: it reads settings that commands do without

        try:
            async_task(f"audit.tasks.{name}")
        except Exception as error:  # noqa: BLE001 - whatever the broker raises
            log.log(
                # a cluster's own processes leave it to the one that takes tasks
                logging.DEBUG if parent_process() else logging.ERROR,
                "the queue could not be reached (%s); the next tick picks up what is due",
                error,
            )

    transaction.on_commit(send)
