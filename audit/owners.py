"""Who holds a claim: a name for each drain that says on which system its process runs, so that the dead are told from the living."""

import hashlib
import os
import socket
import uuid
from functools import cache
from pathlib import Path

COMMAND = ":command"  # ends the name of an owner that always asks anew, never the cache


def owner_name(kind=""):
    """A name for a claim: system, process, something unique, and the kind of owner ("" or COMMAND)."""
    return f"{system()}:{os.getpid()}:{uuid.uuid4().hex[:8]}{kind}"


@cache
def system():
    """Where a process number means something: one boot of one machine, and in it one namespace (a container has its own).

    The host's name alone would not do: machines and containers may share it, and then one would take the other's for dead.
    """
    host, parts = socket.gethostname(), []
    for read in (lambda: Path("/proc/sys/kernel/random/boot_id").read_text(), lambda: str(Path("/proc/self/ns/pid").readlink())):
        try:
            parts.append(read())
        except OSError:
            continue  # no Linux, or no /proc
    return f"{host[:20]}-{hashlib.sha256(' '.join([host, *parts]).encode()).hexdigest()[:10]}"


def is_alive(owner):
    """False if the process that `owner` (of this system) names is gone; one that has ended and was not collected yet is gone too."""
    try:
        pid = int(owner.split(":")[1])
        os.kill(pid, 0)
        return Path(f"/proc/{pid}/stat").read_text().rpartition(")")[2].split()[0] != "Z"
    except ProcessLookupError:
        return False
    except (OSError, ValueError, IndexError):
        return True  # not ours to ask, or no /proc: the claim ends by its deadline
