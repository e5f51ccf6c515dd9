"""No forked process outlives its parent: a worker that is killed takes its whole cluster along, and the next one starts alone."""

import ctypes
import os
import signal
import sys

_PARENT_DEATH_SIGNAL = 1  # Linux: prctl(2)
_parent = 0


def end_with_parent():
    """From now on, each process that this one forks, and each that they fork, is killed by the kernel when its parent ends.

    Claims are given back by the next worker, as after any kill. Linux only; elsewhere it does nothing.
    """
    if sys.platform == "linux":
        os.register_at_fork(before=_remember, after_in_child=_bind)


def _remember():
    global _parent  # noqa: PLW0603 - read in the child, whose parent may be gone by then
    _parent = os.getpid()


def _bind():
    ctypes.CDLL(None).prctl(_PARENT_DEATH_SIGNAL, signal.SIGKILL, 0, 0, 0)
    if os.getppid() != _parent:  # it died before the kernel knew of it
        os.kill(os.getpid(), signal.SIGKILL)
