"""The list as a sheet: what is filtered or selected, safe to open, streamed."""

import csv
import io

import pytest

from audit.web import export
from tests.audit import factories as make

pytestmark = pytest.mark.django_db


@pytest.fixture
def viewer(client):
    client.force_login(make.make_viewer())
    return client


def sheet(response):
    text = b"".join(response.streaming_content).decode("utf-8-sig")
    return list(csv.reader(io.StringIO(text), delimiter=";"))


def test_it_has_what_is_filtered_by_name_over_several_reads(viewer, monkeypatch):
    monkeypatch.setattr(export, "CHUNK", 2)
    tenant = make.make_tenant("VM112")
    for name in "dbca":
        make.make_domain(f"{name}.pt", tenant, checks={"dns_spf": "fail"})
    make.make_domain("good.pt", tenant, checks={})
    heading, *rows = sheet(viewer.get("/export/?status=critical&view=table"))
    assert heading[0] == "Domain" and [row[0] for row in rows] == ["a.pt", "b.pt", "c.pt", "d.pt"]
    assert rows[0][1:3] == ["VM112", "7/8"] and rows[0][4].startswith("SPF: ")
    assert len(sheet(viewer.get("/export/?view=table"))) == 6, "what the table folds, too"


def test_it_speaks_the_readers_language(viewer):
    heading, *_rows = sheet(viewer.get("/export/", headers={"Accept-Language": "pt"}))
    assert heading[0] == "Domínio"


def test_no_cell_is_a_formula(viewer):
    """Case 232."""
    make.make_domain("cliente.pt", make.make_tenant("=1+1"), checks={})
    _heading, row = sheet(viewer.get("/export/"))
    assert row[1] == "'=1+1"


def test_a_selection_is_posted(viewer):
    one, _other = make.make_domain("a.pt", checks={}), make.make_domain("b.pt", checks={})
    assert [row[0] for row in sheet(viewer.post("/export/", {"domain": one.pk}))[1:]] == ["a.pt"]
    assert len(sheet(viewer.post("/export/?q=b", {"all": "1"}))) == 2
    assert viewer.post("/export/").status_code == 422


def test_strangers_get_none(client):
    assert client.get("/export/")["Location"].startswith("/login/")


def test_it_says_what_is_not_measured_where_there_is_no_portal(viewer):
    make.make_domain("a.pt", make.make_tenant("VM1", without_portal=True), checks={})
    make.make_domain("b.pt", make.make_tenant("VM2"), checks={})
    heading, without, other = sheet(viewer.get("/export/?view=table"))
    score, left_out = heading.index("Score"), heading.index("Not measured here")
    assert (without[score], without[left_out]) == ("6/6", "Carbonio, nginx virtual host")
    assert (other[score], other[left_out]) == ("8/8", "")
