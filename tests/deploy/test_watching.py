"""What is shipped for those who watch: alerts, dashboard; each name in them is one that we tell."""

import json
import re
import shutil
import subprocess
from pathlib import Path

import pytest
import yaml
from django.utils import timezone
from prometheus_client.parser import text_string_to_metric_families

from audit.models import AuditDomain, Tally
from audit.results import check_counts
from tests.audit import factories as make

ROOT = Path(__file__).resolve().parents[2]
ALERTS = ROOT / "deploy/prometheus/alerts.yml"
DASHBOARD = ROOT / "deploy/grafana/ligbox-audit.json"
NAME = re.compile(r"\bligbox_\w+")
SELECTOR = re.compile(r"(ligbox_\w+)\{([^}]*)\}")


@pytest.fixture
def told(client, settings):
    """{name: {label: values}} of a scrape of a site in which something happened."""
    settings.METRICS_DOMAINS = 10
    tenant = make.make_tenant("VM112", portal_url="http://10.0.0.1:8090")
    make.make_domain("a.pt", tenant, checks={"dns_mx": "fail"})
    AuditDomain.objects.update(certificate_ends_at=timezone.now())
    make.make_worker()
    check_counts.keep()
    Tally.add({("lookups", "noerror"): 1})
    answer = client.get("/metrics")
    assert answer.status_code == 200
    found: dict[str, dict[str, set[str]]] = {}
    for family in text_string_to_metric_families(answer.content.decode()):
        for sample in family.samples:
            labels = found.setdefault(sample.name, {})
            for label, value in sample.labels.items():
                labels.setdefault(label, set()).add(value)
    return found


def rules():
    (group,) = yaml.safe_load(ALERTS.read_text())["groups"]
    return group["rules"]


def queries():
    """Every expression of the dashboard, and of its variables."""
    board = json.loads(DASHBOARD.read_text())
    for panel in board["panels"]:
        yield from (target["expr"] for target in panel["targets"])
    for variable in board["templating"]["list"]:
        if variable["type"] == "query":
            yield variable["query"]["query"]


def unknown(expression, told):
    """What of an expression nobody tells: names, labels, values of labels."""
    for name in NAME.findall(expression):
        if name not in told:
            yield name
    for name, matchers in SELECTOR.findall(expression):
        for label, operator, value in re.findall(r'(\w+)(=~|!=|=)"([^"]*)"', matchers):
            if label not in told.get(name, {}):
                yield f"{name}: {label}"
            elif operator == "=" and value not in told[name][label]:
                yield f"{name}: {label}={value}"


@pytest.mark.django_db
def test_every_query_of_the_dashboard_asks_for_what_is_told(told):
    found = list(queries())
    assert len(found) > 15
    assert {
        expression: bad for expression in found if (bad := list(unknown(expression, told)))
    } == {}


@pytest.mark.django_db
def test_every_alert_asks_for_what_is_told(told):
    assert {r["alert"]: bad for r in rules() if (bad := list(unknown(r["expr"], told)))} == {}
    assert list(unknown('ligbox_nothing{x="1"} + ligbox_domains{status="red"}', told))


@pytest.mark.django_db
def test_every_metric_stands_in_the_docs(told):
    text = (ROOT / "docs/metrics.md").read_text()
    told_names = {re.sub(r"_(bucket|count|sum)$", "", name) for name in told}
    assert told_names == set(re.findall(r"^\| `(ligbox_\w+)`", text, re.M))


def test_the_dashboard_has_its_variables_and_no_data_source_of_ours():
    board = json.loads(DASHBOARD.read_text())
    assert [v["name"] for v in board["templating"]["list"]] == ["datasource", "tenant"]
    sources = re.findall(r'"uid": "([^"]*)"', json.dumps(board["panels"]))
    assert set(sources) == {"${datasource}"}
    ids = [panel["id"] for panel in board["panels"]]
    assert len(ids) == len(set(ids))


def test_every_alert_says_what_and_what_to_do_and_is_tried():
    tried = (ALERTS.parent / "alerts_test.yml").read_text()
    for rule in rules():
        assert rule["labels"]["severity"] in ("critical", "warning"), rule
        assert rule["annotations"].keys() == {"summary", "description"}, rule
        assert rule["alert"] in tried


def test_the_alerts_do_what_their_tests_say():
    """By promtool, as whoever installs them may do it too."""
    promtool = shutil.which("promtool")
    if promtool is None:
        pytest.skip("promtool is not installed")
    for command in (["check", "rules", "alerts.yml"], ["test", "rules", "alerts_test.yml"]):
        done = subprocess.run(
            [promtool, *command], cwd=ALERTS.parent, capture_output=True, text=True, timeout=300
        )
        assert done.returncode == 0, done.stdout + done.stderr


def test_the_dashboards_queries_can_be_read(tmp_path):
    """By promtool: as rules, with Grafana's variables in place."""
    promtool = shutil.which("promtool")
    if promtool is None:
        pytest.skip("promtool is not installed")
    plain = [
        q.replace("$__rate_interval", "5m").replace("$tenant", ".*")
        for q in queries()
        if not q.startswith("label_values")
    ]
    names = [{"record": f"tried:{n}", "expr": q} for n, q in enumerate(plain)]
    path = tmp_path / "tried.yml"
    path.write_text(yaml.safe_dump({"groups": [{"name": "tried", "rules": names}]}))
    done = subprocess.run(
        [promtool, "check", "rules", str(path)], capture_output=True, text=True, timeout=300
    )
    assert done.returncode == 0, done.stdout + done.stderr
