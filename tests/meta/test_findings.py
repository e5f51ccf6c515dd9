"""Every finding is documented, tested and translated."""

import re
import string

from .source import ROOT, finding_codes, sentences


def test_every_code_has_its_heading_in_the_docs_and_no_heading_is_left_over():
    headings = re.findall(r"^#### `([a-z0-9_]+)`", (ROOT / "docs/checks.md").read_text(), re.M)
    assert len(headings) == len(set(headings)), "a heading stands twice"
    assert set(headings) == finding_codes()


def test_every_code_is_shown_by_a_test():
    tests = "".join(path.read_text() for path in (ROOT / "tests").rglob("test_*.py"))
    missing = {code for code in finding_codes() if not re.search(rf"\b{code}\b", tests)}
    assert not missing


def test_every_check_has_its_heading_in_the_docs():
    from collectors.catalogue import CHECKS

    text = (ROOT / "docs/checks.md").read_text()
    assert re.findall(r"^## `([a-z_]+)`", text, re.M) == list(CHECKS)


def places(text):
    return {field for _literal, field, _spec, _conversion in string.Formatter().parse(text) if field is not None}


def test_every_sentence_of_the_collectors_is_translated_with_the_same_places():
    import gettext

    with (ROOT / "locale/pt/LC_MESSAGES/django.mo").open("rb") as file:
        catalogue = gettext.GNUTranslations(file)
    for sentence in sentences():
        said = catalogue.gettext(sentence)
        assert said != sentence or sentence in SAME, f"not translated: {sentence}"
        assert places(said) == places(sentence), sentence


# The same in both languages.
SAME = {"SPF", "DKIM", "DMARC", "Carbonio", "Webmail", "Ed25519", "RSA, {bits} bits", "{mx}", "{first} {second}"}
