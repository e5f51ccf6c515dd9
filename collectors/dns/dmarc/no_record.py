"""What is to be said where no record of the domain's own counts: none, several, broken, misplaced.

Pure; without fixes (`fix.py`).
"""

from collections.abc import Sequence

from collectors.base import Finding, fail
from collectors.dns.dmarc.findings import AppliedRecord
from collectors.text import _, show_bytes


def missing_record(name: str, domain: str, texts: Sequence[bytes]) -> Finding:
    """Nothing applies to the domain; `texts`: what else stands in the record's place."""
    if texts:
        message = _(
            "None of the TXT records at {name} is a DMARC record: {text}. Anyone can send mail in "
            "the name of {domain}, and receivers are not told what to do with it. Publish a DMARC "
            "record.",
            name=name,
            text=shown(texts),
            domain=domain,
        )
    else:
        message = _(
            "There is no DMARC record at {name}. Anyone can send mail in the name of {domain}, and "
            "receivers are not told what to do with it. Publish a DMARC record.",
            name=name,
            domain=domain,
        )
    return fail("dmarc_missing", message)


def several_records(name: str, count: int, applied: AppliedRecord | None) -> Finding:
    """Several records at the domain; `applied`: the one above it that holds instead, if any."""
    if applied and applied.record.usable:
        tag, policy = applied.effect
        message = _(
            "There are {count} DMARC records at {name}. Receivers ignore them all; what applies is "
            "the record at {above}, with {tag}={policy}. Keep a single one.",
            count=count,
            name=name,
            above=applied.name,
            tag=tag,
            policy=policy,
        )
    else:
        message = _(
            "There are {count} DMARC records at {name}. Receivers ignore them all, so the domain "
            "is not protected. Keep a single one.",
            count=count,
            name=name,
        )
    return fail("dmarc_multiple", message)


def broken_record(name: str, texts: Sequence[bytes], applied: AppliedRecord | None) -> Finding:
    """What stands in the record's place was meant to be one, and is none.

    `applied`: the record above the domain that holds instead, if any.
    """
    message = _(
        "The text at {name} does not begin with exactly “v=DMARC1;”, so receivers ignore it: "
        "{text}. Publish it as shown in the fix.",
        name=name,
        text=shown(texts),
    )
    if applied and applied.record.usable:
        tag, policy = applied.effect
        until = _(
            "Until then what applies is the record at {above}, with {tag}={policy}.",
            above=applied.name,
            tag=tag,
            policy=policy,
        )
        message = _("{first} {second}", first=message, second=until)
    return fail("dmarc_syntax", message)


def misplaced_record(name: str, wrong: str) -> Finding:
    """The record stands where nobody looks for it."""
    message = _(
        "The DMARC record is at {wrong}, where receivers do not look, so the domain is not "
        "protected. It belongs at {name}.",
        wrong=wrong,
        name=name,
    )
    return fail("dmarc_misplaced", message)


def shown(texts: Sequence[bytes]) -> str:
    """TXT records as they can be shown in a message, the first three of them."""
    return ", ".join(f"“{show_bytes(t)[:200]}”" for t in texts[:3])
