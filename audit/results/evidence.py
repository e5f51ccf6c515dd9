"""Parts of stored evidence. It may be of an earlier version, cut, or a hostile zone's: what has not
the expected shape is read as nothing. Pure."""

from typing import Any


def dict_of(value: object) -> dict[str, Any]:
    """An object; {} for anything else."""
    return value if isinstance(value, dict) else {}


def dicts_of(value: object) -> list[dict[str, Any]]:
    """The objects of a list; a list that was cut ends with a text, which is left out."""
    return [v for v in value if isinstance(v, dict)] if isinstance(value, list) else []


def texts_of(value: object) -> list[str]:
    """The texts of a list."""
    return [v for v in value if isinstance(v, str)] if isinstance(value, list) else []
