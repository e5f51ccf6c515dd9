"""What a customer's report says: steps worst first, whose turn the rest is, and never all fine
without having looked.
"""

from dataclasses import replace
from datetime import timedelta

import pytest
from django.utils import timezone, translation

from audit.models import AuditDomain
from audit.reading.customer_report import report_of, steps_of, zone_of
from audit.results import store
from collectors.base import Action, Cause, DnsRecord, Fix, Owner, Status
from collectors.text import _
from tests.audit.customer_zone import DNS, HOST, ZONE, looked_at, store_domain
from tests.audit.factories import audit, make_domain, make_result, make_tenant
from tests.collectors.publishing import published
from tests.collectors.zone_text import changes

pytestmark = pytest.mark.django_db


@pytest.fixture(autouse=True)
def english():
    with translation.override("en"):
        yield


def store_results(row, **results):
    assert store.record(row, results, begun_at=timezone.now())
    row.refresh_from_db()
    return row


def fixed(check_id, status, *records, **fields):
    return make_result(check_id, status, fix=Fix(_("Publish."), records), **fields)


def row_with(**results):
    return store_results(audit(make_domain("cliente.pt")), **results)


def test_steps_are_worst_first_and_mail_is_moved_last_among_equals():
    row = store_domain()
    assert [s.check_id for s in steps_of(row)] == ["dns_spf", "dns_dkim", "dns_dmarc", "dns_mx"]
    store_results(row, dns_spf=make_result("dns_spf", "warn"))
    assert [s.check_id for s in steps_of(row)] == ["dns_dkim", "dns_dmarc", "dns_mx", "dns_spf"]
    assert [s.status for s in steps_of(row)][-2:] == ["fail", "warn"]


def test_a_record_has_its_name_value_and_priority_apart():
    (mx,) = next(s for s in steps_of(store_domain()) if s.check_id == "dns_mx").records
    assert (mx.action, mx.type, mx.relative, mx.name) == ("replace", "MX", "@", "padaria.pt")
    assert (mx.priority, mx.value, mx.ttl) == (10, "mx1.host.test", 3600)
    assert mx.values_now == ("10 mx.elsewhere.test",)


def test_keys_stay_while_the_record_does_and_differ_between_records():
    row = store_domain()
    keys = [r.key for s in steps_of(row) for r in s.records]
    with translation.override("pt"):
        assert [r.key for s in steps_of(row) for r in s.records] == keys
    assert len(set(keys)) == len(keys) and all(k.isalnum() and k[0] == "r" for k in keys)


def test_names_are_relative_to_the_zone_that_answers_and_to_no_guess():
    record = DnsRecord("TXT", "_dmarc.mail.cliente.pt", "v=DMARC1; p=none")
    row = store_results(
        audit(make_domain("mail.cliente.pt")), dns_dmarc=fixed("dns_dmarc", "fail", record)
    )
    (shown,) = steps_of(row)[0].records
    assert (shown.relative, shown.name) == ("", "_dmarc.mail.cliente.pt")
    for zone, short in (("cliente.pt", "_dmarc.mail"), ("mail.cliente.pt", "_dmarc")):
        row = store_results(row, dns_mx=make_result("dns_mx", evidence={"zone": zone}))
        assert steps_of(row)[0].records[0].relative == short
        assert f"$ORIGIN {zone}." in zone_of(row) and f"\n{short} 3600 IN TXT" in zone_of(row)
    for foreign in ("ente.pt", "evil.pt", 7, ["cliente.pt"], ""):
        row = store_results(row, dns_mx=make_result("dns_mx", evidence={"zone": foreign}))
        assert steps_of(row)[0].records[0].relative == ""
        assert "$ORIGIN mail.cliente.pt." in zone_of(row)


def test_an_alias_is_proposed_first_explained_and_what_it_replaces_goes_before_it():
    step = next(
        s
        for s in steps_of(store_domain(dkim_cname="{selector}.{domain}.dkim.host.test"))
        if s.check_id == "dns_dkim"
    )
    assert [(r.action, r.type) for r in step.records] == [("remove", "TXT"), ("add", "CNAME")]
    assert step.records[1].value == "s1.padaria.pt.dkim.host.test"
    assert "nothing is left for you to do" in step.words
    assert any("take the old one out first" in text for text in step.first)
    assert "CNAME" not in steps_of(store_domain(tenant=make_tenant("B")))[1].words


