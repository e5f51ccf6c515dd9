"""The pages through Django's client: who may see them, what they say, how much they ask of the
database.
"""

import re
from datetime import timedelta

import pytest
from django.core.cache import cache
from django.test import Client
from django.utils import timezone

from audit.models import (
    AuditCheck,
    AuditDomain,
    AuditRun,
    CheckTransition,
    RunDomain,
    WorkerHeartbeat,
)
from audit.results import store
from audit.templatetags import show
from audit.web import overview_context
from collectors.base import Action, DnsRecord, Fix
from collectors.text import _
from tests.audit.factories import (
    audit,
    make_domain,
    make_domains,
    make_operator,
    make_result,
    make_tenant,
    make_user,
    make_viewer,
    make_worker,
)

pytestmark = pytest.mark.django_db
HTMX = {"HX-Request": "true"}
XSS = "<script>alert(1)</script>"


@pytest.fixture(autouse=True)
def empty_cache():
    cache.clear()


@pytest.fixture
def viewer(client):
    client.force_login(make_viewer())
    return client


@pytest.fixture
def operator(client):
    client.force_login(make_operator("ana"))
    return client


def page(client, path="/", **kwargs):
    response = client.get(path, **kwargs)
    assert response.status_code == 200, response.status_code
    return response.content.decode()


def url(domain, rest=""):
    return f"/domains/{domain.tenant_id}/{domain.domain}/{rest}"


def names(html):
    return re.findall(r'<h2 title="([^"]+)"', html)


# -- who may


def test_it_sends_strangers_to_the_login_and_back(client):
    domain = make_domain()
    for path in [
        "/",
        "/board/",
        "/progress/",
        url(domain),
        url(domain, "panel/"),
        url(domain, "history/"),
        url(domain, "evidence/dns_mx/"),
    ]:
        response = client.get(path)
        assert (response.status_code, response["Location"].split("?")[0]) == (302, "/login/"), path


def test_it_leads_a_fragment_without_a_session_to_the_login_as_a_whole_page(client):
    response = client.get(
        "/board/", headers={**HTMX, "HX-Current-URL": "http://testserver/?status=critical"}
    )
    assert response["HX-Redirect"] == "/login/?next=/%3Fstatus%3Dcritical"


def test_it_refuses_users_without_the_permission(client):
    client.force_login(make_user(staff=False))
    assert client.get("/").status_code == 403
    assert b"You may not" in client.get("/").content or b"Not allowed" in client.get("/").content


@pytest.mark.parametrize("who", [make_viewer, make_operator, make_user])
def test_it_shows_the_overview_to_staff_and_both_groups(client, who):
    client.force_login(who())
    page(client)


def test_it_lets_viewers_who_are_not_staff_in(client):
    client.force_login(make_user(group="Viewers", staff=False))
    html = page(client)
    assert "/admin/" not in html


def test_it_offers_audits_to_operators_alone(client):
    domain = make_domain(checks={})
    client.force_login(make_viewer())
    assert "data-run" not in page(client, url(domain))
    assert not any(
        part in page(client) for part in ("run-filtered", "run-selected", 'name="domain"')
    )
    assert client.post(url(domain, "run/")).status_code == 403
    assert client.post("/run/").status_code == 403
    assert client.post("/run-selected/", {"domain": domain.pk}).status_code == 403
    assert not AuditRun.objects.exists()


def test_it_audits_by_post_with_a_csrf_token_only(client):
    domain = make_domain(checks={})
    strict = Client(enforce_csrf_checks=True)
    strict.force_login(make_operator())
    assert strict.post(url(domain, "run/")).status_code == 403
    assert strict.post("/run-selected/", {"domain": domain.pk}).status_code == 403
    assert strict.post("/logout/").status_code == 403
    assert not AuditRun.objects.exists()


def test_it_leads_from_the_address_of_a_button_to_the_page_of_the_button(client):
    """After a login that interrupted the button, or a change of the language on the page that
    refused it.
    """
    domain = make_domain(checks={})
    assert (
        client.post(url(domain, "run/?q=x"))["Location"]
        == f"/login/?next={url(domain, 'run/')}%3Fq%3Dx"
    )
    client.force_login(make_operator())
    assert client.get(url(domain, "run/?q=x"))["Location"] == url(domain, "?q=x")
    assert (
        client.get("/run/?status=critical")["Location"] == "/?status=critical"
        and client.get("/run/")["Location"] == "/"
    )
    assert client.get("/run-selected/?status=critical&domain=1")["Location"].startswith(
        "/?status=critical"
    )
    assert client.put("/run/").status_code == client.put("/run-selected/").status_code == 405
    assert not AuditRun.objects.exists()


def test_no_cache_keeps_what_names_the_user(operator):
    for path in ("/", "/nothing-here", "/domains/1/nothing.pt/", "/api/v1/docs"):
        assert "private" in operator.get(path)["Cache-Control"], path
    operator.force_login(make_user("nobody", staff=False))
    assert operator.get("/").status_code == 403 and "private" in operator.get("/")["Cache-Control"]


