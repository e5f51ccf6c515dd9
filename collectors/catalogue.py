"""All checks, in the order in which they are shown. Import `CHECKS` from here where the whole list is needed."""

from . import dns, vm112, webmail
from .base import CHECKS, core_checks

for _module in (vm112, dns, webmail):  # their order, whichever of them was imported first
    for _check_id in [c.check_id for c in CHECKS.values() if c.function.__module__ == _module.__name__]:
        CHECKS[_check_id] = CHECKS.pop(_check_id)

__all__ = ["CHECKS", "core_checks"]
