"""What the processes of a worker have in common, and what they give back."""

import subprocess
import sys

from audit.queue.event_loop import DNS_CACHE_BYTES, net_config
from tests.installation import ROOT

START = """
import os, django
os.environ["DJANGO_SETTINGS_MODULE"] = "ligbox.settings"
django.setup()
from audit.queue.process import own_process

def kb(what):
    lines = open("/proc/self/smaps_rollup").read().splitlines()[1:]
    return int(dict(line.split(":") for line in lines)[what].split()[0])
"""
FORK = """
import gc
own_process().share_memory()
if (pid := os.fork()) == 0:
    gc.collect()
    print(kb("Private_Dirty"), flush=True)
    os._exit(0)
os.waitpid(pid, 0)
"""
GIVE_BACK = """
blocks = [bytes(900 + n % 7) for n in range(100_000)]
last, before = bytes(1000), kb("Private_Dirty")
del blocks
own_process().give_back_memory()
print(before - kb("Private_Dirty"))
"""


def said(code):
    """The number that a new process prints."""
    env = {"SECRET_KEY": "k" * 60, "DATABASE_URL": "sqlite:///:memory:", "PATH": ""}
    command = [sys.executable, "-c", START + code]
    return int(subprocess.check_output(command, cwd=ROOT, env=env, timeout=100))


def test_a_process_that_is_forked_copies_little_of_what_was_loaded():
    """The collector of each wrote a mark on all that it found: 30 MB were copied."""
    assert said(FORK) < 8_000


def test_what_was_taken_for_a_while_is_given_back():
    assert said(GIVE_BACK) > 80_000


def test_the_processes_of_a_worker_share_the_room_for_answers_of_dns(settings):
    for workers in (2, 5):
        settings.Q_CLUSTER = {**settings.Q_CLUSTER, "workers": workers}
        assert workers * net_config().dns_cache_bytes <= DNS_CACHE_BYTES
