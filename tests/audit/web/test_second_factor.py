"""The second factor through Django's client: nobody without it, on any face; each code once; the
codes that are shown once; and the ways back in.
"""

import base64
import re
import threading

import pytest
import time_machine
from django.contrib.admin.models import LogEntry
from django.db import connection
from django.test import Client
from django_otp.oath import TOTP

from audit.models import SecondFactor
from tests.audit.factories import bearer, make_admin, make_operator, make_token, make_viewer

pytestmark = pytest.mark.django_db
GIVE, SET_UP = "/second-factor/", "/second-factor/new/"
FACES = ["/", "/board/", "/admin/", "/admin/password_change/", "/api/v1/audit/overview"]
STEP = 30  # seconds


@pytest.fixture
def clock():
    with time_machine.travel("2026-11-24T08:00:00Z", tick=False) as clock:
        yield clock


@pytest.fixture
def superusers(settings, clock):
    settings.SECOND_FACTOR = "superusers"


def password(name="root", client=None, **fields):
    """A client that gave the right password, and the answer."""
    client = client or Client()
    fields = {"username": name, "password": "correct horse battery", **fields}
    return client, client.post("/login/", fields)


def code(key, clock_steps=0):
    """What the phone shows (now, or so many steps of 30 s later)."""
    found = TOTP(base64.b32decode(key))
    found.drift = clock_steps
    return f"{found.token():06}"


def shown_key(client):
    page = client.get(SET_UP).content.decode()
    return re.search(r'class="key">([A-Z2-7 ]+)<', page)[1].replace(" ", "")


def shown_codes(answer):
    return re.findall(r"<li><code>([a-z2-7-]{19})</code>", answer.content.decode())


@pytest.fixture
def root(superusers):
    """An administrator with a second factor: the key and the recovery codes."""
    make_admin("root")
    client, answer = password()
    assert (answer.status_code, answer.url) == (302, GIVE)
    key = shown_key(client)
    answer = client.post(SET_UP, {"code": code(key)})
    codes = shown_codes(answer)
    assert len(set(codes)) == 10 and is_in(client)
    return key, codes


def is_in(client):
    """Whether this client is somebody; one answer for all faces."""
    answers = {client.get(path).status_code for path in FACES}
    assert answers in ({200}, {302, 401}), answers
    return answers == {200}


def test_it_is_off_by_default(settings, client):
    """Case 215."""
    assert settings.SECOND_FACTOR == "off"
    make_admin("root")
    client, answer = password()
    assert answer.url == "/" and is_in(client)
    assert client.get(GIVE).status_code == client.get(SET_UP).status_code == 404


@pytest.mark.parametrize(
    ("who", "setting", "asked"),
    [
        (make_admin, "superusers", True),
        (make_operator, "superusers", False),
        (make_viewer, "superusers", False),
        (make_admin, "staff", True),
        (make_operator, "staff", True),
    ],
)
def test_the_setting_says_who_needs_one(settings, who, setting, asked):
    """Case 215."""
    settings.SECOND_FACTOR = setting
    who("ana")
    client, answer = password("ana")
    assert (answer.url == GIVE) == asked
    if not asked:
        assert client.get("/").status_code == 200 and client.get(GIVE).status_code == 404


def test_a_superuser_without_the_staff_status_is_staff_enough(settings):
    """Case 215."""
    settings.SECOND_FACTOR = "staff"
    user = make_admin("root")
    user.is_staff = False
    user.save()
    assert password()[1].url == GIVE


def test_it_is_set_up_at_the_next_sign_in_and_then_asked_for(root, clock):
    """Case 215."""
    key, _codes = root
    clock.shift(STEP)
    client, answer = password(next="/?status=critical")
    assert answer.url == GIVE + "?next=%2F%3Fstatus%3Dcritical" and not is_in(client)
    assert 'value="/?status=critical"' in client.get(answer.url).content.decode()
    answer = client.post(GIVE, {"code": code(key), "next": "/?status=critical"})
    assert (answer.status_code, answer.url) == (302, "/?status=critical") and is_in(client)


@pytest.mark.parametrize("evil", ["https://evil.example/", "//evil.example", "javascript:alert(1)"])
def test_it_leads_to_no_other_host(root, clock, evil):
    """Case 167."""
    clock.shift(STEP)
    client, answer = password(next=evil)
    assert answer.url == GIVE
    page = client.get(f"{GIVE}?next={evil}").content.decode()
    assert not re.search(r'(?:value|href)="(?:https|//|javascript)', page)
    assert client.post(GIVE, {"code": code(root[0]), "next": evil}).url == "/"


