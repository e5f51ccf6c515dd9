"""Text that fits, and HTML that holds what it is given."""

from audit.notify import layout
from audit.notify.words import Message, Section


def message(**fields):
    return Message(**{"subject": "Subject", "title": "Title", "tone": "bad", **fields})


def test_values_stand_beside_their_labels_and_go_on_below_themselves():
    text = layout.text(message(table=[("Who acts", "we"), ("Domains", "name " * 30)]))
    lines = text.splitlines()
    assert lines[2] == "Who acts  we"
    assert lines[3].startswith("Domains   name") and lines[4].startswith("          name")
    assert max(map(len, lines)) <= layout.WIDTH


def test_only_one_long_word_is_longer_than_the_width_and_stays_whole():
    link = "https://audit.example.com/" + "x" * 100
    text = layout.text(message(link=link, reason="word " * 40))
    assert link in text.splitlines()
    assert [line for line in text.splitlines() if len(line) > layout.WIDTH] == [link]


def test_lists_have_their_heading_and_say_what_they_leave_out():
    text = layout.text(message(sections=[Section("New (3)", ["one", "two"], "and 1 more")]))
    assert "New (3)\n- one\n- two\n  and 1 more\n" in text


def test_the_footer_is_a_signature_that_services_do_without():
    said = message(footer=["Sent by Ligbox Audit."])
    assert layout.text(said).endswith("\n-- \nSent by Ligbox Audit.\n")
    assert layout.text(said, greeting=False) == "\n"


def test_html_escapes_all_that_it_is_given():
    """Case 242."""
    nasty = "<img src=x onerror=alert(1)>\"'&"
    html = layout.html(
        message(
            subject=nasty,
            title=nasty,
            reason=nasty,
            table=[(nasty, nasty)],
            sections=[Section(nasty, [nasty], nasty)],
            todo=nasty,
            link=nasty,
            footer=[nasty],
        ),
        "en",
    )
    assert "<img" not in html and "onerror=alert(1)&gt;" in html
    assert 'href="&lt;img' in html
