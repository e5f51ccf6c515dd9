"""How the name servers of a zone stand to a record of a report."""

from typing import Any

from django import template

register = template.Library()


@register.filter
def on_servers(again: Any, record: Any) -> Any:
    """The `RecordSeen` of a record of the report; None where its servers were not asked about it,
    or nobody checked again. `again`: a `CheckedAgain` or None.
    """
    return again.records.get(record.key) if again else None