@pytest.mark.parametrize(
    ("carbonio", "says"), [("ok", "Do this last"), ("fail", "Do not change this yet")]
)
def test_mail_is_not_to_be_moved_before_the_mailboxes_are_there(carbonio, says):
    checks = {"carbonio": make_result("carbonio", carbonio, owner=Owner.HOST)}
    (text,) = steps_of(store_domain(checks=checks))[-1].first
    assert says in text


def test_a_domain_that_is_not_in_dns_yet_gets_all_its_records_at_once():
    row = store_domain({}, domain="nova.pt", checks={})
    steps = steps_of(row)
    assert [s.check_id for s in steps] == ["dns_mx", "dns_spf", "dns_dkim", "dns_dmarc"]
    assert "see first that it is registered" in steps[0].first[0].lower()
    assert [len(s.records) for s in steps] == [1, 1, 1, 1] and report_of(row).to_do == 4
    assert not any(effect for s in steps for a in s.advice for effect in a.effects)
    names = published({**HOST, "nova.pt": {}}, changes(zone_of(row), "nova.pt"))
    again = looked_at(names, domain="nova.pt")
    assert [again[c].status for c in DNS] == ["ok", "ok", "ok", "warn"]


def test_what_is_cured_by_the_customers_step_is_named_there_and_not_as_ours():
    missing = make_result("webmail_http", "fail")
    follows = make_result("cert_le", "fail", owner=Owner.HOST)
    code = missing.findings[0].code
    because = tuple(replace(f, because=Cause("webmail_http", code)) for f in follows.findings)
    row = row_with(webmail_http=missing, cert_le=replace(follows, findings=because))
    report = report_of(row)
    assert report.ours == () and report.steps[0].advice[0].effects == ("the webmail's certificate",)


def test_a_strict_policy_waits_for_spf_and_dkim():
    strict = fixed("dns_dmarc", "warn", DnsRecord("TXT", "_dmarc.cliente.pt", "v=DMARC1; p=reject"))
    row = row_with(dns_dmarc=strict)
    assert steps_of(row)[0].first == ()
    row = store_results(row, dns_spf=make_result("dns_spf", "fail"))
    assert "after the steps for SPF and DKIM" in steps_of(row)[-1].first[0]


def test_a_record_that_two_steps_share_is_given_once_and_kept_ones_count_for_nothing():
    shared = DnsRecord("TXT", "cliente.pt", "v=spf1 -all")
    stays = DnsRecord("TXT", "cliente.pt", "x", Action.REPLACE, "x")
    gone = DnsRecord("TXT", "cliente.pt", "y", Action.REMOVE, "y")
    row = row_with(
        dns_spf=fixed("dns_spf", "fail", shared, stays, gone),
        dns_dkim=fixed("dns_dkim", "fail", shared),
    )
    spf, dkim = steps_of(row)
    assert [r.action for r in spf.records] == ["add", "keep", "remove"]
    assert (dkim.records, dkim.told, dkim.count) == ((), True, 0)
    report = report_of(row)
    assert (report.to_do, report.total) == (2, 5)  # beside MX, DMARC and the webmail
    assert '"x"' not in zone_of(row)


@pytest.mark.parametrize("alias", ["", "{selector}.{domain}.dkim.host.test"])
def test_the_zone_text_makes_the_next_audit_green(alias):
    row = store_domain(dkim_cname=alias)
    assert ("IN CNAME" in zone_of(row)) == bool(alias)
    names = {**HOST, **ZONE}
    text = zone_of(row).replace("; take out: ", "; remove: ")
    again = looked_at(published(names, changes(text, "padaria.pt")), dkim_cname=alias)
    left = {f.code for c in DNS for f in again[c].findings if f.severity != "info"}
    assert left == {"dmarc_policy_none"}  # where DMARC begins
    assert again["dns_mx"].status == Status.OK and len(steps_of(row)) == 4


def test_long_texts_come_in_parts_too():
    record = DnsRecord("TXT", "s1._domainkey.cliente.pt", "v=DKIM1; p=" + "A" * 400)
    (shown,) = steps_of(row_with(dns_dkim=fixed("dns_dkim", "fail", record)))[0].records
    assert shown.value == record.value
    assert shown.parts == f'"{record.value[:255]}" "{record.value[255:]}"'


