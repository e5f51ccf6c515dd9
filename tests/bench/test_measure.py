"""Measuring: processor time counts children, living and dead, and waiting counts nothing."""

import subprocess
import sys

from bench.measure import at_least, at_most, cpu_seconds, pss_mb, spread

BUSY = "import time\nwhile time.process_time() < 0.6: pass\n"
PARENT = """
import subprocess, sys
code = {busy!r}
subprocess.run([sys.executable, "-c", code], check=True)
child = subprocess.Popen([sys.executable, "-c", code + "print('ready', flush=True); input()"],
                         stdin=subprocess.PIPE)
input()
"""


def test_processor_time_counts_children_that_live_and_that_have_ended():
    command = [sys.executable, "-c", PARENT.format(busy=BUSY)]
    with subprocess.Popen(
        command, stdin=subprocess.PIPE, stdout=subprocess.PIPE, text=True
    ) as parent:
        assert parent.stdout.readline() == "ready\n"
        assert 1.15 <= cpu_seconds(parent.pid) < 2.5
        assert pss_mb(parent.pid) > 5
        parent.communicate("\n")


def test_goals_are_judged():
    assert at_most("x", "", 1.5, 1.5).reached
    assert not at_most("x", "", 1.51, 1.5).reached
    assert at_least("x", "", 1.8, 1.8).reached
    assert not at_least("x", "", 1.79, 1.8).reached
    assert spread([3.0, 1.0, 2.0], " ms") == "2 ms (1 to 3, n = 3)"
