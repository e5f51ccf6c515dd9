"""Channels in the administration: whom they are for, secrets that never come back out, and a test
that says what happened."""

import re
from ipaddress import ip_network

import pytest
from django.contrib.admin.models import LogEntry
from django.contrib.auth.models import Permission
from django.db import connection

from audit.models import Notification, NotificationChannel
from tests.audit.factories import make_admin, make_domain, make_operator, make_user, make_viewer
from tests.audit.notify.making import make_channel
from tests.audit.notify.receivers import MailServer, Receiver

pytestmark = pytest.mark.django_db
LIST = "/admin/audit/notificationchannel/"
FORM = {
    "name": "night shift",
    "kind": "email",
    "enabled": "on",
    "language": "en",
    "recipients": "night@example.com\nday@example.com",
    "url": "",
    "owners": ["host", "customer"],
    "least_severity": "warn",
    "onboarding": "with",
    "at_once": "on",
    "digest_hour": "8",
}
HOOK = {**FORM, "name": "hook", "kind": "webhook", "recipients": ""}
URL = "https://hooks.example.com/T0PSECRET?key=abcdefgh"


@pytest.fixture
def admin(client):
    client.force_login(make_admin())
    return client


def errors_of(response):
    return re.findall(r'<ul class="errorlist[^>]*>.*?</ul>', response.content.decode(), re.S)


def test_a_mail_channel_is_made_with_a_recipient_a_line(admin):
    assert admin.post(LIST + "add/", FORM).status_code == 302
    channel = NotificationChannel.objects.get()
    assert channel.recipients == ["night@example.com", "day@example.com"]
    assert channel.owners == ["host", "customer"] and channel.secret == ""


@pytest.mark.parametrize(
    ("changed", "said"),
    [
        ({"recipients": ""}, "needs a recipient"),
        ({"recipients": "night@example.com\nno address"}, "Line 2"),
        ({"recipients": "a@example.com, b@example.com"}, "Line 1"),
        ({"recipients": "\n".join(f"a{n}@example.com" for n in range(51))}, "At most 50"),
        ({"kind": "webhook"}, "needs an address"),
        ({"kind": "webhook", "url": "ftp://x/"}, "https://hooks.example.com/ligbox"),
        ({"kind": "webhook", "url": "https://user:pw@x.example/"}, "such as https://"),
        ({"kind": "webhook", "url": "https://x.example/ y"}, "such as https://"),
        ({"kind": "apprise", "url": "ntfys://ntfy.example.com/x"}, "Apprise is off"),
        ({"at_once": "", "digest": ""}, "at once, the digest, or both"),
        ({"digest_hour": "24"}, "0 to 23"),
        ({"owners": []}, "required"),
    ],
)
def test_what_cannot_work_is_refused_in_words(admin, changed, said):
    response = admin.post(LIST + "add/", {**FORM, **changed})
    assert response.status_code == 200 and said in "".join(errors_of(response))
    assert not NotificationChannel.objects.exists()
    assert "user:pw" not in response.content.decode()


def test_a_scheme_that_is_allowed_is_taken_and_another_named(admin, settings):
    """Case 245."""
    settings.NOTIFY_APPRISE_SCHEMES = ("ntfys",)
    form = {**FORM, "kind": "apprise", "url": "ntfys://ntfy.example.com/T0PSECRET"}
    assert admin.post(LIST + "add/", form).status_code == 302
    response = admin.post(LIST + "add/", {**form, "name": "x", "url": "file:///etc/passwd"})
    assert "file:// is not one of" in "".join(errors_of(response))


def secret_in(response):
    return re.search(r'id="secret"[^>]* value="(whsec_[^"]+)"', response.content.decode())[1]


def test_address_and_secret_are_shown_on_no_page_but_the_secret_once(admin, caplog):
    """Case 244."""
    response = admin.post(LIST + "add/", {**HOOK, "url": URL})
    secret = secret_in(response)
    assert "no-store" in response["Cache-Control"]
    channel = NotificationChannel.objects.get()
    assert (channel.url, channel.secret) == (URL, secret)
    with connection.cursor() as cursor:
        cursor.execute("SELECT url, secret FROM audit_channels")
        assert not any("T0PSECRET" in v or secret in v for v in cursor.fetchone())
    page = f"{LIST}{channel.pk}/"
    bad = {**HOOK, "name": "", "url": URL}
    seen = [
        *(admin.get(p) for p in (LIST, f"{page}change/", f"{page}history/", f"{page}delete/")),
        admin.post(f"{page}change/", bad),
        admin.post(f"{page}change/", {**HOOK, "least_severity": "fail"}, follow=True),
    ]
    for answer in seen:
        text = answer.content.decode()
        assert "T0PSECRET" not in text and secret not in text and "abcdefgh" not in text
    assert "Not saved yet" in seen[4].content.decode()
    assert "hooks.example.com" in seen[0].content.decode()  # where it leads, without what is secret
    said = str(list(LogEntry.objects.values_list())) + caplog.text
    assert "T0PSECRET" not in said and secret not in said
    channel.refresh_from_db()
    assert (channel.url, channel.secret, channel.least_severity) == (URL, secret, "fail")


