"""What a process that audits owns; made when the app starts, and handed on from there."""

import ctypes
import gc
from functools import cached_property
from multiprocessing.sharedctypes import RawValue

from django.apps import apps

from audit.queue.drain_slots import DrainSlots
from audit.queue.event_loop import ProcessLoop
from audit.queue.tallies import Tallies


class AuditProcess:
    """Event loop, network and slots of one process. What it shares with those that it forks is made
    before the first of them: see `share`."""

    def __init__(self) -> None:
        self.loop = ProcessLoop()
        self.tallies = Tallies(self.loop)

    @cached_property
    def slots(self) -> DrainSlots:
        """Who of the cluster may drain."""
        return DrainSlots()

    @cached_property
    def _stopping(self) -> ctypes.c_byte:
        # without a lock: a process that is killed while it holds one would stop all others
        return RawValue("b", 0)

    @property
    def stopping(self) -> bool:
        """The worker is asked to stop: no new domain is taken. Set in one, seen in all."""
        return bool(self._stopping.value)

    @stopping.setter
    def stopping(self, value: bool) -> None:
        self._stopping.value = int(value)

    def share(self) -> None:
        """Make now what the processes that are forked from this one see too."""
        self.slots, self._stopping  # noqa: B018 - made by being read

    def share_memory(self) -> None:
        """To be called before forking: what all processes need is loaded once for all, and the
        collector keeps its hands off it, so that the memory stays common."""
        import collectors.net.portal_client
        import collectors.registry  # noqa: F401

        gc.collect()
        gc.freeze()

    def give_back_memory(self) -> None:
        """Give the system back what an amount of work took and needs no more (glibc keeps it)."""
        gc.collect()
        if trim := getattr(ctypes.CDLL(None), "malloc_trim", None):
            trim(0)


def own_process() -> AuditProcess:
    """What this process owns, where django-q2 or a command begins; handed on from there."""
    return apps.get_app_config("audit").process  # type: ignore[attr-defined] # AuditConfig's
