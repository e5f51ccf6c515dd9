"""All checks, in the order in which they are shown. Import `CHECKS` from here where the whole list is needed."""

from . import vm112  # isort: skip
from . import dns  # isort: skip
from . import webmail  # isort: skip
from .base import CHECKS, core_checks

__all__ = ["CHECKS", "core_checks", "dns", "vm112", "webmail"]