def test_nobody_is_anybody_with_the_password_alone(root):
    """Case 215: also not by asking elsewhere."""
    client, _answer = password()
    for path in [*FACES, SET_UP, "/admin/audit/secondfactor/", "/run/"]:
        answer = client.get(path)
        assert answer.status_code in (302, 401), path
        assert answer.status_code == 401 or "second-factor" in answer.url or "login" in answer.url
    for path in ("/admin/login/", "/login/"):
        assert client.get(path + "?next=/admin/").url == GIVE + "?next=%2Fadmin%2F"
    assert client.post(SET_UP, {"code": "000000"}).url == GIVE, "no new one beside the old one"
    assert client.post("/run-selected/", {"domain": 1}).status_code == 302
    assert SecondFactor.objects.count() == 1 and not is_in(client)
    page = client.get(GIVE).content.decode()
    assert "/admin/" not in page and "/api/v1/docs" not in page


def test_a_session_of_before_the_setting_is_nobody_either(settings):
    """Case 215: nor one of who became an administrator since."""
    user = make_operator("ana")
    client, _answer = password("ana")
    assert client.get("/").status_code == 200
    settings.SECOND_FACTOR = "superusers"
    assert client.get("/").status_code == 200
    user.is_superuser = True
    user.save()
    assert not is_in(client)


def test_the_password_alone_is_forgotten_after_a_quarter_of_an_hour(root, clock):
    """Case 215."""
    client, _answer = password()
    clock.shift(14 * 60)
    assert client.get(GIVE).status_code == 200
    clock.shift(2 * 60)
    assert client.get(GIVE).status_code == 302 and client.get("/login/").status_code == 200
    assert client.post(GIVE, {"code": code(root[0])}).status_code == 302 and not is_in(client)


@pytest.mark.parametrize("steps", [-1, 0, 1])
def test_a_code_is_good_once(root, clock, steps):
    """Case 215: in no other session, and no older one after it."""
    key, _codes = root
    clock.shift(10 * STEP)
    text = code(key, steps)
    first, _answer = password()
    assert first.post(GIVE, {"code": text}).status_code == 302 and is_in(first)
    for again in (text, code(key, steps - 1)):
        second, _answer = password()
        answer = second.post(GIVE, {"code": again})
        assert answer.status_code == 200 and "not right" in answer.content.decode()
        assert not is_in(second)


@pytest.mark.parametrize("steps", [-3, -2, 2, 3])
def test_a_code_of_another_time_is_wrong(root, clock, steps):
    """Case 215."""
    clock.shift(10 * STEP)
    client, _answer = password()
    assert client.post(GIVE, {"code": code(root[0], steps)}).status_code == 200
    assert not is_in(client)


def test_the_code_that_set_it_up_is_used(root):
    """Case 215."""
    client, _answer = password()
    client.post(GIVE, {"code": code(root[0])})
    assert not is_in(client)


@pytest.mark.parametrize(
    "form", ["{0} {1}", " {0}{1} ", "{0}-{1}", "\u200b{0}{1}", "{0}\u00a0{1}", "full width"]
)
def test_a_code_may_be_typed_as_it_is_read(root, clock, form):
    """Case 215."""
    clock.shift(STEP)
    text = code(root[0])
    typed = form.format(text[:3], text[3:])
    if form == "full width":
        typed = "".join(chr(ord(digit) + 0xFEE0) for digit in text)
    client, _answer = password()
    client.post(GIVE, {"code": typed})
    assert is_in(client)


@pytest.mark.parametrize(
    "text",
    ["", "0", "12345", "1234567", "-12345", "abcdef", "\0", "x" * 5000, "１²３４５６", "٣٤٥٦٧٨"],
)
def test_nonsense_is_wrong_and_nothing_else(root, text):
    """Case 215."""
    client, _answer = password()
    assert client.post(GIVE, {"code": text}).status_code == 200 and not is_in(client)
    assert client.post(GIVE).status_code == 200


def test_each_recovery_code_lets_in_once(root):
    """Case 215."""
    for text in (root[1][0], root[1][1].upper().replace("-", " ")):
        client, _answer = password()
        assert client.post(GIVE, {"code": text}).status_code == 302 and is_in(client)
        client, _answer = password()
        assert client.post(GIVE, {"code": text}).status_code == 200 and not is_in(client)
    assert len(SecondFactor.objects.get().recovery) == 8


