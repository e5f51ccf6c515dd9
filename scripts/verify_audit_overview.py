"""What scripts/verify-audit-overview.sh does: measure a running installation through its API, or a
server's portal, a line for each promise."""

import argparse
import json
import os
import shutil
import statistics
import sys
import tempfile
import time
from pathlib import Path
from urllib.parse import urlencode, urljoin

from processes import Installation, Stopped, Trouble, free_port, get, say, stop_on_signals

CHECKS = [
    "carbonio",
    "nginx_vhost",
    "cert_le",
    "dns_mx",
    "dns_spf",
    "dns_dkim",
    "dns_dmarc",
    "webmail_http",
]
OVERVIEW_MS, RUN_SECONDS, SAMPLES = 500, 30, 5
EVERY_DOMAIN_SECONDS = 60


class Api:
    """The API of one installation. Raises Trouble where it does not answer as agreed."""

    def __init__(self, url, token):
        self.url, self.headers = (
            url.rstrip("/") + "/",
            {"Authorization": f"Bearer {token}", "Accept": "application/json"},
        )

    def ask(self, path, *, post=False, expect=200, **query):
        """The JSON answer of one request below the root, or of an absolute address."""
        url = urljoin(self.url, path.removeprefix("/")) + (f"?{urlencode(query)}" if query else "")
        status, body = get(url, self.headers, data=b"" if post else None, seconds=40)
        if status is None:
            raise Trouble(f"{url} does not answer.")
        try:
            answer = json.loads(body)
        except ValueError:
            answer = None
        if status != expect:
            detail = answer.get("detail", "") if isinstance(answer, dict) else ""
            raise Trouble(
                f"{url} answers HTTP {status}, not {expect}{f': {detail}' if detail else '.'}"
            )
        if not isinstance(answer, dict):
            raise Trouble(f"{url} does not answer with a JSON object.")
        return answer


class Report:
    """PASS and FAIL lines, and OPEN ones for what could not be measured."""

    def __init__(self):
        self.failed = self.unmeasured = 0

    def line(self, passed, text):
        self.failed += not passed
        say(f"{'PASS' if passed else 'FAIL'}  {text}")

    def open(self, text):
        self.unmeasured += 1
        say(f"OPEN  {text}")

    @property
    def exit_status(self):
        """0 all passed, 1 something failed, 2 something could not be measured."""
        return 1 if self.failed else 2 if self.unmeasured else 0


def verify(api, report, tenant_id=None, domain=None):
    """Measure; raises Trouble where that can't go on."""
    data = api.ask("api/v1/audit/overview")  # the first answer warms things up and is not counted
    times = []
    for _ in range(SAMPLES):
        begun = time.perf_counter()
        data = api.ask("api/v1/audit/overview")
        times.append((time.perf_counter() - begun) * 1000)
    median, count = statistics.median(times), data["summary"]["domains"]
    report.line(
        median < OVERVIEW_MS,
        f"overview: median {median:.0f} ms of {SAMPLES} ({min(times):.0f} to {max(times):.0f}), "
        f"limit {OVERVIEW_MS} ms; {count} domains",
    )
    report.line(
        data["worker"]["alive"],
        f"worker: {'alive' if data['worker']['alive'] else 'not seen'}, last seen "
        f"{data['worker']['last_seen']}",
    )
    if domain is None:
        cards = api.ask(
            "api/v1/audit/overview", sort="domain", **({"tenant": tenant_id} if tenant_id else {})
        )["cards"]
        if not cards:
            raise Trouble("There is no domain that could be audited.")
        tenant_id, domain = cards[0]["tenant_id"], cards[0]["domain"]
    elif tenant_id is None:
        found = [
            c for c in api.ask("api/v1/audit/overview", q=domain)["cards"] if c["domain"] == domain
        ]
        if len(found) != 1:
            raise Trouble(
                f"{domain} is on {len(found)} tenants that this token may see; --tenant says "
                "which is meant."
            )
        tenant_id = found[0]["tenant_id"]
    run_one(api, report, tenant_id, domain)
    scorecard(api, report, tenant_id, domain)


def run_one(api, report, tenant_id, domain):
    """Ask for an audit of one domain and wait for its end."""
    begun = time.monotonic()
    asked = api.ask(f"api/v1/audit/run/{tenant_id}", post=True, expect=202, domain=domain)
    run = {"status": asked["status"]}
    while run["status"] in ("queued", "running") and time.monotonic() - begun < RUN_SECONDS:
        time.sleep(0.2)
        run = api.ask(asked["status_url"])
    took = time.monotonic() - begun
    report.line(
        run["status"] == "done" and took < RUN_SECONDS,
        f"run of {domain}: {run['status']} after {took:.1f} s, limit {RUN_SECONDS} s",
    )


