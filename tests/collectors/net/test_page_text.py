"""The text and title of a page, of any charset and in linear time."""

from collectors.net.page_text import page_text, page_title


def test_a_title_is_found_in_linear_time_and_shown_bounded():
    assert page_title("<TITLE lang=en>\n Carbonio &amp; more\t</TITLE>") == "Carbonio & more"
    assert page_title("<title" * 100_000) == ""
    assert page_title("no title") == ""
    assert len(page_title("<title>" + "x" * 400)) < 300
    assert page_text(b"\xff\xfea\0b\0") == "ab"


def test_a_page_in_ascii_that_calls_itself_utf_16_is_read_nevertheless():
    page = b"<meta charset=utf-16><title>Welcome to nginx!</title>"
    assert page_title(page_text(page)) == "Welcome to nginx!"
    assert (
        page_title(page_text("<title>ã".encode("utf-16-le"), "text/html; charset=utf-16le")) == "ã"
    )
