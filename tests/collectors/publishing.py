"""Publishing the records of a fix in a zone, exactly as they stand there, as its reader would."""

from collectors.text import show_bytes


def published(names, records):
    """The names of a zone with these fix records carried out.

    Fails where `current` is not what stands there, and where something stands beside an alias.
    """
    zone = {
        name: {rdtype: list(values) for rdtype, values in types.items()}
        for name, types in names.items()
    }
    for record in records:
        values = zone.setdefault(record.name, {}).setdefault(record.type, [])
        if record.action == "add":
            assert record.current is None, record
            values.append(record.value)
            continue
        at = next(
            (i for i, v in enumerate(values) if _text(record.type, v) == record.current), None
        )
        assert at is not None, f"{record.current!r} is not published: {values}"
        values[at : at + 1] = [] if record.action == "remove" else [record.value]
        if not values:
            del zone[record.name][record.type]
    zone = {name: types for name, types in zone.items() if types or not names.get(name, True)}
    beside = [name for name, types in zone.items() if "CNAME" in types and len(types) > 1]
    assert not beside, f"records beside an alias (RFC 1034, 3.6.2): {beside}"
    return zone


def _text(rdtype, value):
    if rdtype == "MX":
        preference, host = value.split() if isinstance(value, str) else value
        return f"{preference} {host.rstrip('.').lower() or '.'}"
    if rdtype == "CNAME":
        return value.rstrip(".").lower()
    joined = "".join(value) if isinstance(value, list) else value
    return show_bytes(joined.encode("latin-1"))
