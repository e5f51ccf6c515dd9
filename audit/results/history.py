"""What the history of a check keeps of the evidence: what differs, and of a flapping zone not more
than a disk can bear."""

import json
from typing import Any

from django.db.models import QuerySet

from audit.results.json_text import json_text
from collectors.stored import Evidence

SIDE_BYTES = 4_000  # of evidence before, and of evidence after
WITH_EVIDENCE = 50  # transitions of a domain, or of a server, that keep it
TRANSITIONS = 2_000  # of a domain, or of a server


def differing_evidence(before: Evidence, after: Evidence) -> tuple[Evidence, Evidence]:
    """Of two evidences what only one has, or has otherwise, each in at most SIDE_BYTES.

    Of lists of objects (lookups, the rows of a tree) those objects that the other list has not.
    """
    nothing = object()
    names = [n for n in {**before, **after} if before.get(n, nothing) != after.get(n, nothing)]
    one = {n: before[n] for n in names if n in before}
    other = {n: after[n] for n in names if n in after}
    for name in one.keys() & other.keys():
        if _is_objects(one[name]) and _is_objects(other[name]):
            one[name], other[name] = _only(one[name], other[name]), _only(other[name], one[name])
    return _cut(one), _cut(other)


def _is_objects(value: object) -> bool:
    return isinstance(value, list) and all(isinstance(item, dict) for item in value)


def _only(items: list[Evidence], others: list[Evidence]) -> list[Evidence]:
    """Those of the items that the others have not."""
    had = {json_text(item) for item in others}
    return [item for item in items if json_text(item) not in had]


def _cut(evidence: Evidence) -> Evidence:
    """These parts, small ones first; one with no room left is the beginning of its JSON text."""
    kept: Evidence = {}
    left = SIDE_BYTES
    texts = {n: json.dumps(v, ensure_ascii=False, default=str) for n, v in evidence.items()}
    sizes = {name: len(text.encode(errors="replace")) for name, text in texts.items()}
    for name in sorted(sizes, key=lambda name: sizes[name]):
        size = sizes[name]
        if size <= left:
            kept[name] = evidence[name]
        else:
            kept[name] = f"{texts[name][: max(left, 0) // 4]}… [{size} bytes]"
            size = len(kept[name].encode(errors="replace"))
        left -= size
    return {name: kept[name] for name in evidence}


def bound_history(rows: QuerySet[Any]) -> None:
    """Let the old ones of these transitions, of one domain or tenant, go, and before that their
    evidence."""
    model, keys = rows.model._default_manager, rows.order_by("-pk").values_list("pk", flat=True)
    model.filter(pk__in=list(keys[TRANSITIONS : TRANSITIONS + 100])).delete()
    older = model.filter(pk__in=list(keys[WITH_EVIDENCE : WITH_EVIDENCE + 100]))
    older.exclude(evidence_before={}, evidence_after={}).update(
        evidence_before={}, evidence_after={}
    )
