"""What a portal said is kept beside its time, and the keys that it named are not forgotten."""

from datetime import UTC, datetime

from audit.models.portal_facts import merge_facts, remembered_facts
from collectors.standards.dkim import parse_key
from tests.collectors import dkim_keys as keys

AT = datetime(2026, 11, 26, tzinfo=UTC)
ONE, OTHER = keys.spki(), keys.spki(name="other")


def said(stored, key):
    dkim = key and {"selector": "s1", "public_key": key}
    return merge_facts(stored, {"dkim": dkim}, AT)


def test_the_keys_that_a_server_signed_with_are_kept_also_while_it_has_none():
    stored = said(said(said({}, ONE), None), OTHER)
    facts = remembered_facts(stored)
    assert (facts.dkim["public_key"], facts.dkim_at) == (OTHER, AT)
    assert facts.keys_seen == (parse_key(OTHER).fingerprint, parse_key(ONE).fingerprint)


def test_facts_of_before_that_was_kept_have_no_keys_seen():
    stored = {"dkim": {"selector": "s1", "public_key": ONE}, "dkim_at": AT.isoformat()}
    assert remembered_facts(stored).keys_seen == ()
    assert remembered_facts(merge_facts(stored, {"certificate": "PEM"}, AT)).keys_seen == ()
