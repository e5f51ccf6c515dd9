"""Titles are short, and go on behind the name of a check and a colon."""

from collectors.titles import TITLES

LONGEST = 50  # characters: a line of a table, with the name of the check, in about 60


def test_a_title_is_short_and_no_sentence():
    for code, title in TITLES.items():
        assert len(title) <= LONGEST, code
        assert not title.endswith(".") and not title.params, code
        assert title[0].islower() or title.split()[0] in ("DNS", "URL"), code