def test_codes_cannot_be_tried_for_ever_and_their_owner_is_not_held_up(root, clock):
    """Case 215."""
    clock.shift(STEP)
    known = Client()
    password(client=known)
    known.post(GIVE, {"code": code(root[0])})
    known.post("/logout/")
    clock.shift(STEP)
    thief, _answer = password()
    for _try in range(10):
        assert thief.post(GIVE, {"code": "000000"}).status_code == 200
    other, _answer = password(client=Client(REMOTE_ADDR="192.0.2.77"))
    for client in (thief, other):
        answer = client.post(GIVE, {"code": code(root[0])})
        assert answer.status_code == 429 and 3500 < int(answer["Retry-After"]) <= 3600
        assert re.search(r"Try again after \d\d:\d\d", answer.content.decode())
        assert client.post(GIVE, {"code": root[1][0]}).status_code == 429 and not is_in(client)
    password(client=known)
    assert known.post(GIVE, {"code": code(root[0])}).status_code == 302 and is_in(known)


def test_the_session_gets_a_new_key_when_the_code_was_right(root, clock):
    """Case 215."""
    clock.shift(STEP)
    client, _answer = password()
    before = client.cookies["sessionid"].value
    client.post(GIVE, {"code": code(root[0])})
    assert client.cookies["sessionid"].value != before
    stale = Client()
    stale.cookies["sessionid"] = before
    assert not is_in(stale)


def test_the_second_factor_of_one_is_not_that_of_another(root, clock):
    """Case 215."""
    clock.shift(STEP)
    make_admin("eve")
    eve, _answer = password("eve")
    eve_key = shown_key(eve)
    assert eve_key != root[0]
    assert eve.post(SET_UP, {"code": code(root[0])}).status_code == 200 and not is_in(eve)
    eve.post(SET_UP, {"code": code(eve_key)})
    assert is_in(eve)
    password("root", eve)
    assert not is_in(eve), "another name begins another session"


def test_neither_key_nor_codes_stand_in_the_database_or_the_log(root, caplog):
    """Case 215."""
    key, codes = root
    client, _answer = password()
    other = shown_key(client) if SecondFactor.objects.filter(confirmed=False) else ""
    with connection.cursor() as cursor:
        cursor.execute("select * from audit_second_factors")
        stored = str(cursor.fetchall())
        cursor.execute("select session_data from django_session")
        stored += str(cursor.fetchall())
    for secret in [key, *codes, *(text.replace("-", "") for text in codes), other or key]:
        assert secret not in stored + caplog.text
        assert secret.upper() not in stored


def test_no_page_of_it_is_kept_by_a_cache(superusers):
    """Case 215."""
    make_admin("root")
    client, _answer = password()
    key = shown_key(client)
    for answer in (client.get(SET_UP), client.post(SET_UP, {"code": code(key)}), client.get(GIVE)):
        assert answer.status_code == 200 and "no-store" in answer["Cache-Control"]


@pytest.mark.parametrize("language", ["en", "pt"])
def test_the_picture_is_drawn_without_styles_and_says_what_the_key_says(superusers, language):
    """Cases 162 and 215."""
    make_admin("root")
    client, _answer = password()
    page = client.get(SET_UP, headers={"Accept-Language": language}).content.decode()
    picture = re.search(r"<svg.*?</svg>", page, re.S)[0]
    assert "style" not in picture and "<script" not in picture
    assert "otpauth" not in page, "the address is in the picture alone"
    address = SecondFactor.objects.get().address("audit.example.com")
    key = shown_key(client)
    assert f"secret={key}" in address and address.startswith(
        "otpauth://totp/Ligbox%20Audit%20audit.example.com%3Aroot?"
    )


def test_another_phone_takes_a_code_of_the_old_one_and_ends_other_sessions(root, clock):
    """Case 215."""
    clock.shift(STEP)
    here, there = Client(), Client()
    for client in (here, there):
        password(client=client)
        client.post(GIVE, {"code": code(root[0])})
        clock.shift(STEP)
    assert is_in(here) and is_in(there)
    assert here.get(SET_UP).url == GIVE, "not without a code"
    assert here.post(GIVE, {"code": "000000", "phone": ""}).status_code == 200
    assert here.get(SET_UP).url == GIVE
    assert here.post(GIVE, {"code": code(root[0]), "phone": ""}).url == SET_UP
    key = shown_key(here)
    assert key != root[0] and is_in(there), "nothing has changed yet"
    assert len(shown_codes(here.post(SET_UP, {"code": code(key)}))) == 10
    assert is_in(here) and not is_in(there)
    clock.shift(STEP)
    client, _answer = password()
    for old in (code(root[0]), root[1][0]):
        client.post(GIVE, {"code": old})
        assert not is_in(client)
    client.post(GIVE, {"code": code(key)})
    assert is_in(client)
    assert here.get(SET_UP).url == GIVE, "one code, one change"


