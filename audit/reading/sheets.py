"""Cells of sheets that people open: what begins as a formula is text."""

import re
from typing import TypeVar

Cell = TypeVar("Cell")

FORMULA = ("=", "+", "-", "@", "\t", "\r", "\n")
CONTROLS = re.compile(r"[\x00-\x08\x0b-\x1f]")  # what neither a line nor an XLSX cell holds


def safe_cell(value: Cell) -> Cell | str:
    """A cell that no spreadsheet takes for a formula: an apostrophe before what could start one, no
    control characters.
    """
    if not isinstance(value, str):
        return value
    text = CONTROLS.sub(lambda c: c[0] if c[0] in "\t\r" else "", value)
    return f"'{text}" if text.startswith(FORMULA) else text
