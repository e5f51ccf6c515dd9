"""Every finding is documented, tested and translated."""

import re
import string

import pytest

from tests.meta.source import ROOT, catalogue, finding_codes, sentences


def test_every_code_has_its_heading_in_the_docs_and_no_heading_is_left_over():
    headings = re.findall(r"^#### `([a-z0-9_]+)`", (ROOT / "docs/checks.md").read_text(), re.M)
    assert len(headings) == len(set(headings)), "a heading stands twice"
    assert set(headings) == finding_codes()


def test_every_code_has_its_title_and_no_title_is_left_over():
    from collectors.titles import TITLES

    assert set(TITLES) == finding_codes()


def test_every_code_is_shown_by_a_test():
    tests = "".join(path.read_text() for path in (ROOT / "tests").rglob("test_*.py"))
    missing = {code for code in finding_codes() if not re.search(rf"\b{code}\b", tests)}
    assert not missing


def test_every_check_has_its_heading_in_the_docs():
    from collectors.registry import CHECKS

    text = (ROOT / "docs/checks.md").read_text()
    assert re.findall(r"^## `([a-z_]+)`", text, re.M) == list(CHECKS)


def places(text):
    return {
        field
        for _literal, field, _spec, _conversion in string.Formatter().parse(text)
        if field is not None
    }


@pytest.mark.parametrize("locale", [path.name for path in (ROOT / "locale").iterdir()])
def test_every_sentence_of_the_collectors_is_translated_with_the_same_places(locale):
    said = catalogue(locale)
    for sentence in sentences():
        text = said.get((sentence, 0), sentence)
        assert text != sentence or sentence in SAME, f"not translated: {sentence}"
        assert places(text) == places(sentence), sentence


# The same in every language.
SAME = {
    "SPF",
    "DKIM",
    "DMARC",
    "Carbonio",
    "Webmail",
    "Portal",
    "SMTP",
    "Proxy",
    "Ed25519",
    "RSA, {bits} bits",
    "{mx}",
    "{said}.",
    "{first} {second}",
    "{text} {why}",
}