def test_it_logs_out_by_post(operator):
    assert operator.get("/logout/").status_code == 405
    assert operator.post("/logout/").status_code == 302
    assert operator.get("/").status_code == 302


# -- the login


def login(client, name="ana", password="wrong", **extra):
    return client.post(
        "/login/", {"username": name, "password": password, **extra.pop("data", {})}, **extra
    )


def test_it_signs_in_and_goes_where_one_wanted(client):
    make_operator("ana")
    response = login(client, password="correct horse battery", data={"next": "/?status=critical"})
    assert response["Location"] == "/?status=critical"


def test_it_never_leads_to_another_host_after_the_login(client):
    make_operator("ana")
    response = login(
        client, password="correct horse battery", data={"next": "https://evil.example/"}
    )
    assert response["Location"] == "/"


def test_it_says_the_same_for_an_unknown_user_and_a_wrong_password(client):
    make_operator("ana")
    make_user("gone", is_active=False)

    def said(response):
        return re.sub(r'(value|data-now)="[^"]*"', "", response.content.decode())

    answers = [
        said(login(client, "ana")),
        said(login(client, "nobody")),
        said(login(client, "gone", "correct horse battery")),
    ]
    assert answers[0] == answers[1] == answers[2]
    assert "do not fit together" in answers[0]


@pytest.mark.parametrize("path", ["/login/", "/admin/login/"])
def test_it_stops_after_twenty_tries_an_hour_and_says_until_when(client, path):
    """Case 167."""
    make_operator("ana")
    for _try in range(20):
        assert client.post(path, {"username": "ana", "password": "wrong"}).status_code == 200
    response = client.post(path, {"username": "ANA", "password": "correct horse battery"})
    assert response.status_code == 429
    assert 3500 < int(response["Retry-After"]) <= 3600
    assert re.search(r"Try again after \d\d:\d\d", response.content.decode())
    assert login(client, "bea").status_code == 200, "another name is not concerned"
    assert (
        login(client, password="correct horse battery", REMOTE_ADDR="192.0.2.9").status_code == 302
    ), "nor is another address"


def test_it_forgets_the_tries_after_a_login(client):
    make_operator("ana")
    for _round in range(2):
        for _try in range(19):
            login(client)
        assert login(client, password="correct horse battery").status_code == 302


def test_it_does_not_believe_a_forwarded_address_without_proxies(client, settings):
    for n in range(20):
        login(client, headers={"X-Forwarded-For": f"192.0.2.{n}"})
    assert login(client, headers={"X-Forwarded-For": "192.0.2.99"}).status_code == 429
    settings.PROXIES = 1
    assert login(client, headers={"X-Forwarded-For": "203.0.113.1, 192.0.2.99"}).status_code == 200


def test_it_lets_people_in_when_the_cache_is_gone(client, monkeypatch):
    make_operator("ana")

    def down(*_args, **_kwargs):
        raise ConnectionError

    monkeypatch.setattr(cache, "add", down)
    assert login(client, password="correct horse battery").status_code == 302


# -- the overview


def test_it_shows_the_next_steps_on_an_empty_installation(operator):
    html = page(operator)
    assert "Three steps" in html and "manage.py worker" in html and "No worker is running" in html
    assert 'class="strip"' not in html


def test_it_ticks_off_the_steps_that_are_done(operator):
    make_tenant()
    make_worker()
    assert page(operator).count("is-done") == 2


def test_it_shows_worst_first_what_is_not_ok_and_the_counts(viewer):
    make_worker()
    make_domain("good.pt", checks={})
    make_domain("bad.pt", checks={"dns_spf": "fail", "dns_dmarc": "warn"})
    make_domain("so-so.pt", checks={"dns_mx": "unknown"})
    html = page(viewer)
    assert names(html) == ["bad.pt", "so-so.pt", "good.pt"]
    assert "<title>(1) Ligbox Audit</title>" in html and "critical.svg" in html
    bad = html[html.index('title="bad.pt"') : html.index('title="so-so.pt"')]
    assert (
        "<b>6</b>/8" in bad
        and "SPF" in bad
        and "DMARC" in bad
        and "Critical".lower() in bad.lower()
    )
    so_so = html[html.index('title="so-so.pt"') : html.index('title="good.pt"')]
    assert "<b>7</b>/8" in so_so and "1 unknown" in so_so and "nothing to do" in html


def test_it_says_what_was_never_audited_and_what_is_half_audited(viewer):
    make_worker()
    make_domain("new.pt")
    half = make_domain("half.pt")
    store.record(half, {"dns_mx": make_result("dns_mx")}, begun_at=timezone.now())
    html = page(viewer)
    new = html[html.index('title="new.pt"') :]
    assert "not audited yet" in new and "never" in new
    assert "7 unknown" in html and "<b>1</b>/8" in html
    assert page(viewer, url(half)).count("Not audited yet.") == 7


