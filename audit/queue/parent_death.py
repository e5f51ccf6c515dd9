"""No forked process outlives its parent: a worker that is killed takes its whole cluster along, and
the next one starts alone."""

import ctypes
import os
import signal
import sys

_PARENT_DEATH_SIGNAL = 1  # Linux: prctl(2)


def end_with_parent() -> None:
    """From now on, each process that this one forks, and each that they fork, is killed by the
    kernel when its parent ends.

    Claims are given back by the next worker, as after any kill. Linux only; elsewhere it does
    nothing.
    """
    if sys.platform != "linux":
        return
    parent = os.getpid()

    def remember() -> None:
        nonlocal parent
        parent = os.getpid()

    def bind() -> None:
        ctypes.CDLL(None).prctl(_PARENT_DEATH_SIGNAL, signal.SIGKILL, 0, 0, 0)
        if os.getppid() != parent:  # it died before the kernel knew of it
            os.kill(os.getpid(), signal.SIGKILL)

    os.register_at_fork(before=remember, after_in_child=bind)
