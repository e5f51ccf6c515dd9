"""What holds for every list of the administration, whoever registered it, and whatever an address
of it asks for."""

import random
import re
import time
from html import unescape
from urllib.parse import parse_qsl, quote, urlencode

import pytest
from django.contrib import admin
from django.contrib.auth.models import Group, User
from django.db import connection, models
from django.test import RequestFactory
from django.urls import reverse

from audit.models import AuditDomain
from ligbox.admin_site import Guarded, Site, refuse_hostile
from tests.addresses import addresses
from tests.audit import factories as make

pytestmark = pytest.mark.django_db
HOSTILE = [
    "",
    "x",
    "[",
    "(a+)+$",
    "0",
    "-1",
    "9" * 25,
    "9" * 3900,
    "1e999",
    "nan",
    "\0",
    "a\0b",
    "\ud7ff\uffff\U0010ffff",
    "' OR 1=1 --",
    "%",
    "_" * 150,
    "a " * 90,
    "../../etc/passwd",
    "None",
    "true",
    "2026-02-30",
    "x" * 10_000,
    "1." * 3000,
    ",".join("1" * 1500),
    "{}",
    "\u202e\u200b",
]
OWN = ["o", "p", "q", "e", "all", "_popup", "_to_field", "_facets", "_changelist_filters", "term"]


def url(model, page="changelist", *args):
    return reverse(f"admin:{model._meta.app_label}_{model._meta.model_name}_{page}", args=args)


def registered():
    admin.autodiscover()
    return list(admin.site._registry.items())


def request_of(user):
    request = RequestFactory().get("/admin/")
    request.user = user
    return request


def fields_of(model, depth=2):
    """{path: field} of a model, through its relations."""
    for field in model._meta.get_fields():
        if isinstance(field, models.Field):
            yield field.name, field
        name = getattr(field, "name", "")
        if field.is_relation and field.related_model and depth:
            for path, inner in fields_of(field.related_model, depth - 1):
                yield f"{name}__{path}", inner


def lookups_of(model):
    """Every parameter that Django would take as a filter of this model's list, and more."""
    for path, field in fields_of(model):
        yield path
        for name, lookup in field.get_lookups().items():
            yield f"{path}__{name}"
            if not issubclass(lookup, models.Lookup):  # a transform such as year or lower
                yield from (f"{path}__{name}__{last}" for last in ("exact", "regex", "gte"))


def links_of(client, path):
    """The parameters in the links of a page's filters."""
    html = client.get(path).content.decode()
    found = set()
    for link in re.findall(r'href="(\?[^"]*)"', html):
        found.update(name for name, _value in parse_qsl(unescape(link)[1:], keep_blank_values=True))
    return found - set(OWN)


def filled():
    domain = make.make_domain("cliente.pt", checks={"dns_spf": "fail"})
    make.make_token(tenant=domain.tenant)
    return make.make_admin("root")


def test_no_site_and_no_list_is_without_the_guards():
    found = registered()
    assert {type(site) for site in admin.sites.all_sites} == {Site}
    for model, model_admin in found:
        assert isinstance(model_admin, Guarded), model
        assert type(model_admin).lookup_allowed is Guarded.lookup_allowed, model
        assert model._meta.app_label in ("audit", "auth"), f"{model}: is it safe to show?"


def test_a_list_that_somebody_adds_gets_them_too():
    """Case 190."""
    site = Site(name="another")

    class Careless(admin.ModelAdmin):
        list_filter = ["status"]

        def lookup_allowed(self, lookup, value, request=None):
            return True

    try:
        site.register([AuditDomain], Careless)
        allowed = site._registry[AuditDomain].lookup_allowed
        assert allowed("status__exact", "x", None) and not allowed("domain__regex", "x", None)
    finally:
        admin.sites.all_sites.discard(site)


def test_only_what_a_list_offers_as_a_filter_filters_it(client):
    """Case 190: each look-up of each field, also through relations."""
    user = filled()
    client.force_login(user)
    tried = 0
    for model, model_admin in registered():
        offered = links_of(client, url(model))
        assert all(model_admin.lookup_allowed(name, "1", request_of(user)) for name in offered)
        for name in lookups_of(model):
            allowed = model_admin.lookup_allowed(name, "1", request_of(user))
            base = re.sub("(__id)?(__exact|__isnull|__gte|__lt)?$", "", name)
            assert not allowed or base in model_admin.list_filter, name
            assert not allowed or not re.search("regex|password|token|secret|digest", name), name
            tried += 1
    assert tried > 3000


@pytest.mark.parametrize(
    "query",
    [
        "message__regex=(a%2B)%2B%24",
        "domain__regex=[",
        "domain__iregex=x",
        "domain__domain__regex=x",
        "password__startswith=pbkdf2",
        "tenant__portal_token__startswith=a",
        "tenant__name=VM112",
        "user__password__regex=x",
        "groups__user__password__startswith=a",
        "_to_field=password",
        "nonsense=1",
        "q=%00",
    ],
)
def test_another_look_up_is_refused_by_every_list(client, query):
    """Case 190."""
    client.force_login(filled())
    lists = [url(model) for model, _admin in registered()]
    for path in [*lists, reverse("admin:audit_auditdomain_export", args=["csv"])]:
        assert client.get(f"{path}?{query}").status_code == 400, path


