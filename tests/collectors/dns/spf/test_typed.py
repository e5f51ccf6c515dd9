"""Blanks and letters of an SPF text that another program wrote in its own way."""

import pytest

from collectors.dns.spf.slips import mend, nearly_a_record

BLANKS = ["%20", "&nbsp;", "&#160;", "\\032", "\\ ", "\xc2\xa0", "+"]


@pytest.mark.parametrize("blank", BLANKS)
def test_a_blank_that_was_written_in_another_way_is_one(blank):
    words = ["v=spf1", "ip4:192.0.2.1", "include:mailgun.test", "-all"]
    assert (
        mend(*nearly_a_record(blank.join(words).encode("latin-1"))).text
        == "v=spf1 ip4:192.0.2.1 include:mailgun.test -all"
    )


NAMES = [
    ("include:m\xfcller.test ip4:192.0.2.\uff17", "include:xn--mller-kva.test ip4:192.0.2.7"),
    ("a:\u043f\u043e\u0447\u0442\u0430.test", "a:xn--80a1acny.test"),
]


@pytest.mark.parametrize(("text", "wanted"), NAMES)
def test_a_name_in_another_script_becomes_an_a_label(text, wanted):
    assert mend(f"v=spf1 {text} -all".encode().decode("latin-1")).text == f"v=spf1 {wanted} -all"


def test_letters_that_only_look_like_a_mechanism_are_not_guessed_at():
    assert mend("v=spf1 \u0430 mx -all".encode().decode("latin-1")) is None
