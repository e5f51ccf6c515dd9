"""webmail_http and answers that speak of the one who asks: nobody is blamed for them."""

import pytest

from tests.collectors.hostile_http import Hostile, answer, certificates
from tests.collectors.visits import verdict, visit

CHALLENGE = b"<html><head><title>Just a moment...</title></head><body>checking</body></html>"
PLAIN = b"<title>Carbonio Login</title>"


def at_root(*steps):
    with Hostile(certificates(), paths={"/": list(steps)}) as server:
        return visit(server)


@pytest.mark.parametrize(
    "response",
    [
        answer(b"slow down", status="429 Too Many Requests", Retry_After="60"),
        answer(CHALLENGE, status="403 Forbidden", cf_mitigated="challenge"),
        answer(CHALLENGE, status="503 Service Temporarily Unavailable", Server="cloudflare"),
        answer(PLAIN, cf_mitigated="challenge"),
        answer(b"<title>Attention Required! | Cloudflare</title>", status="403 Forbidden"),
        answer(b"<title>x</title><script>window._cf_chl_opt={}</script>", status="403 Forbidden"),
        answer(b"", status="202 Accepted", x_amzn_waf_action="challenge"),
        answer(b"<title>Vercel Security Checkpoint</title>", status="429 X"),
        answer(b"<script src=/_Incapsula_Resource?SWUDNSAI=31></script>"),
        answer(b"<title>DDoS-Guard</title>", status="403 Forbidden"),
        answer(b"<script src='https://geo.captcha-delivery.com/c.js'>", status="403 Forbidden"),
        answer(b"<title>Access Denied</title> errors.edgesuite.net", status="403 Forbidden"),
        answer(b"<title>Making sure you&#39;re not a bot!</title>"),
        answer(b"<title>Pardon Our Interruption</title>"),
        answer(b"The requested URL was rejected. Please consult with your administrator."),
        answer(b"<title>Client Challenge</title>"),
        answer(b"<title>One moment, please...</title>"),
        answer(b"<title>Verify</title><div class='h-captcha'></div>", status="403 Forbidden"),
        answer(b"error code: 1020", status="403 Forbidden", Server="cloudflare"),
        answer(b"<script src=/_Incapsula_Resource?SWJIYLWA=7></script>"),
        answer(
            b"<title>ERROR</title>Request blocked. We can't connect to the server for this app",
            status="403 Forbidden",
        ),
        answer(b"The request is blocked.", status="403 Forbidden"),
        answer(b"<form action=/.lsrecap/recaptcha>", status="403 Forbidden"),
        answer(b"<title>Checking you are not a bot</title>", status="418 X"),
        answer(b"<title>Access to this page has been denied</title>", status="403 Forbidden"),
    ],
)
def test_a_guard_before_the_webmail_leaves_the_verdict_open(response):
    result = at_root(response)
    assert verdict(result) == ("unknown", ["webmail_refuses_audit"])
    assert str(result.findings[0].owner) == "measurement"


@pytest.mark.parametrize(
    ("response", "code"),
    [
        (answer(status="403 Forbidden"), "webmail_status"),
        (
            answer(b"<title>404</title><div class=g-recaptcha></div>", status="404 Not Found"),
            "webmail_status",
        ),
        (answer(b"<title>401</title>", status="401 Unauthorized"), "webmail_status"),
        (answer(status="503 Service Unavailable", Retry_After="3600"), "webmail_status"),
        (answer(b"error code: 522", status="522 X", Server="cloudflare"), "webmail_status"),
        (
            answer(
                b"<title>Down</title><script>'/cdn-cgi/challenge-platform/h/b/scripts/jsd/main.js'",
                status="503 Service Unavailable",
                Server="cloudflare",
            ),
            "webmail_status",
        ),
        (
            answer(
                b"<title>host | 522: Connection timed out</title>cf-error-details Error code 522",
                status="522 X",
                Server="cloudflare",
            ),
            "webmail_status",
        ),
    ],
)
def test_an_error_of_the_server_itself_is_one(response, code):
    assert verdict(at_root(response)) == ("fail", [code])


@pytest.mark.parametrize(
    "page",
    [
        PLAIN + b"<script src=/cdn-cgi/challenge-platform/scripts/jsd/main.js></script>",
        PLAIN + b"<div class=g-recaptcha></div>",
        PLAIN + b"<p>This site uses cookies. Protected by CrowdSec.</p>",
        PLAIN + b"<script src='/_Incapsula_Resource?SWJIYLWA=719d34d3' async></script>",
        PLAIN + b"<script src='https://a.eu.sdk.token.awswaf.com/a/challenge.js'></script>",
    ],
)
def test_an_ordinary_page_with_signs_of_a_guard_is_an_ordinary_page(page):
    assert verdict(at_root(answer(page, Server="cloudflare"))) == ("ok", [])