def test_it_marks_stale_cards_and_a_dead_worker(viewer):
    domain = make_domain("old.pt", checks={})
    AuditDomain.objects.filter(pk=domain.pk).update(
        last_audit_at=timezone.now() - timedelta(hours=2)
    )
    WorkerHeartbeat.objects.create(name="w", last_seen=timezone.now() - timedelta(minutes=5))
    html = page(viewer)
    assert "is-stale" in html and ">stale</b>" in html
    assert "No worker is running" in html and "5 min ago" in html and "worker alive" not in html


def test_it_says_that_our_resolver_is_down(viewer):
    make_domain(checks={})
    make_worker()
    WorkerHeartbeat.objects.update(resolver_down_since=timezone.now() - timedelta(minutes=3))
    assert "Our own DNS resolver does not answer" in page(viewer)


def test_it_says_when_the_next_audit_is(viewer):
    make_domain(checks={})
    AuditDomain.objects.update(next_audit_at=timezone.now() + timedelta(minutes=3))
    make_worker()
    assert re.search(r"next audit <time [^>]+>in 3 min</time>", page(viewer))


def test_it_leaves_out_disabled_domains_and_tenants(viewer):
    make_domain("off.pt", checks={}, enabled=False)
    make_domain("elsewhere.pt", make_tenant("VM113", enabled=False), checks={})
    make_domain("on.pt", make_tenant("VM114"), checks={})
    assert names(page(viewer)) == ["on.pt"]


@pytest.mark.parametrize(
    ("query", "found"),
    [
        ("status=critical", ["a.pt"]),
        ("status=stale", ["d.pt"]),
        ("check=dns_spf", ["a.pt"]),
        ("owner=customer", ["a.pt", "b.pt"]),
        ("source=import", ["b.pt"]),
        ("q=C.P", ["c.pt"]),
        ("sort=domain", ["a.pt", "b.pt", "c.pt", "d.pt"]),
        ("status=critical&source=import", []),
        ("q=%25", []),
        ("q=' OR 1=1 --", []),
    ],
)
def test_it_narrows_and_orders_by_the_query_string(viewer, query, found):
    make_domain("c.pt", checks={})
    make_domain("b.pt", checks={"dns_mx": "warn"}, source="import")
    make_domain("a.pt", checks={"dns_spf": "fail"})
    old = make_domain("d.pt", checks={})
    AuditDomain.objects.filter(pk=old.pk).update(last_audit_at=timezone.now() - timedelta(days=1))
    html = page(viewer, f"/?{query}")
    assert names(html) == found
    assert ("No domain matches" in html) == (not found)
    assert names(page(viewer, f"/board/?{query}")) == found


def test_it_filters_by_tenant_and_counts_that_tenant(viewer):
    make_domain("a.pt", make_tenant("One"), checks={"dns_mx": "fail"})
    two = make_tenant("Two")
    make_domain("b.pt", two, checks={})
    html = page(viewer, f"/?tenant={two.pk}")
    assert names(html) == ["b.pt"]
    assert re.search(r'id="count-critical"[^>]*><b>0</b>', html) and "of 1 domain" in html


@pytest.mark.parametrize(
    "query",
    [
        "tenant=x",
        "tenant=0",
        "tenant=-1",
        "tenant=9223372036854775808",
        "tenant=999",
        "tenant=1e3",
        "status=nonsense",
        "check=nope",
        "owner=me",
        "source=%00",
        "q=%00%00",
        "q=" + "x" * 5000,
        "q=%ED%A0%80",
        "sort=-id",
        "limit=0",
        "limit=999999999999",
        "limit=-1",
        "cursor=zzz",
        "cursor=W10",
        "cursor=" + "a" * 3000,
        "runs=a,b,,9999999999999999999999",
        "q={{7*7}}",
        "q=../../etc/passwd",
    ],
)
def test_it_takes_any_query_string(viewer, query):
    """Case 138."""
    make_domain(checks={})
    page(viewer, f"/?{query}")
    page(viewer, f"/board/?{query}")


def test_it_pages_with_links_that_keep_the_filters(viewer):
    for domain in make_domains(5, make_tenant()):
        audit(domain)
    seen, path = [], "/?limit=2&sort=domain&q=firma"
    while path:
        html = page(viewer, path)
        seen += names(html)
        following = re.search(r'rel="next" href="([^"]+)"', html)
        path = following and following[1].replace("&amp;", "&")
        assert not path or ("q=firma" in path and "limit=2" in path and "sort=domain" in path)
    assert seen == [f"firma{n:06d}.pt" for n in range(5)]


def test_it_counts_no_further_than_a_reader_needs(operator, monkeypatch):
    """What matches a text is counted by looking; where it is much, that it is."""
    monkeypatch.setattr(overview_context, "COUNTED", 3)
    for n in range(5):
        make_domain(f"loja{n}.pt", checks={"dns_spf": "fail"})
    html = page(operator, "/?q=loja&limit=2&view=table")
    for words in ("More than 3 domains match", "more than 3 domains", "Audit all that match now"):
        assert words in html
    assert "Select all that match" in html and "Audit more than 3 domains now?" in html
    assert "all that match" in page(operator, "/?q=loja&limit=2&view=cards")
    html = page(operator, "/?q=loja1&limit=1")
    assert "1 domain matches" in html and "Audit this one now" in html