def test_a_new_secret_is_shown_once_and_the_old_one_goes_on_for_a_day(admin):
    channel = make_channel(url=URL)
    old = channel.secret
    page = f"{LIST}{channel.pk}/"
    assert admin.get(f"{page}secret/").status_code == 405
    new = secret_in(admin.post(f"{page}secret/"))
    channel.refresh_from_db()
    assert channel.secrets == [new, old]
    assert new not in admin.get(f"{page}change/").content.decode()
    assert LogEntry.objects.get().get_change_message() == "New signing secret."
    mail = make_channel("email", recipients=["a@example.com"])
    assert admin.post(f"{LIST}{mail.pk}/secret/").status_code == 403


def test_an_address_of_another_kind_is_not_taken_over(admin, settings):
    settings.NOTIFY_APPRISE_SCHEMES = ("json",)
    channel = make_channel(url=URL)
    response = admin.post(f"{LIST}{channel.pk}/change/", {**HOOK, "kind": "apprise"})
    assert "needs an address" in "".join(errors_of(response))


@pytest.mark.parametrize("make", [make_viewer, make_operator])
def test_channels_are_the_administrators_alone(client, make):
    """Case 244."""
    channel = make_channel(url=URL)
    client.force_login(make())
    page = f"{LIST}{channel.pk}/"
    for path in (LIST, f"{LIST}add/", f"{page}change/", f"{page}delete/", f"{page}history/"):
        assert client.get(path).status_code == 403
    for path in (f"{page}test/", f"{page}secret/", f"{page}change/"):
        assert client.post(path, HOOK).status_code == 403
    assert not Notification.objects.exists()
    assert "otification channel" not in client.get("/admin/").content.decode()


def test_who_may_only_look_sees_no_address(client):
    """Case 244."""
    channel = make_channel(url=URL)
    user = make_user()
    user.user_permissions.add(Permission.objects.get(codename="view_notificationchannel"))
    client.force_login(user)
    text = client.get(f"{LIST}{channel.pk}/change/").content.decode()
    assert "hooks.example.com" in text and "T0PSECRET" not in text
    assert "Send a test" not in text and channel.secret not in text
    assert client.post(f"{LIST}{channel.pk}/test/").status_code == 403


def test_a_test_says_what_happened(admin, settings):
    settings.NOTIFY_ALLOWED_NETWORKS = (ip_network("127.0.0.0/8"),)
    with Receiver() as hooks:
        channel = make_channel(url=hooks.url, name="hook")
        page = admin.post(f"{LIST}{channel.pk}/test/", follow=True).content.decode()
        assert "Test of hook: 127.0.0.1 took it (HTTP 204)." in page
        hooks.answer = lambda _number: (500, b"")
        page = admin.post(
            LIST, {"action": "send_tests", "_selected_action": channel.pk}, follow=True
        )
        assert "did not take it (HTTP 500)" in page.content.decode()
    assert [row.state for row in Notification.objects.order_by("pk")] == ["sent", "failed"]


def test_a_test_by_mail_says_what_happened(admin, settings):
    with MailServer() as server:
        settings.EMAIL_BACKEND = "audit.notify.smtp.Backend"
        settings.EMAIL_HOST, settings.EMAIL_PORT = "127.0.0.1", server.port
        channel = make_channel("email", name="night", recipients=["night@example.com"])
        page = admin.post(f"{LIST}{channel.pk}/test/", follow=True).content.decode()
        assert "Test of night: The mail server took it for 1 recipient." in page
        assert server.subjects == ["A test of the channel night"]


def test_a_recipient_at_a_watched_domain_is_warned_of(admin):
    """Case 246."""
    make_domain("cliente.pt")
    form = {**FORM, "recipients": "ana@mail.cliente.pt"}
    page = admin.post(LIST + "add/", form, follow=True).content.decode()
    assert "ana@mail.cliente.pt is at a domain that is watched here" in page
    assert "an administrator is told too" in page


def test_enabled_again_it_was_not_switched_off(admin):
    channel = make_channel("email", recipients=["a@example.com"], enabled=False, off_why="410")
    assert "410" in admin.get(LIST).content.decode()
    admin.post(f"{LIST}{channel.pk}/change/", FORM)
    channel.refresh_from_db()
    assert channel.enabled and channel.off_why == ""


def test_a_digest_that_is_switched_on_begins_from_now(admin):
    channel = make_channel("email", recipients=["a@example.com"])
    admin.post(f"{LIST}{channel.pk}/change/", {**FORM, "digest": "on"})
    channel.refresh_from_db()
    assert channel.digest and channel.digested_at is not None


def test_a_channel_that_is_not_reached_says_so_in_the_list(admin):
    channel = make_channel(url=URL)
    Notification.objects.create(
        channel=channel, event="opened", key="x", tries=3, last_error="Nothing answers."
    )
    text = admin.get(LIST).content.decode()
    assert "not reached, 3 tries so far: Nothing answers." in text