# -- whose turn it is


def silent(check_id="dns_mx", name="cliente.pt", code="dns_timeout"):
    lookups = [{"name": name, "type": "MX", "result": code}]
    result = make_result(
        check_id, "unknown", owner=Owner.MEASUREMENT, evidence={"lookups": lookups}
    )
    findings = tuple(replace(f, code=code) for f in result.findings)
    return replace(result, findings=findings)


def test_name_servers_that_do_not_answer_are_the_customers_to_see_to():
    report = report_of(row_with(dns_mx=silent(), dns_spf=silent("dns_spf")))
    assert report.state == "silent" and len(report.silent) == 2
    assert (report.unseen, report.ours) == ((), ())


@pytest.mark.parametrize("action", ["servfail", "refused"])
def test_so_it_is_where_a_real_server_fails(action):
    rules = [{"name": "*.padaria.pt", "action": action}, {"name": "padaria.pt", "action": action}]
    report = report_of(store_domain(rules=rules, checks={}))
    assert (report.state, len(report.silent), report.steps) == ("silent", 4, ())
    assert not set(report.done) & {"Your mail arrives at our server (MX)"}


@pytest.mark.parametrize(
    "result",
    [
        silent(name="_spf.elsewhere.test"),
        silent(name="evilcliente.pt"),
        silent(code="resolver_down"),
        silent(code="audit_limit"),
        make_result("dns_mx", "unknown", owner=Owner.MEASUREMENT),
    ],
)
def test_what_we_could_not_look_at_is_not_theirs(result):
    report = report_of(row_with(dns_mx=result))
    assert report.state == "waiting"
    assert (report.silent, len(report.unseen)) == ((), 1)


def test_what_only_we_can_mend_or_ask_is_ours():
    row = row_with(
        cert_le=make_result("cert_le", "fail", owner=Owner.HOST),
        carbonio=make_result("carbonio", "unknown", owner=Owner.MEASUREMENT),
        dns_spf=make_result("dns_spf", "fail", owner=Owner.HOST),
    )
    report = report_of(row)
    assert (report.state, len(report.ours), report.steps) == ("waiting", 3, ())


@pytest.mark.parametrize(
    ("more", "state"), [(["… 7 more"], "silent"), ("… [nested too deep]", "waiting")]
)
def test_evidence_that_was_cut_is_no_reason_to_fail(more, state):
    result = silent()
    had = result.evidence["lookups"]
    result.evidence["lookups"] = [*had, *more] if isinstance(more, list) else more
    assert report_of(row_with(dns_mx=result)).state == state


@pytest.mark.parametrize("state", ["never", "stale", "silent", "ours", "done"])
def test_only_what_was_looked_at_and_is_whole_is_done(state):
    row = make_domain("cliente.pt")
    if state != "never":
        audit(row)
    if state == "stale":
        AuditDomain.objects.update(last_audit_at=timezone.now() - timedelta(days=2))
    elif state == "silent":
        store_results(row, dns_dkim=silent("dns_dkim", "s1._domainkey.cliente.pt"))
    elif state == "ours":
        store_results(row, cert_le=make_result("cert_le", "warn", owner=Owner.HOST))
    row.refresh_from_db()
    assert (report_of(row).state == "done") == (state == "done")
    if state == "never":
        assert report_of(row).done == ()


def test_it_says_nothing_that_is_ours_alone():
    report = str(report_of(store_domain()))
    for word in ("carbonio", "nginx", "portal", "OURS", "evidence", "VM112"):
        assert word not in report, word


def test_it_costs_few_queries(django_assert_max_num_queries):
    row = AuditDomain.objects.select_related("tenant").get(pk=store_domain().pk)
    with django_assert_max_num_queries(2):
        report_of(row)


def test_the_panel_is_told_by_the_name_servers_alone():
    cloudflare = ["ada.ns.cloudflare.com", "bob.ns.cloudflare.com"]
    assert [p.name for p in report_of(store_domain(name_servers=cloudflare)).panels] == [
        "Cloudflare"
    ]
    row = row_with(dns_mx=make_result("dns_mx", evidence={"name_servers": "ns.cloudflare.com"}))
    assert report_of(row).panels == ()
    assert [p.name for p in report_of(row).usual_panels] == ["cPanel", "Plesk"]
