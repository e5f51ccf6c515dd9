"""Cookies within a visit (RFC 6265, sections 5.1.4, 5.3 and 5.4)."""

import pytest

from collectors.net.cookies import MAX_BYTES, MAX_COOKIES, VisitCookies


def after(*lines, host="a.test", path="/", sent_to="a.test", sent_path="/"):
    cookies = VisitCookies()
    cookies.keep(host, path, lines)
    return cookies.header(sent_to, sent_path)


@pytest.mark.parametrize(
    ("line", "sent"),
    [
        ("a=1", "a=1"),
        ("a=1; Path=/; HttpOnly; Secure; SameSite=Lax", "a=1"),
        (' a = "1 2" ;path=/', 'a="1 2"'),
        ("bare", "bare"),
        ("a=1; Max-Age=60", "a=1"),
        ("a=1; Max-Age=0", ""),
        ("a=1; Max-Age=-1", ""),
        ("a=1; Expires=Thu, 01 Jan 1970 00:00:00 GMT", ""),
        ("a=1; Expires=Thu, 01 Jan 2099 00:00:00 GMT", "a=1"),
        ("a=1; Expires=nonsense", "a=1"),
        ("a=\x01b", ""),
        ("a=\xe9", ""),
        ("a=b\r\nX: y", ""),
        ("a=" + "x" * 5000, ""),
        ("", ""),
    ],
)
def test_a_cookie_is_sent_back_as_it_may_be(line, sent):
    assert after(line) == sent


def test_a_cookie_goes_to_its_host_alone_whatever_domain_says():
    assert after("a=1; Domain=test", sent_to="b.test") == ""
    assert after("a=1; Domain=.a.test", sent_to="www.a.test") == ""


@pytest.mark.parametrize(
    ("line", "path", "sent_path", "sent"),
    [
        ("a=1", "/x/y", "/x/z", "a=1"),
        ("a=1", "/x/y", "/z", ""),
        ("a=1; Path=/x", "/", "/x/y", "a=1"),
        ("a=1; Path=/x", "/", "/xy", ""),
        ("a=1; Path=relative", "/x/y", "/x/z", "a=1"),
    ],
)
def test_a_cookie_goes_to_its_path(line, path, sent_path, sent):
    assert after(line, path=path, sent_path=sent_path) == sent


def test_a_later_one_of_the_same_name_replaces_it_and_longer_paths_come_first():
    assert after("a=1", "a=2") == "a=2"
    assert after("a=1", "a=; Max-Age=0") == ""
    assert after("a=1; Path=/", "b=2; Path=/x", sent_path="/x") == "b=2; a=1"


def test_what_is_kept_and_sent_is_bounded():
    many = [f"n{n}=" + "v" * 1000 for n in range(100)]
    cookies = VisitCookies()
    for _turn in range(5):
        cookies.keep("a.test", "/", tuple(many))
    assert len(cookies.header("a.test", "/")) <= MAX_BYTES
    assert len(cookies._kept) <= MAX_COOKIES
