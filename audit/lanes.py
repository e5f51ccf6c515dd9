"""At most AUDIT_WORKERS processes of one cluster drain at the same time, so that one stays free for ticks and events.

A lane is a record lock on a file without a name that the worker command opens and its forked processes inherit: the kernel
gives the lock back when a process ends, however it ends.
"""

import fcntl
import tempfile

from django.conf import settings

_file = tempfile.TemporaryFile()  # noqa: SIM115 - it stays open as long as the process lives


def take():
    """The number of a lane that is this process's now, or None where all are taken."""
    for lane in range(settings.AUDIT_WORKERS):
        try:
            fcntl.lockf(_file, fcntl.LOCK_EX | fcntl.LOCK_NB, 1, lane)
        except OSError:
            continue
        return lane
    return None


def give_back(lane):
    """Let another process have the lane."""
    fcntl.lockf(_file, fcntl.LOCK_UN, 1, lane)
