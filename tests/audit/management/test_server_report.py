"""`run_audit --server`: the server card on the command line, against a real DNS server."""

import json

import pytest

from audit.models import ServerCard, ServerCheck, Tenant
from collectors.server.card import CARD
from tests.audit import factories as make
from tests.audit.management.test_nagios import read
from tests.audit.management.test_run_audit import run

pytestmark = [pytest.mark.usefixtures("dns"), pytest.mark.django_db]
ZONE = {
    "names": {
        "mx1.host.test": {"A": ["127.0.0.2"]},
        "out.host.test": {"A": ["203.0.113.25"]},
        "25.113.0.203.in-addr.arpa": {"PTR": ["out.host.test"]},
    }
}


@pytest.fixture
def tenant():
    return make.make_tenant("VM112", without_portal=True)


def test_a_good_server_is_said_row_by_row_and_nothing_is_saved(tenant):
    before = ServerCard.objects.values_list("next_audit_at", "requested_at").get()
    code, out, _err = run("--server", "VM112")
    said = " ".join(out.split())
    assert code == 0 and "Reverse DNS ✓ ok" in said and "What to do" not in said
    assert "Portal not judged This server has no portal, on purpose." in said
    assert not ServerCheck.objects.exists()
    assert ServerCard.objects.values_list("next_audit_at", "requested_at").get() == before


def test_one_that_fails_ends_with_one_and_says_what_to_do(tenant):
    Tenant.objects.update(mail_hosts=["gone.host.test"])
    code, out, _err = run("--server", str(tenant.pk))
    said = " ".join(out.split())
    assert code == 1 and "Mail hosts ✗ fails" in said and "What to do" in said
    code, out, _err = run("--server", "VM112", "--json")
    state = json.loads(out)
    assert code == 1 and state["status"] == "fail" and state["last_audit"].endswith("Z")
    assert [row["check_id"] for row in state["checks"]] == list(CARD)
    rows = {row["check_id"]: row["status"] for row in state["checks"]}
    assert (rows["server_mx"], rows["server_ptr"], rows["server_portal"]) == ("fail", "ok", "off")


def test_for_a_monitoring_system_the_worst_row_decides(tenant):
    code, out, _err = run("--server", "VM112", "--format", "nagios")
    assert (code, read(out)[:2]) == (0, ("OK", "VM112"))
    Tenant.objects.update(mail_hosts=["gone.host.test"])
    code, out, _err = run("--server", "VM112", "--format", "nagios")
    word, text, numbers, more = read(out)
    assert (code, word, text) == (2, "CRITICAL", "VM112: Mail hosts fails")
    assert numbers["critical"][0] == 1 and "score" not in numbers and len(more) == 1


@pytest.mark.parametrize(
    "args",
    [
        ["--server", "nobody"],
        ["--server", ""],
        ["a.test", "--server", "VM112"],
        ["--server", "VM112", "--all"],
        ["--server", "VM112", "--check", "dns_mx"],
        ["--server", "VM112", "--tenant", "VM112"],
    ],
)
def test_wrong_usage_is_said_in_a_line(tenant, args):
    code, out, error = run(*args)
    assert code == 2 and out == "" and error.count("\n") == 0


@pytest.mark.parametrize(("args", "code"), [([], 130), (["--format", "nagios"], 3)])
def test_ctrl_c_is_no_traceback_and_no_alarm(tenant, monkeypatch, args, code):
    def interrupted(_tenant):
        raise KeyboardInterrupt

    monkeypatch.setattr("audit.management.server_report.judged", interrupted)
    found, out, error = run("--server", "VM112", *args)
    assert found == code and "Interrupted" in out + error
