"""Who holds a claim: a name for each drain that says on which system its process runs, so that the
dead are told from the living."""

import hashlib
import os
import socket
import uuid
from datetime import datetime
from functools import cache
from pathlib import Path

from django.utils import timezone

from audit.models import AuditDomain, ServerCard

COMMAND = ":command"  # ends the name of an owner that always asks anew, never the cache


def owner_name(kind: str = "") -> str:
    """A name for a claim: system, process, something unique, and the kind of owner ("" or
    COMMAND)."""
    return f"{system_name()}:{os.getpid()}:{uuid.uuid4().hex[:8]}{kind}"


@cache
def system_name() -> str:
    """Where a process number means something: one boot of one machine, and in it one namespace (a
    container has its own).

    The host's name alone would not do: machines and containers may share it, and then one would
    take the other's for dead.
    """
    host, parts = socket.gethostname(), []
    for read in (
        lambda: Path("/proc/sys/kernel/random/boot_id").read_text(),
        lambda: str(Path("/proc/self/ns/pid").readlink()),
    ):
        try:
            parts.append(read())
        except OSError:
            continue  # no Linux, or no /proc
    return f"{host[:20]}-{hashlib.sha256(' '.join([host, *parts]).encode()).hexdigest()[:10]}"


def is_alive(owner: str) -> bool:
    """False if the process that `owner` (of this system) names is gone; one that has ended and was
    not collected yet is gone too."""
    try:
        pid = int(owner.split(":")[1])
        os.kill(pid, 0)
        return Path(f"/proc/{pid}/stat").read_text().rpartition(")")[2].split()[0] != "Z"
    except ProcessLookupError:
        return False
    except (OSError, ValueError, IndexError):
        return True  # not ours to ask, or no /proc: the claim ends by its deadline


def release_dead_claims(*, blameless: bool = False) -> int:
    """Give back what processes of this system held that are gone (killed), and what any held that
    stands still for longer than a claim lasts; returns how many rows.

    `blameless`: we ended them ourselves, so no domain is suspected of it.
    """
    now, held = timezone.now(), AuditDomain.objects.exclude(claimed_by="")
    ours = held.filter(claimed_by__startswith=f"{system_name()}:")
    count = 0
    for owner in ours.values_list("claimed_by", flat=True).distinct():
        if not is_alive(owner):
            rows = AuditDomain.objects.all()
            count += rows.give_back(owner) if blameless else rows.release_lost(owner)
    for owner in held.lost_owners(now):
        count += AuditDomain.objects.filter(claimed_until__lt=now).release_lost(owner)
    return count + _release_cards(now, blameless=blameless)


def _release_cards(now: datetime, *, blameless: bool) -> int:
    """The same for server cards."""
    count, cards = 0, ServerCard.objects.all()
    held = cards.exclude(claimed_by="").values_list("claimed_by", "claimed_until")
    for owner, until in set(held):
        dead = owner.startswith(f"{system_name()}:") and not is_alive(owner)
        if dead and blameless:
            count += cards.give_back(owner)
        elif dead or (until and until < now):
            count += cards.release_lost(owner)
    return count