def test_it_asks_twelve_questions_whatever_the_number_of_domains(
    viewer, django_assert_max_num_queries
):
    """Case 169."""
    make_worker()
    tenant = make_tenant()
    for domain in make_domains(10, tenant):
        audit(domain, dns_mx="warn")
    for more in ("", "more"):
        if more:
            make_domains(250, tenant, prefix="more")
        for path in [
            "/",
            "/?q=m&check=dns_mx&owner=customer&limit=200",
            "/board/?status=warning",
            url(domain),
            url(domain, "panel/"),
        ]:
            with django_assert_max_num_queries(12):
                page(viewer, path)


def test_it_changes_the_address_when_the_filter_form_asks(viewer):
    make_domain(checks={})
    response = viewer.get("/board/?push=1&status=&q=abc&sort=worst", headers=HTMX)
    assert response["HX-Push-Url"] == "/?q=abc"
    assert "HX-Push-Url" not in viewer.get("/board/?q=abc", headers=HTMX)
    here = {**HTMX, "HX-Current-URL": "http://testserver/?q=abc"}
    assert "HX-Push-Url" not in viewer.get("/board/?push=1&q=abc", headers=here), (
        "the back button would lead to the same page"
    )


def test_it_shows_unicode_names_and_marks_mixed_scripts(viewer):
    make_domain("joão.pt", checks={})
    make_domain("раypal.com", checks={})
    html = page(viewer)
    assert "joão." in html and "xn--joo-nla.pt" in html
    assert html.count("mixed scripts") == 1
    assert names(page(viewer, "/?q=joão.pt")) == ["joão.pt"]


@pytest.mark.parametrize(
    ("language", "user"),
    [("pt", "Nome de utilizador"), ("pt-br", "Nome de usuário"), ("en", "User name")],
)
def test_it_speaks_a_language_after_the_switch(viewer, language, user):
    response = viewer.post("/i18n/setlang/", {"language": language, "next": "/"})
    assert response.status_code == 302 and response.cookies["django_language"].value == language
    html = page(viewer)
    assert f'<html lang="{language}">' in html
    chosen = re.findall(r'value="([\w-]+)"\s+lang="\1" aria-current="true"', html)
    assert chosen == [language], "the switch shows what is read"
    viewer.logout()
    viewer.cookies["django_language"] = language
    assert user in viewer.get("/login/").content.decode()


@pytest.mark.django_db
@pytest.mark.parametrize(
    ("asked", "language"),
    [
        ("pt", "pt"),
        ("pt-PT,pt;q=0.9,en;q=0.8", "pt"),
        ("pt-AO, en;q=0.5", "pt"),
        ("pt-BR,pt;q=0.9,en-US;q=0.8,en;q=0.7", "pt-br"),
        ("PT-br", "pt-br"),
        ("fr-FR, pt-BR;q=0.6, pt;q=0.5", "pt-br"),
        ("pt-BR;q=0.5, pt-PT;q=0.6", "pt"),
        ("en-GB, pt-BR;q=0.5", "en"),
        ("fr", "en"),
    ],
)
def test_a_browser_gets_the_language_that_it_asks_for(client, asked, language):
    answer = client.get("/login/", headers={"Accept-Language": asked})
    assert f'<html lang="{language}">' in answer.content.decode()
    assert answer["Content-Language"] == language


# -- the scorecard


def test_the_permalink_stays_a_page_of_its_own_when_it_refreshes(operator):
    domain = make_domain(checks={})
    for query in ("", "?status=healthy"):
        html = page(operator, url(domain, query))
        refreshed = page(
            operator,
            re.search(r'hx-get="([^"]+/panel/[^"]*)"', html)[1].replace("&amp;", "&"),
            headers=HTMX,
        )
        again = re.search(r'hx-post="([^"]+/run/[^"]*)"', refreshed)[1].replace("&amp;", "&")
        audited = operator.post(again, headers=HTMX).content.decode()
        assert all('<h1 id="scorecard-title"' in text for text in (html, refreshed, audited))
        assert "&amp;run=" in audited or "?run=" in audited
    assert '<h1 id="scorecard-title"' not in page(operator, url(domain, "panel/"), headers=HTMX)


def test_a_stale_scorecard_does_not_look_healthy_and_tells_of_a_dead_worker(viewer):
    make_worker(seen=timezone.now() - timedelta(hours=5))
    domain = make_domain(checks={})
    assert "is-stale" not in page(viewer, url(domain)) and "No worker is running" not in page(
        viewer, url(domain)
    )
    AuditDomain.objects.update(last_audit_at=timezone.now() - timedelta(days=2))
    html = page(viewer, url(domain))
    assert 'class="scorecard is-stale"' in html and "No worker is running" in html
    assert "No worker is running" not in page(viewer, url(domain, "panel/")), (
        "the overview beside it says so"
    )
    WorkerHeartbeat.objects.update(last_seen=timezone.now())
    assert "No worker is running" not in page(viewer, url(domain))


