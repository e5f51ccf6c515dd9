"""The reader of portals' answers, held to the contract: what keeps docs/portal.openapi.yaml is
read, what breaks it is refused."""

import json
from functools import cache

import pytest
from django.conf import settings as django_settings
from hypothesis import HealthCheck, given, settings
from hypothesis import strategies as st

from collectors.net.portal_answers import InvalidPortalAnswer, read_answer
from collectors.net.session import NetConfig
from tests import portal_contract as contract
from tests.collectors.vm112.portal_checks import CARBONIO, ask

DOMAIN = "kunde.test"
KINDS = sorted(contract.PATHS)
FIELDS = {  # what an answer is made of; whatever is not named is passed over
    "carbonio": {"status", "services", "accounts", "dkim"},
    "nginx": {"vhost", "server_names", "tls", "config_ok", "running"},
    "certificate": {"pem"},
    "domains": {"domains"},
}
fuzz = settings(
    max_examples=150,
    deadline=None,
    suppress_health_check=[HealthCheck.too_slow, HealthCheck.filter_too_much],
)


@cache
def validator(what, status="200"):
    return contract.validator(what, status)


def read(what, answer, status=200):
    """What the reader makes of it; None where it refuses it."""
    text = answer if answer is None or isinstance(answer, str) else json.dumps(answer)
    try:
        return read_answer(what, status, text, DOMAIN)
    except InvalidPortalAnswer as refusal:
        assert str(refusal.message)
        return None


def about_ours(answer):
    """The answer as of the domain that was asked about."""
    if isinstance(answer, dict) and isinstance(answer.get("domain"), str):
        return {**answer, "domain": DOMAIN}
    return answer


def refused_by_the_check(answer):
    """Whether the check `carbonio` refuses what the reader takes: a status that nobody knows, or no
    service at all. See test_what_the_reader_leaves_to_the_check_is_refused_there."""
    known = validator("carbonio").is_valid({**answer, "services": {"mta": "running"}})
    return answer["services"] == {} or not known


def test_the_paths_are_those_of_the_contract():
    assert NetConfig().portal_paths == contract.PATHS
    assert django_settings.AUDIT_PORTAL_PATHS == contract.PATHS


@pytest.mark.parametrize("what", KINDS)
def test_every_example_keeps_its_schema_and_is_read(what):
    for example in contract.examples(what):
        validator(what).validate(example)
        assert read(what, example)
    for status in ("404", "503"):
        for example in contract.examples(what, status):
            validator(what, status).validate(example)
    for example in contract.examples(what, "404"):
        detail = "" if what == "domains" else example["detail"]
        assert read(what, example, 404) == ({}, detail)


@pytest.mark.parametrize("what", KINDS)
def test_what_keeps_the_schema_is_read(what):
    @fuzz
    @given(contract.answers(what, kept=True))
    def holds(answer):
        answer = about_ours(answer)
        data, _detail = read(what, answer)
        assert set(data) <= FIELDS[what]
        if what == "domains":
            assert data == {"domains": [entry["domain"] for entry in answer["domains"]]}
        else:
            assert data == {name: answer[name] for name in data} | (
                {"dkim": answer["dkim"] and data["dkim"]} if what == "carbonio" else {}
            )

    holds()


@pytest.mark.parametrize("what", KINDS)
def test_what_breaks_the_schema_is_refused(what):
    @fuzz
    @given(contract.answers(what, kept=False).filter(lambda answer: not isinstance(answer, bytes)))
    def holds(answer):
        answer = about_ours(answer)
        if validator(what).is_valid(answer):
            return
        found = read(what, answer)
        assert found is None or (what == "carbonio" and refused_by_the_check(found[0]))

    holds()


@pytest.mark.parametrize(
    ("what", "change", "kept"),
    [
        ("carbonio", {"accounts": 2**53 - 1}, True),
        ("carbonio", {"accounts": 2**53}, False),
        ("carbonio", {"accounts": 12.0}, True),
        ("carbonio", {"accounts": 12.5}, False),
        ("carbonio", {"accounts": -1}, False),
        ("carbonio", {"accounts": True}, False),
        ("carbonio", {"services": {str(n): "running" for n in range(1000)}}, True),
        ("carbonio", {"services": {str(n): "running" for n in range(1001)}}, False),
        ("carbonio", {"dkim": {"selector": "s1", "public_key": "MIIB"}}, True),
        ("carbonio", {"dkim": {"selector": "", "public_key": "MIIB"}}, False),
        ("carbonio", {"dkim": {"selector": "s1", "public_key": ""}}, False),
        ("nginx", {"server_names": ["a.test"] * 1000}, True),
        ("nginx", {"server_names": ["a.test"] * 1001}, False),
        ("domains", {"domains": []}, True),
        ("domains", {"domains": [{"domain": "a.test", "type": None}]}, False),
        ("domains", {"domains": ["a.test"]}, False),
        ("domains", {"domains": {"a.test": "local"}}, False),
    ],
)
def test_the_reader_and_the_schema_have_the_same_limits(what, change, kept):
    answer = {**contract.examples(what)[0], **change}
    assert validator(what).is_valid(answer) is kept
    assert (read(what, answer) is not None) is kept


@pytest.mark.parametrize("detail", ["", None, [], {}])
def test_a_404_that_says_nothing_is_no_word_that_it_is_not_there(detail):
    for what in set(KINDS) - {"domains"}:
        assert not validator(what, "404").is_valid({"detail": detail})
        assert read(what, {"detail": detail}, 404) is None


@pytest.mark.parametrize("change", [{"status": "deleted"}, {"status": ""}, {"services": {}}])
def test_what_the_reader_leaves_to_the_check_is_refused_there(change):
    answer = {**CARBONIO, **change}
    assert not validator("carbonio").is_valid(answer)
    result = ask("carbonio", {"json": answer})
    assert [finding.code for finding in result.findings] == ["portal_bad_response"]
    assert result.status == "unknown"


@pytest.mark.parametrize("what", KINDS)
@given(text=st.none() | st.text(max_size=30) | st.sampled_from(["{", "[]", "NaN", "[" * 9999]))
@settings(max_examples=40, deadline=None)
def test_what_is_no_json_object_is_refused(what, text):
    for status in (200,) if what == "domains" else (200, 404):
        found = read(what, text, status)
        assert found is None or isinstance(json.loads(text), dict)


@pytest.mark.parametrize("what", [kind for kind in KINDS if kind != "domains"])
def test_an_answer_about_another_domain_is_refused(what):
    """Case 127."""
    example = contract.examples(what)[0]
    assert read(what, {**example, "domain": "KUNDE.test."})
    for other in ("andere.test", "", 5, None, [DOMAIN]):
        assert read(what, {**example, "domain": other}) is None


@pytest.mark.parametrize("what", KINDS)
def test_a_404_counts_only_with_a_detail_and_of_the_list_always(what):
    for answer in ({}, [], "not found", None):
        assert (read(what, answer, 404) is not None) is (what == "domains")