def test_new_recovery_codes_take_the_place_of_the_old(root, clock):
    """Case 215."""
    clock.shift(STEP)
    client, _answer = password()
    client.post(GIVE, {"code": root[1][0]})
    page = client.get(GIVE).content.decode()
    assert "9 recovery codes are left" in page and "Second factor</a>" in page
    answer = client.post(GIVE, {"code": code(root[0]), "recovery": ""})
    new = shown_codes(answer)
    assert len(new) == 10 and not set(new) & set(root[1])
    for text, good in ((root[1][1], False), (new[0], True)):
        client, _answer = password()
        client.post(GIVE, {"code": text})
        assert is_in(client) == good


def test_a_key_that_no_key_opens_is_said_and_recovery_codes_still_let_in(root, clock, settings):
    """Case 188."""
    clock.shift(STEP)
    settings.ENCRYPTION_KEYS = ["bm90IHRoZSBrZXkgdGhhdCBpdCB3YXMgb25jZSAhISE="]
    client, _answer = password()
    assert "can&#x27;t be read" in client.get(GIVE).content.decode().replace("'", "&#x27;")
    assert client.post(GIVE, {"code": code(root[0])}).status_code == 200
    assert client.post(GIVE, {"code": root[1][0]}).status_code == 302 and is_in(client)


def test_an_administrator_removes_it_and_the_next_sign_in_sets_up_another(root, clock):
    """Case 215."""
    clock.shift(STEP)
    client, _answer = password()
    client.post(GIVE, {"code": code(root[0])})
    make_admin("boss")
    boss, _answer = password("boss")
    boss.post(SET_UP, {"code": code(shown_key(boss))})
    row = SecondFactor.objects.get(user__username="root")
    listed = boss.get("/admin/audit/secondfactor/").content.decode()
    assert "root" in listed and root[0] not in listed
    page = boss.get(f"/admin/audit/secondfactor/{row.pk}/change/").content.decode()
    assert root[0] not in page
    assert boss.get("/admin/audit/secondfactor/add/").status_code == 403
    answer = boss.post(f"/admin/audit/secondfactor/{row.pk}/delete/", {"post": "yes"})
    assert answer.status_code == 302 and is_in(boss)
    assert LogEntry.objects.filter(object_repr="root", user__username="boss").exists()
    assert not is_in(client), "the session that it let in is over"
    again, _answer = password()
    assert again.get(GIVE).url == SET_UP
    again.post(SET_UP, {"code": code(shown_key(again))})
    assert is_in(again)


def test_operators_neither_see_nor_remove_it(root, client):
    """Case 215."""
    row = SecondFactor.objects.get()
    client.force_login(make_operator("ana"))
    for path in ("", f"{row.pk}/change/", f"{row.pk}/delete/"):
        assert client.get(f"/admin/audit/secondfactor/{path}").status_code == 403


def test_tokens_are_not_affected(root, client):
    """Case 215."""
    headers = bearer(make_token())
    assert client.get("/api/v1/audit/overview", headers=headers).status_code == 200


def test_a_post_without_the_token_sets_nothing_up(superusers):
    """Case 165."""
    make_admin("root")
    strict = Client(enforce_csrf_checks=True)
    strict.cookies = password()[0].cookies
    key = shown_key(strict)
    for path in (GIVE, SET_UP):
        assert strict.post(path, {"code": code(key)}).status_code == 403
    assert not SecondFactor.objects.filter(confirmed=True)


@pytest.mark.django_db(transaction=True)
def test_of_two_that_give_the_same_code_at_the_same_time_one_is_let_in():
    """Case 215."""
    user = make_admin("root")
    factor = SecondFactor.being_set_up(user)
    factor.confirm()
    for text in (code(factor.key), factor.new_recovery_codes()[0]):
        found, start = [], threading.Barrier(4)

        def give(text=text, found=found, start=start):
            start.wait(30)
            found.append(SecondFactor.of(user).accepts(text))
            connection.close()

        threads = [threading.Thread(target=give) for _n in range(4)]
        for thread in threads:
            thread.start()
        for thread in threads:
            thread.join(60)
        assert sorted(found) == [False, False, False, True]
