"""Guessing passwords: a name counts however it is spelled, an address for all names, and nobody is
locked out by what others try.
"""

import random
import sys
import unicodedata

import pytest
from django.contrib.auth.forms import AuthenticationForm
from django.test import Client, RequestFactory

from audit.access import throttle
from audit.access.sign_in import NAME, fold
from audit.access.throttle import peer
from tests.audit.factories import make_operator

pytestmark = pytest.mark.django_db
RIGHT = "correct horse battery"
BLANKS = [chr(n) for n in range(sys.maxunicode + 1) if chr(n).isspace()]


def sign_in(name, password="wrong", *, address="192.0.2.7", client=None, path="/login/", **extra):
    """The status that a sign-in is answered with; by default by a browser that nobody knows."""
    fields = {"username": name, "password": password}
    return (client or Client()).post(path, fields, REMOTE_ADDR=address, **extra).status_code


def spellings(name, count, seed=1):
    """Different texts that Django's login form takes for `name`: every letter by any character
    that NFKC makes it of, any blanks at the ends, composed or not.
    """
    same = {char: [char] for char in name}
    for number in range(sys.maxunicode + 1):
        char = chr(number)
        if (plain := unicodedata.normalize("NFKC", char)) in same and plain != char:
            same[plain].append(char)
    pick, found = random.Random(seed), set()
    field = AuthenticationForm().fields["username"]
    while len(found) < count:
        text = "".join(pick.choice(same[char]) for char in name)
        if pick.random() < 0.3:
            text = unicodedata.normalize("NFD", text)
        ends = ["".join(pick.choices(BLANKS, k=pick.choice([0, 0, 1, 3, 200]))) for _ in "ab"]
        text = ends[0] + text + ends[1]
        if field.clean(text) == name:
            found.add(text)
    return sorted(found)


@pytest.mark.parametrize("path", ["/login/", "/admin/login/"])
@pytest.mark.parametrize("name", ["ana.silva-7", "josé"])
def test_a_name_is_one_name_however_it_is_spelled(name, path):
    """Case 189."""
    make_operator(name)
    found = spellings(name, 60)
    assert len({text.strip() for text in found}) > 40
    for text in found[:20]:
        assert sign_in(text, path=path) == 200
    for text in [*found[20:], name]:
        assert sign_in(text, RIGHT, path=path) == 429, ascii(text)
    assert sign_in(found[-1], RIGHT, path=path, address="192.0.2.8") == 302, "it is that name"


@pytest.mark.parametrize(
    "text",
    [
        "  ana", "ana\u3000", "ａｎａ", "𝐚𝐧𝐚", "ANA", "Ana", "a\u200bna", "\ufeffana", "ana\0",
        "a\u00adna", "ªnª", "\u202eana", "a na", " " * 200 + "ana",
    ],
)  # fmt: skip
def test_nor_does_anything_that_looks_like_it_begin_anew(text):
    """Case 189."""
    make_operator("ana")
    for _try in range(20):
        assert sign_in(text) == 200
    assert sign_in("ana", RIGHT) == 429


def test_a_fold_is_the_same_for_whatever_django_takes_for_one_name():
    """Case 189."""
    field = AuthenticationForm().fields["username"]
    for number in range(1, sys.maxunicode + 1):
        char = chr(number)
        if not 0xD800 <= number <= 0xDFFF and not char.isspace():
            assert fold(char) == fold(field.clean(char)), hex(number)


@pytest.mark.parametrize("path", ["/login/", "/admin/login/"])
def test_one_address_may_not_try_sixty_names(path):
    """Case 211."""
    make_operator("ana")
    answers = [sign_in(f"name{n}", path=path) for n in range(60)]
    assert answers == [200] * 50 + [429] * 10
    assert sign_in("ana", RIGHT, path=path) == 429
    assert sign_in("ana", RIGHT, path=path, address="192.0.2.8") == 302


def test_a_right_password_of_ones_own_does_not_buy_more_tries():
    """Case 211."""
    make_operator("eve")
    for n in range(49):
        assert sign_in(f"name{n}") == 200
        assert n % 10 or sign_in("eve", RIGHT) == 302
    assert sign_in("x") == 200
    assert sign_in("y") == 429