def test_a_regular_expression_never_reaches_the_database(client):
    """Case 190: SQLite's REGEXP is Python's, and one expression could take it for ever."""
    client.force_login(filled())
    if connection.vendor == "sqlite":
        connection.ensure_connection()

        def refuse(*_args):
            raise AssertionError("a regular expression was asked for")

        connection.connection.create_function("regexp", 2, refuse)
    try:
        for model, _admin in registered():
            for path, field in fields_of(model, 1):
                if isinstance(field, models.CharField | models.TextField):
                    for kind in ("regex", "iregex"):
                        answer = client.get(url(model), {f"{path}__{kind}": "(a+)+$"})
                        assert answer.status_code == 400, (model, path)
    finally:
        connection.close()


def test_a_filter_with_a_bad_value_goes_back_to_the_list(client):
    client.force_login(filled())
    for value in HOSTILE:
        query = urlencode({"tenant__id__exact": value, "status__exact": value})
        answer = client.get(f"{url(AuditDomain)}?{query}")
        assert answer.status_code in (200, 302, 400), value[:30]
        if answer.status_code == 302:
            assert answer.url.endswith("?e=1")


def test_every_address_with_hostile_query_strings_is_no_error_of_ours(client):
    """Cases 138 to 140 and 190, for the administration: seeded, bounded in time."""
    client.force_login(filled())
    client.raise_request_exception = False
    chosen = random.Random(20261126)
    pages = [path for path in addresses() if path.startswith("/admin/")]
    pages = [path for path in pages if "logout" not in path]
    tried = []
    for model, model_admin in registered():
        names = [*OWN, *model_admin._offered(request_of(User.objects.first()))]
        names += chosen.sample(list(lookups_of(model)), 5)
        tried += [(url(model), {name: chosen.choice(HOSTILE)}) for name in names]
    tried += [(url(AuditDomain), {name: value}) for name in OWN[:3] for value in HOSTILE]
    for path in pages:
        tried.append((path, {chosen.choice(OWN): chosen.choice(HOSTILE) for _n in range(3)}))
    for path, query in tried:
        begun = time.process_time()
        answer = client.get(path, query)
        assert answer.status_code < 500, (path, query)
        assert time.process_time() - begun < 5, (path, query)


@pytest.mark.parametrize("value", ["\0", "9" * 25, "9" * 5000, "x'y", "-1", "1e3", "%"])
def test_hostile_keys_of_rows_are_no_error_of_ours(client, value):
    client.force_login(filled())
    client.raise_request_exception = False
    for model, _admin in registered():
        for page in ("change", "delete", "history"):
            path = url(model, page, "KEY").replace("KEY", quote(value, safe=""))
            assert client.get(path).status_code < 500, path
    for path in (f"/admin/r/1/{quote(value)}/", f"/admin/r/{quote(value)}/1/"):
        assert client.get(path).status_code < 500, path
    query = {"app_label": value, "model_name": value, "field_name": value, "term": value}
    assert client.get("/admin/autocomplete/", query).status_code in (400, 403)


def test_what_every_page_itself_makes_is_never_refused(client):
    """The links of every list lead somewhere."""
    user = filled()
    make.make_domains(3, make.make_tenant("other"))
    client.force_login(user)
    followed = 0
    for model, _admin in registered():
        html = client.get(url(model)).content.decode()
        for link in set(re.findall(r'href="(\?[^"]*)"', html)):
            assert client.get(url(model) + unescape(link)).status_code == 200, link
            followed += 1
    assert followed > 40


def test_a_long_search_is_refused_and_a_usual_one_is_not(rf):
    refuse_hostile(rf.get("/admin/", {"q": "x" * 200}))
    with pytest.raises(Exception, match="too long"):
        refuse_hostile(rf.get("/admin/", {"q": "x" * 201}))


def test_no_page_of_the_queue_is_django_q2s_own(client):
    """Case 196: neither by an address, nor by the registry."""
    client.force_login(make.make_admin())
    assert not [model for model, _admin in registered() if model._meta.app_label == "django_q"]
    for name in ("schedule", "success", "failure", "ormq", "task"):
        for path in ("", "add/", "1/change/"):
            assert client.get(f"/admin/django_q/{name}/{path}").status_code == 404
    assert client.get("/admin/django_q/").status_code == 404


def test_groups_and_users_are_still_kept_here(client):
    client.force_login(filled())
    assert client.get(f"{url(User)}?is_staff__exact=1&q=root").status_code == 200
    assert client.get(url(Group)).status_code == 200


def test_an_action_on_keys_that_are_none_is_refused(client):
    """Case 217."""
    client.force_login(filled())
    tried = 0
    for model, model_admin in registered():
        for action in model_admin.get_actions(request_of(User.objects.get())):
            for key in ["abc", "", "9" * 30, "-" + "9" * 30, "\0", "1e3", "1.5", "nan", "1,2"]:
                data = {"action": action, "_selected_action": ["1", key], "index": 0}
                assert client.post(url(model), data).status_code == 400, (model, action, key)
                data |= {"select_across": 1, "post": "yes"}
                assert client.post(url(model), data).status_code == 400, (model, action, key)
                tried += 1
    assert tried > 50
    data = {"action": "audit_now", "_selected_action": ["-1", str(2**62)]}
    assert client.post(url(AuditDomain), data, follow=True).status_code == 200