def test_those_who_may_see_nothing_are_not_led_in_circles(client):
    client.force_login(make_user(staff=False))
    html = client.get("/").content.decode()
    assert (
        "Back to the overview" not in html.partition("<main")[2]
        and 'action="/logout/"' in html.partition("<main")[2]
    )
    client.force_login(make_viewer())
    assert "Back to the overview" in client.post("/run/").content.decode()


def test_the_first_steps_offer_only_what_one_may_do(operator):
    make_tenant()
    html = page(operator)
    assert "/admin/audit/tenant/add/" not in html and "An administrator does this." in html
    assert "/admin/audit/auditdomain/add/" in html
    operator.force_login(make_viewer())
    assert "/admin/audit/" not in page(operator)


def test_it_shows_the_eight_checks_in_order_alone_and_as_a_fragment(viewer):
    from collectors.registry import core_checks

    domain = make_domain(checks={"dns_spf": "fail"})
    for path in (url(domain), url(domain, "panel/")):
        html = page(viewer, path)
        assert re.findall(r'id="c-\d+-(\w+)"', html)[:8] == core_checks()
    assert "<h1" in page(viewer, url(domain)) and "<html" not in page(viewer, url(domain, "panel/"))


def test_it_shows_what_to_publish_with_the_difference_marked(viewer):
    domain = make_domain("cliente.pt")
    old, new = (
        "v=spf1 include:_spf.google.com ~all",
        "v=spf1 include:_spf.google.com include:_spf.host.test ~all",
    )
    fix = Fix(_("Add our include."), (DnsRecord("TXT", "cliente.pt", new, Action.REPLACE, old),))
    store.record(
        domain, {"dns_spf": make_result("dns_spf", "fail", fix=fix)}, begun_at=timezone.now()
    )
    html = page(viewer, url(domain))
    assert (
        "The customer&#x27;s turn" in html
        and "Add our include." in html
        and "dns_spf_problem" in html
    )
    published = re.search(r'<pre class="value" data-value>(.*?)</pre>', html)[1]
    assert "<ins>include:_spf.host.test </ins>" in published
    assert re.sub(r"</?ins>", "", published) == new, "what is copied is the value and nothing else"


def test_it_keeps_the_last_conclusive_answer_beside_an_unknown(viewer):
    domain = audit(make_domain(), at=timezone.now() - timedelta(hours=3))
    store.record(
        domain,
        {"dns_mx": make_result("dns_mx", "unknown", at=timezone.now())},
        begun_at=timezone.now(),
    )
    html = page(viewer, url(domain))
    assert re.search(r"Last known:.*?>ok</span> <time [^>]*>3 h ago", html)
    assert "7</b>/8" in html and "1 unknown" in html


def test_it_shows_the_history_newest_first_with_what_changed(viewer):
    domain = make_domain(checks={})
    now = timezone.now()
    store.record(
        domain,
        {"dns_mx": make_result("dns_mx", "fail", evidence={"record": "10 mx.other.test"}, at=now)},
        begun_at=now,
    )
    store.record(
        domain,
        {
            "dns_mx": make_result(
                "dns_mx", "ok", evidence={"record": "10 mx1.host.test"}, at=now + timedelta(1)
            )
        },
        begun_at=now,
    )
    html = page(viewer, url(domain, "history/?check_id=dns_mx"))
    assert re.findall(r"→ <span class=\"word is-(\w+)\"", html) == ["ok", "fail"]
    assert "10 mx.other.test" in html and "10 mx1.host.test" in html
    assert "The whole history" in page(viewer, url(domain))


def test_it_pages_the_history(viewer):
    domain = make_domain(checks={})
    base = timezone.now() - timedelta(days=1)
    rows = [
        CheckTransition(
            domain=domain,
            check_id="dns_mx",
            from_status="ok",
            to_status="fail",
            at=base + timedelta(seconds=n),
        )
        for n in range(60)
    ]
    CheckTransition.objects.bulk_create(rows)
    html = page(viewer, url(domain, "history/?check_id=dns_mx"))
    assert html.count('class="transition"') == 50
    following = re.search(r'rel="next" href="([^"]+)"', html)[1].replace("&amp;", "&")
    assert page(viewer, url(domain, "history/") + following).count('class="transition"') == 11
    page(viewer, url(domain, "history/?cursor=nonsense&check_id=nonsense"))


def test_it_gives_all_the_evidence_as_json(viewer):
    domain = make_domain()
    long = {"page": "x" * 50_000}
    AuditCheck.objects.create(
        domain=domain,
        check_id="dns_mx",
        status="ok",
        evidence=long,
        checked_at=timezone.now(),
        since=timezone.now(),
    )
    html = page(viewer, url(domain))
    assert "Cut here" in html and len(html) < 60_000
    response = viewer.get(url(domain, "evidence/dns_mx/"))
    assert response.json()["evidence"] == long and response["Content-Type"] == "application/json"
    assert viewer.get(url(domain, "evidence/dns_spf/")).status_code == 404


