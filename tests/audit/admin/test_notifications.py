"""Messages in the administration: seen with their errors, and sent again."""

import pytest

from audit.models import Notification
from tests.audit.factories import make_admin, make_domain, make_operator, make_user, make_viewer
from tests.audit.notify.making import make_channel, open_incident, send

pytestmark = pytest.mark.django_db
LIST = "/admin/audit/notification/"
URL = "https://hooks.example.com/T0PSECRET"


@pytest.fixture
def failed(clock, hooks):
    """A message that a receiver did not take, in the list."""
    channel = make_channel(url=hooks.url)
    hooks.answer = lambda _number: (500, b"broken <b>")
    open_incident(make_domain("cliente.pt"), message="A <script>alert(1)</script> record.")
    clock.go(seconds=61)
    send()
    Notification.objects.update(state="failed")
    return channel.notifications.get()


@pytest.mark.parametrize("make", [make_viewer, make_operator, make_admin])
def test_whoever_may_look_sees_it_with_its_error_and_its_text(client, failed, make):
    client.force_login(make())
    text = client.get(LIST).content.decode()
    assert "HTTP 500" in text and "broken &lt;b&gt;" in text
    text = client.get(f"{LIST}{failed.pk}/change/").content.decode()
    assert "A &lt;script&gt;alert(1)&lt;/script&gt; record." in text and "<script>alert" not in text
    assert failed.message_id in text and "Who acts" in text
    assert "T0PSECRET" not in text
    assert client.post(f"{LIST}{failed.pk}/delete/", {"post": "yes"}).status_code == 403


@pytest.mark.parametrize(("make", "may"), [(make_viewer, False), (make_operator, True)])
def test_operators_have_it_sent_again_under_its_id(client, failed, hooks, make, may):
    client.force_login(make())
    hooks.answer = lambda _number: (204, b"")
    action = {"action": "send_again", "_selected_action": failed.pk}
    client.post(LIST, action, follow=True)
    send()
    failed.refresh_from_db()
    assert failed.state == ("sent" if may else "failed")
    assert len(set(hooks.ids)) == 1


def test_what_waits_or_was_dropped_is_not_sent_again(client, failed):
    client.force_login(make_operator())
    for state in ("queued", "merged", "dropped"):
        Notification.objects.update(state=state)
        action = {"action": "send_again", "_selected_action": failed.pk}
        page = client.post(LIST, action, follow=True).content.decode()
        assert "sent again: 0" in page
        failed.refresh_from_db()
        assert failed.state == state


def test_others_see_nothing(client, failed):
    client.force_login(make_user())
    assert client.get(LIST).status_code == 403


def test_the_list_asks_a_fixed_number_of_questions(
    client, django_assert_max_num_queries, clock, hooks
):
    make_channel(url=hooks.url)
    for _number in range(30):
        open_incident(make_domain())
    client.force_login(make_viewer())
    with django_assert_max_num_queries(14):
        client.get(LIST)