def scorecard(api, report, tenant_id, domain):
    """The scorecard holds the checks that count there in their order, and its score counts them."""
    card = api.ask(f"api/v1/audit/tenants/{tenant_id}/scorecard", domain=domain)
    ids = [check["check_id"] for check in card["checks"]]
    wanted = [c for c in CHECKS if c not in card["not_measured_here"]]
    in_order = ids == wanted and card["max_score"] == len(wanted)
    report.line(
        in_order,
        f"scorecard of {domain}: {len(ids)} "
        f"checks{', in order' if in_order else f', not all in order: {ids}'}",
    )
    ok = sum(check["status"] == "ok" for check in card["checks"])
    report.line(
        card["score"] == ok,
        f"scorecard of {domain}: score {card['score']}/{card['max_score']}, {ok} checks are ok",
    )


def verify_mock(report):
    """The same with an installation of our own: everything in a folder that goes again, the mock
    tenant, free ports."""
    folder = Path(tempfile.mkdtemp(prefix="ligbox-verify-"))
    env = {
        "DATABASE_URL": f"sqlite:///{folder / 'db.sqlite3'}", "SECRET_KEY": os.urandom(40).hex(),
        "ALLOWED_HOSTS": "",
        "REDIS_URL": "", "HTTPS": "0", "PROXIES": "0",
    }  # fmt: skip
    installation = Installation(port=free_port(), logs=folder / "logs", env=env)
    try:
        installation.use_mock(folder / "mock", dict.fromkeys(("portal", "dns", "webmail"), 0))
        installation.manage("migrate", "-v", "0")
        token = installation.manage("create_token", "verify", "--scope", "run").strip()
        begun = time.monotonic()
        installation.start_mock(every=0)
        installation.start_worker()
        installation.start_web()
        installation.wait_for_web()
        say(
            f"an installation of its own answers at {installation.url} after "
            f"{time.monotonic() - begun:.1f} s"
        )
        api = Api(installation.url, token)

        def audited():
            cards = api.ask("api/v1/audit/overview", limit=100)["cards"]
            return cards and all(card["last_audit"] for card in cards)

        done = installation.wait_until(audited, EVERY_DOMAIN_SECONDS)
        report.line(
            done,
            f"every domain audited {time.monotonic() - begun:.1f} s after the start, limit "
            f"{EVERY_DOMAIN_SECONDS} s",
        )
        verify(api, report)
    finally:
        installation.stop()
        shutil.rmtree(folder, ignore_errors=True)


def verify_portal(options):
    """Whether a portal keeps its contract; the exit status."""
    import verify_portal as portal  # here: the collectors are not needed otherwise

    stop_on_signals()
    report = Report()
    try:
        portal.verify(options.portal, portal.token_of(options.token_file), report, options.domain)
    except Trouble as trouble:
        say(f"FAIL  {trouble}")
        return 2
    except Stopped:
        return 130
    return _end(report)


def _end(report):
    if report.exit_status == 2:
        say(f"{report.unmeasured} could not be measured")
    else:
        say("all good" if not report.failed else f"{report.failed} failed")
    return report.exit_status


def main():
    parser = argparse.ArgumentParser()
    parser.add_argument("--url", default=os.environ.get("LIGBOX_URL", "http://127.0.0.1:8000"))
    parser.add_argument("--token", default=os.environ.get("LIGBOX_TOKEN", ""))
    parser.add_argument("--tenant")
    parser.add_argument("--domain")
    parser.add_argument("--mock", action="store_true")
    parser.add_argument("--portal")
    parser.add_argument("--token-file")
    options = parser.parse_args()
    if options.portal is not None:
        return verify_portal(options)
    if not options.mock and not options.token:
        say(
            "A token is needed: --token or LIGBOX_TOKEN; manage.py create_token NAME --scope run "
            "makes one."
        )
        return 2
    if not options.url.startswith(("http://", "https://")):
        say(f"--url needs an address that begins with http:// or https://, not {options.url!r}.")
        return 2
    stop_on_signals()
    report = Report()
    try:
        if options.mock:
            verify_mock(report)
        else:
            verify(Api(options.url, options.token), report, options.tenant, options.domain)
    except Trouble as trouble:
        say(f"FAIL  {trouble}")
        return 2
    except KeyError as missing:
        say(f"FAIL  an answer of the API lacks {missing}")
        return 1
    except Stopped:
        return 130
    return _end(report)


if __name__ == "__main__":
    sys.exit(main())