@pytest.mark.parametrize(
    "path",
    [
        "0/cliente.pt",
        "9223372036854775808/cliente.pt",
        "1/cliente.pt%00",
        "1/127.0.0.1",
        "1/nosuch.pt",
        "1/' OR 1=1",
        "x/cliente.pt",
    ],
)
def test_it_answers_404_for_what_is_not_there(viewer, path):
    make_domain("cliente.pt", checks={})
    assert viewer.get(f"/domains/{path}/").status_code == 404
    assert viewer.get(f"/domains/{path}/panel/", headers=HTMX).status_code == 404


def test_it_answers_404_for_a_domain_of_another_tenant(viewer):
    domain = make_domain("cliente.pt", make_tenant("One"), checks={})
    other = make_tenant("Two")
    assert viewer.get(f"/domains/{other.pk}/{domain.domain}/").status_code == 404


def test_it_finds_a_domain_by_its_unicode_name(viewer):
    domain = make_domain("joão.pt", checks={})
    page(viewer, f"/domains/{domain.tenant_id}/joão.pt/")


def test_it_says_that_a_domain_is_switched_off(operator):
    domain = make_domain(checks={}, enabled=False)
    html = page(operator, url(domain))
    assert "switched off" in html and "data-run" not in html
    assert operator.post(url(domain, "run/")).status_code == 404


# -- audit now


def test_it_asks_for_an_audit_once_and_shows_its_progress(operator):
    domain = make_domain("cliente.pt", checks={})
    make_worker()
    response = operator.post(url(domain, "run/?status=healthy"), headers=HTMX)
    html = response.content.decode()
    run = AuditRun.objects.get()
    assert (run.scope, run.requested_by, run.trigger) == ("cliente.pt", "ana", "manual")
    assert "data-poll" in html and f"run={run.pk}" in html and "Waiting for the worker" in html
    operator.post(url(domain, "run/"), headers=HTMX)
    assert AuditRun.objects.count() == 1
    audit(domain, dns_mx="fail")
    followed = operator.get(url(domain, f"panel/?run={run.pk}&follow=1"), headers=HTMX)
    assert (
        "Audit finished" in followed.content.decode()
        and "data-poll" not in followed.content.decode()
    )
    assert "lb:refresh" in followed["HX-Trigger-After-Swap"]


@pytest.mark.parametrize("query", ["", "?ids=", "?ids=x,0,-1", f"?ids={2**70}", "?ids=987654"])
def test_it_takes_any_runs_to_follow(viewer, query):
    assert viewer.get(f"/progress/{query}").status_code == 200


def test_it_works_without_javascript(operator):
    domain = make_domain("cliente.pt", checks={})
    response = operator.post(url(domain, "run/?status=healthy"))
    assert response["Location"] == url(domain, f"?status=healthy&run={AuditRun.objects.get().pk}")
    html = page(operator, response["Location"])
    assert '<noscript><meta http-equiv="refresh"' in html and "no worker is running" in html


def test_it_shows_an_audit_that_somebody_else_asked_for(viewer):
    domain = make_domain(checks={})
    run = AuditRun.objects.create(tenant=domain.tenant, trigger="onboarding", domains=1)
    RunDomain.objects.create(run=run, domain=domain)
    assert "data-poll" in page(viewer, url(domain))


def test_it_does_not_show_runs_of_other_domains(viewer):
    domain, other = make_domain(checks={}), make_domain(checks={})
    run = AuditRun.objects.create(
        tenant=other.tenant, trigger="manual", domains=1, scope=other.domain
    )
    assert "data-poll" not in page(viewer, url(domain, f"?run={run.pk}"))


def test_it_limits_the_audits_that_one_user_asks_for(operator, settings):
    settings.AUDIT_RUNS_PER_MINUTE = 2
    domain = make_domain(checks={})
    assert [operator.post(url(domain, "run/"), headers=HTMX).status_code for _n in range(3)] == [
        200,
        200,
        429,
    ]
    refused = operator.post("/run/")
    assert refused.status_code == 429 and int(refused["Retry-After"]) > 0


def test_it_audits_what_is_filtered_one_run_a_tenant(operator):
    one, two = make_tenant("One"), make_tenant("Two")
    a, b, c = (
        make_domain("a.pt", one, checks={"dns_mx": "fail"}),
        make_domain("b.pt", two, checks={"dns_mx": "fail"}),
        make_domain("c.pt", two, checks={}),
    )
    response = operator.post("/run/?status=critical", headers=HTMX)
    runs = AuditRun.objects.order_by("pk")
    assert [(r.tenant, r.domains) for r in runs] == [(one, 1), (two, 1)]
    assert set(RunDomain.objects.values_list("domain", flat=True)) == {a.pk, b.pk}
    ids = ",".join(str(r.pk) for r in runs)
    assert f"ids={ids}" in response.content.decode() and "0 of 2" in response.content.decode()
    audit(a)
    assert "1 of 2" in operator.get(f"/progress/?ids={ids}").content.decode()
    audit(b)
    done = operator.get(f"/progress/?ids={ids}", headers=HTMX)
    assert (
        "data-poll" not in done.content.decode() and "lb:refresh" in done["HX-Trigger-After-Swap"]
    )
    everything = operator.post("/run/")
    assert AuditRun.objects.filter(scope="").count() == 2 and "runs=" in everything["Location"]
    assert RunDomain.objects.filter(domain=c).exists()


