"""At most AUDIT_WORKERS processes of one cluster drain at the same time, so that one stays free for
ticks and events."""

import fcntl
import tempfile


class DrainSlots:
    """A slot is a record lock on a file without a name that is opened before the processes that
    share it are forked: the kernel gives the lock back when a process ends, however it ends."""

    def __init__(self) -> None:
        self._file = tempfile.TemporaryFile()  # noqa: SIM115 - open as long as the process lives

    def acquire(self, count: int) -> int | None:
        """The number of one of `count` slots that is this process's now; None: all are taken."""
        for slot in range(count):
            try:
                fcntl.lockf(self._file, fcntl.LOCK_EX | fcntl.LOCK_NB, 1, slot)
            except OSError:
                continue
            return slot
        return None

    def release(self, slot: int) -> None:
        """Let another process have the slot."""
        fcntl.lockf(self._file, fcntl.LOCK_UN, 1, slot)
