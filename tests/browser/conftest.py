"""A real Chromium, one for the session, and pages that fail a test for an error, a CSP violation or
a foreign request.
"""

import os
from datetime import timedelta
from urllib.parse import urlsplit

import pytest

os.environ.setdefault(
    "DJANGO_ALLOW_ASYNC_UNSAFE", "true"
)  # playwright's sync API keeps a loop in the test thread
ARGS = [
    "--no-sandbox",
    "--disable-gpu",
    "--disable-quic",
    "--no-first-run",
    "--disable-background-networking",
    "--disable-component-update",
    "--disable-sync",
]


@pytest.fixture(scope="session")
def browser():
    """Chromium from $CHROMIUM or Debian's package."""
    api = pytest.importorskip("playwright.sync_api")
    api.expect.set_options(
        timeout=15_000
    )  # a slow machine waits longer; a fast one doesn't wait at all
    with api.sync_playwright() as playwright:
        chromium = playwright.chromium.launch(
            executable_path=os.environ.get("CHROMIUM", "/usr/bin/chromium"), args=ARGS
        )
        yield chromium
        chromium.close()


@pytest.fixture(autouse=True)
def _no_grace(settings):
    """What a test makes is looked at as it is, and not as new: no test waits a week."""
    settings.AUDIT_GRACE_DAYS = 0


@pytest.fixture(autouse=True)
def _the_worker_lives(monkeypatch):
    """A test whose worker was seen when it began may last longer than a heartbeat counts."""
    monkeypatch.setattr("audit.models.WorkerHeartbeat.ALIVE", timedelta(hours=1))


@pytest.fixture
def new_page(browser, live_server, client):
    """`new_page(user=None, allow=(), aborts=False, **context options)`: a page, signed in as
    `user`; what goes wrong in it fails the test.

    `allow`: HTTP statuses that the console may complain about, because the test provokes them;
    `aborts`: that it may say that a request was given up, which htmx reports as an error.
    """
    contexts, wrong = [], []

    def make(user=None, *, allow=(), aborts=False, width=1400, height=900, **options):
        context = browser.new_context(
            base_url=live_server.url,
            viewport={"width": width, "height": height},
            **{"locale": "en-GB", "color_scheme": "light", **options},
        )
        contexts.append(context)
        if user:
            client.force_login(user)
            context.add_cookies(
                [
                    {
                        "name": "sessionid",
                        "value": client.cookies["sessionid"].value,
                        "url": live_server.url,
                    }
                ]
            )
        page = context.new_page()
        page.set_default_timeout(20_000)
        allowed = [
            text for status in allow for text in (f"status of {status} ", f"Error Code {status} ")
        ]
        allowed += ["htmx:afterRequest, ", "htmx:sendAbort, "] if aborts else []
        page.on(
            "console",
            lambda m: (
                wrong.append(m.text)
                if m.type in ("error", "warning") and not any(a in m.text for a in allowed)
                else None
            ),
        )
        page.on("pageerror", lambda error: wrong.append(str(error)))
        page.on(
            "dialog", lambda dialog: (wrong.append(f"dialog: {dialog.message}"), dialog.dismiss())
        )
        page.on(
            "request",
            lambda r: (
                None
                if _is_ours(r.url, live_server.url)
                else wrong.append(f"foreign request: {r.url}")
            ),
        )
        return page

    yield make
    for context in contexts:
        context.close()
    assert wrong == []


def _is_ours(url, ours):
    parts = urlsplit(url)
    return parts.scheme in ("data", "about") or parts.netloc == urlsplit(ours).netloc