def test_it_audits_what_is_selected_one_run_a_tenant(operator):
    one, two = make_tenant("One"), make_tenant("Two")
    a, b, c = (
        make_domain("a.pt", one, checks={}),
        make_domain("b.pt", two, checks={}),
        make_domain("c.pt", two, checks={}),
    )
    html = " ".join(page(operator).split())
    assert (
        all(f'name="domain" value="{d.pk}"' in html for d in (a, b, c))
        and 'action="/run-selected/"' in html
    )
    response = operator.post(
        "/run-selected/?q=pt", {"domain": [a.pk, c.pk, c.pk, "x", "", 2**70]}, headers=HTMX
    )
    assert sorted(RunDomain.objects.values_list("domain", flat=True)) == [a.pk, c.pk]
    assert [(r.tenant, r.domains, r.requested_by) for r in AuditRun.objects.order_by("pk")] == [
        (one, 1, "ana"),
        (two, 1, "ana"),
    ]
    assert (
        "0 of 2" in response.content.decode() and "lb:refresh" in response["HX-Trigger-After-Swap"]
    )
    operator.post("/run-selected/", {"domain": [c.pk, a.pk]}, headers=HTMX)
    assert AuditRun.objects.count() == 2, "the same set asked twice is one run a tenant"
    alone = operator.post("/run-selected/?q=pt&cursor=abc", {"domain": a.pk})
    assert alone["Location"] == f"/?q=pt&cursor=abc&runs={AuditRun.objects.latest('pk').pk}"
    assert AuditRun.objects.count() == 3, "another set is another run"


@pytest.mark.parametrize(
    "asked", [[], ["", "x"], ["0", "-1", "1e3"], "disabled", "tenant off", "gone", "too many"]
)
def test_an_empty_or_useless_selection_audits_nothing(operator, asked):
    make_domain("cliente.pt", checks={})
    off = make_domain("off.pt", enabled=False)
    sleeping = make_domain("sleeping.pt", make_tenant("Off", enabled=False))
    known = {
        "disabled": [off.pk],
        "tenant off": [sleeping.pk],
        "gone": [10**6],
        "too many": range(1, 202),
    }
    data = {"domain": known[asked] if isinstance(asked, str) else asked}
    said = (
        "Select at most 200 domains"
        if asked == "too many"
        else "No domain that can be audited was selected"
    )
    for headers in ({}, HTMX):
        response = operator.post("/run-selected/", data, headers=headers)
        assert response.status_code == 422 and said in response.content.decode()
    assert not AuditRun.objects.exists()


def test_it_limits_the_audits_of_selections_too(operator, settings):
    settings.AUDIT_RUNS_PER_MINUTE = 1
    domain = make_domain(checks={})
    assert operator.post("/run-selected/", {"domain": domain.pk}).status_code == 302
    refused = operator.post("/run-selected/", {"domain": domain.pk}, headers=HTMX)
    assert refused.status_code == 429 and int(refused["Retry-After"]) > 0


# -- what comes from outside is text


def test_it_shows_markup_from_outside_as_text(viewer):
    """Case 161."""
    domain = make_domain("cliente.pt", make_tenant(XSS))
    nasty = [
        XSS,
        '"><img src=x onerror=alert(1)>',
        "{{987*789}}",
        "</title>",
        "javascript:alert(1)",
        "</pre></textarea>",
    ]
    now = timezone.now()
    fix = Fix(
        _("Say {x}.", x=XSS),
        (DnsRecord("TXT", XSS, '"><img src=x onerror=alert(1)>', Action.REPLACE, "</pre>" + XSS),),
    )
    for status in ("ok", "fail"):
        result = make_result(
            "dns_spf",
            status,
            message=XSS + " {check}",
            evidence={XSS: nasty, "status": status},
            fix=fix,
        )
        store.record(domain, {"dns_spf": result}, begun_at=now)
    AuditDomain.objects.update(last_error=XSS, status="critical")
    for path in ["/", f"/?q={XSS}", url(domain), url(domain, "panel/"), url(domain, "history/")]:
        html = page(viewer, path)
        assert (
            "<script>alert" not in html
            and "<img" not in html
            and "javascript:alert" not in re.sub(r">[^<]*<", "><", html)
        ), path
        assert "&lt;script&gt;alert(1)" in html, path
        assert "778743" not in html