def test_tries_of_a_name_that_has_to_wait_do_not_lock_its_address():
    """Case 211."""
    make_operator("ana")
    for _try in range(200):
        sign_in("bea")
    assert sign_in("bea") == 429
    assert sign_in("ana", RIGHT) == 302


def test_no_number_of_addresses_locks_a_name_at_another_one():
    """Case 211: each new address has fewer tries then."""
    make_operator("ana")
    addresses = [f"198.51.100.{n}" for n in range(1, 30)]
    given = dict.fromkeys(addresses, 0)
    for _try in range(20):
        for address in addresses:
            given[address] += sign_in("ana", address=address) == 200
    assert NAME.tries <= sum(given.values()) <= NAME.tries + 3 * len(addresses)
    late = [sign_in("ana", address="203.0.113.5") for _try in range(4)]
    assert late == [200, 200, 200, 429]
    assert sign_in("ana", RIGHT, address="192.0.2.7") == 302


def test_a_browser_that_is_known_is_not_locked_by_its_own_address():
    """Case 211: behind one address there may be many people, and one of them evil."""
    make_operator("ana")
    known = Client()
    assert sign_in("ana", RIGHT, client=known) == 302
    known.post("/logout/")
    for n in range(100):
        sign_in("ana")
        sign_in(f"name{n}")
    assert sign_in("ana") == sign_in("bea") == 429
    assert sign_in("ana", RIGHT, client=known) == 302
    known.post("/logout/")
    for _try in range(20):
        assert sign_in("ana", client=known) == 200
    assert sign_in("ana", RIGHT, client=known) == 429, "nor may it try for ever"


def test_a_browser_is_known_for_the_name_that_signed_in_alone():
    """Case 211."""
    make_operator("ana")
    make_operator("eve")
    known = Client()
    assert sign_in("eve", RIGHT, client=known) == 302
    known.post("/logout/")
    answers = [sign_in("ana", client=known) for _try in range(21)]
    assert answers == [200] * 20 + [429]
    kept = known.cookies["device"].value
    for forged in (kept[:-1] + "x", "x", "", kept.replace("W", "X", 1), "ana", '["ana","x"]'):
        stranger = Client()
        stranger.cookies["device"] = forged
        assert sign_in("ana", client=stranger) == 429


@pytest.mark.parametrize(
    ("one", "other", "same"),
    [
        ("2001:db8::1", "2001:DB8:0:0:ffff::2", True),
        ("2001:db8::1", "2001:db8:0:1::1", False),
        ("::ffff:192.0.2.1", "192.0.2.1", True),
        ("::ffff:192.0.2.1", "::ffff:192.0.2.2", False),
        ("fe80::1%eth0", "fe80::2", True),
    ],
)
def test_ipv6_counts_by_its_64_and_ipv4_by_itself(one, other, same):
    """Case 211."""
    requests = [RequestFactory().get("/", REMOTE_ADDR=address) for address in (one, other)]
    assert (peer(requests[0]) == peer(requests[1])) == same
    for _try in range(20):
        sign_in("ana", address=one)
    assert sign_in("ana", address=other) == (429 if same else 200)


@pytest.mark.parametrize("form", ["192.0.2.1:{}", "[2001:db8::1]:{}"])
def test_a_port_beside_a_forwarded_address_does_not_count(settings, form):
    """Case 211."""
    settings.PROXIES = 1
    for port in range(20):
        sign_in("ana", headers={"X-Forwarded-For": f"10.0.0.1, {form.format(5000 + port)}"})
    assert sign_in("ana", headers={"X-Forwarded-For": form.format(9)}) == 429


def test_it_counts_for_itself_while_the_shared_cache_is_away(monkeypatch):
    """Case 211."""

    class Away:
        def __getattr__(self, name):
            raise ConnectionError

    def caches(alias, real=throttle.caches):
        return Away() if alias == "default" else real[alias]

    monkeypatch.setattr(
        throttle, "caches", type("Caches", (), {"__getitem__": lambda self, a: caches(a)})()
    )
    make_operator("ana")
    for _try in range(20):
        assert sign_in("ana") == 200
    assert sign_in("ana", RIGHT) == 429
    assert sign_in("ana", RIGHT, address="192.0.2.8") == 302
