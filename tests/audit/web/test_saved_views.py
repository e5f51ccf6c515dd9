"""Views that a person keeps: one's own, saved and renamed by saving again, deleted."""

import pytest

from audit.models import SavedView
from tests.audit import factories as make

pytestmark = pytest.mark.django_db


@pytest.fixture
def viewer(client):
    client.force_login(make.make_viewer("ana"))
    return client


def kept():
    return list(SavedView.objects.order_by("name").values_list("name", "query"))


def test_a_view_is_saved_listed_and_deleted(viewer):
    viewer.post("/views/?group=ours&view=table", {"name": "  Mine "})
    assert kept() == [("Mine", "?group=ours&view=table")]
    html = viewer.get("/views/").content.decode()
    assert 'href="/?group=ours&amp;view=table"' in html
    viewer.post("/views/", {"view": SavedView.objects.get().pk})
    assert kept() == []


def test_it_is_renamed_by_saving_it_again_and_a_name_takes_a_new_view(viewer):
    viewer.post("/views/?q=a", {"name": "one"})
    viewer.post("/views/?q=a", {"name": "two"})
    assert kept() == [("two", "?q=a&view=cards")]
    viewer.post("/views/?q=b", {"name": "two"})
    assert kept() == [("two", "?q=b&view=cards")]


def test_what_the_address_does_not_know_is_not_kept(viewer):
    viewer.post("/views/?q=a&next=//evil.test&cursor=x&status=nonsense", {"name": "x"})
    assert kept() == [("x", "?q=a&view=cards")]


@pytest.mark.parametrize("name", ["", " ", "x" * 61])
def test_a_view_needs_a_name(viewer, name):
    assert viewer.post("/views/?q=a", {"name": name}).status_code == 422 and kept() == []


def test_there_is_an_end_to_them(viewer, monkeypatch):
    monkeypatch.setattr("audit.web.saved_views.MOST", 1)
    viewer.post("/views/?q=a", {"name": "one"})
    assert viewer.post("/views/?q=b", {"name": "two"}).status_code == 422
    assert len(kept()) == 1


def test_nobody_sees_or_deletes_anothers(viewer, client):
    """Case 231."""
    viewer.post("/views/?q=a", {"name": "secret"})
    client.force_login(make.make_operator())
    assert b"secret" not in client.get("/views/").content
    client.post("/views/", {"view": SavedView.objects.get().pk})
    assert len(kept()) == 1