def test_it_sends_a_strict_policy_and_keeps_to_it(operator):
    """Case 162."""
    make_worker()
    domain = make_domain(checks={"dns_mx": "fail", "dns_spf": "unknown"})
    for path in [
        "/",
        "/?status=stale",
        url(domain),
        url(domain, "history/"),
        "/login/",
        "/nowhere/",
    ]:
        response = operator.get(path)
        policy = response["Content-Security-Policy"]
        assert (
            "default-src 'none'" in policy
            and "unsafe" not in policy
            and "frame-ancestors 'none'" in policy
        )
        html = response.content.decode()
        assert not re.search(
            r"<script(?![^>]* src=)|<style|\sstyle=|\son\w+=|hx-on|javascript:", html
        ), path


# -- how values are shown


@pytest.mark.parametrize(
    ("seconds", "words"),
    [
        (0, "just now"),
        (44, "just now"),
        (60, "1 min ago"),
        (3500, "58 min ago"),
        (7200, "2 h ago"),
        (86400 * 5, "5 days ago"),
        (-10, "in a moment"),
        (-180, "in 3 min"),
        (-86400 * 3, "in 3 days"),
    ],
)
def test_it_tells_times_in_words(seconds, words):
    now = timezone.now()
    assert show.relative(now - timedelta(seconds=seconds), now) == words


def test_it_splits_long_txt_records_at_255_bytes():
    record = {"type": "TXT", "value": "v=DKIM1; p=" + 'é"' * 300}
    parts = re.findall(r'"((?:[^"\\]|\\.)*)"', show.txt_strings(record))
    plain = [p.replace('\\"', '"') for p in parts]
    assert (
        "".join(plain) == record["value"]
        and all(len(p.encode()) <= 255 for p in plain)
        and len(plain) > 3
    )
    assert (
        show.txt_strings({"type": "TXT", "value": "x" * 255}) == ""
        and show.txt_strings({"type": "MX", "value": "x" * 300}) == ""
    )


def test_it_gives_the_name_within_the_zone():
    assert show.in_zone("cliente.pt", "cliente.pt") == "@"
    assert show.in_zone("_dmarc.cliente.pt", "cliente.pt") == "_dmarc"
    assert show.in_zone("evilcliente.pt", "cliente.pt") == ""


def test_a_long_list_says_where_one_is_and_leads_back(viewer):
    tenant = make_tenant()
    make_domains(25, tenant)

    def read(address):
        html = page(viewer, address)
        links = dict(re.findall(r'rel="(prev|next)" href="([^"]+)"', html))
        said = re.search(r"page \d+ of \d+ · \d+ domains", html)
        return names(html), {k: v.replace("&amp;", "&") for k, v in links.items()}, said[0]

    first, links, said = read("/?limit=10&sort=domain")
    assert said == "page 1 of 3 · 25 domains" and set(links) == {"next"}
    second, links, said = read(links["next"])
    assert said == "page 2 of 3 · 25 domains" and set(links) == {"prev", "next"}
    back = links["prev"]
    third, links, said = read(links["next"])
    assert said == "page 3 of 3 · 25 domains" and set(links) == {"prev"} and len(third) == 5
    assert read(links["prev"])[0] == second and read(links["prev"])[2].startswith("page 2 of 3")
    again, links, said = read(back)
    assert again == first and said.startswith("page 1 of 3") and set(links) == {"next"}


def test_a_long_history_says_how_much_it_is_and_leads_back(viewer):
    domain = make_domain("cliente.pt", checks={})
    at = timezone.now()
    CheckTransition.objects.all().delete()
    CheckTransition.objects.bulk_create(
        CheckTransition(
            domain=domain,
            check_id="dns_mx",
            from_status="ok",
            to_status="fail",
            at=at - timedelta(hours=n),
        )
        for n in range(70)
    )
    html = page(viewer, url(domain, "history/"))
    assert "70 changes" in html and "Newer" not in html
    older = re.search(r'rel="next" href="([^"]+)"', html)[1].replace("&amp;", "&")
    html = page(viewer, url(domain, "history/") + older)
    assert "Older" not in html
    newer = re.search(r'rel="prev" href="([^"]+)"', html)[1].replace("&amp;", "&")
    assert page(viewer, url(domain, "history/") + newer).count('class="transition"') == 50


def test_what_changed_is_said_in_words_on_scorecard_and_history(client):
    domain = make_domain("cliente.pt", checks={})
    for status, text in [("ok", "~all"), ("fail", "-all <b>")]:
        found = make_result("dns_spf", status, evidence={"record": [f"v=spf1 {text}"]})
        store.record(domain, {"dns_spf": found}, begun_at=timezone.now())
    client.force_login(make_viewer())
    for page in ("", "panel/", "history/"):
        text = client.get(f"/domains/{domain.tenant_id}/cliente.pt/{page}").content.decode()
        assert "<li>SPF: ~all became -all.</li>" in text
        assert "<li>SPF: added &lt;b&gt;.</li>" in text
    assert "Changed since it was last ok:" not in text, "on the scorecard alone"
