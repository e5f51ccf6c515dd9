"""Onboarding events, posted as Standard Webhooks defines it (standardwebhooks.com): one joining
domain after the other."""

import base64
import hashlib
import hmac
import json
import secrets
import threading
import time
import urllib.error
import urllib.request
from datetime import UTC, datetime

TYPES = ("account.created", "onboarding.completed")
LONGEST_PAUSE = 10.0  # seconds between two attempts
GIVE_UP = {
    400,
    401,
    403,
    404,
    405,
    410,
    413,
    415,
    422,
}  # answers that another attempt would not change


def signature(secret, event_id, timestamp, body):
    """The value of `webhook-signature`: HMAC-SHA256 over `id.timestamp.body`, keyed with the
    bytes behind `whsec_`."""
    key = base64.b64decode(secret.removeprefix("whsec_"))
    digest = hmac.new(key, f"{event_id}.{timestamp}.".encode() + body, hashlib.sha256).digest()
    return "v1," + base64.b64encode(digest).decode()


class Onboarding(threading.Thread):
    """Posts one event for each of `domains`, the first after `every` seconds, then one every
    `every` seconds, and ends.

    An event is tried until it is taken: the web may not be up yet. `say` gets one line for each
    that was taken or refused.
    """

    def __init__(self, *, url, secret, domains, every, say=lambda line: None):
        super().__init__(daemon=True, name="onboarding")
        self.url, self.secret, self.domains, self.every, self.say = (
            url,
            secret,
            list(domains),
            every,
            say,
        )
        self.taken = []  # (event id, domain)
        self._ended = threading.Event()
        # loopback and the operator's own address: a proxy of the environment has no business
        # between
        self._opener = urllib.request.build_opener(urllib.request.ProxyHandler({}))

    def stop(self):
        self._ended.set()

    def run(self):
        for number, domain in enumerate(self.domains):
            if self._ended.wait(self.every):
                return
            self._deliver(TYPES[number % len(TYPES)], domain)

    def _deliver(self, kind, domain):
        event_id = f"msg_{secrets.token_urlsafe(16)}"
        data = {"domain": domain, "account": f"geral@{domain}"}
        body = json.dumps(
            {"type": kind, "timestamp": datetime.now(UTC).isoformat(), "data": data}
        ).encode()
        pause = 1.0
        while not self._ended.is_set():
            status = self._post(event_id, body)
            if status is not None and 200 <= status < 300:
                self.taken.append((event_id, domain))
                self.say(f"{kind} of {domain}: taken (HTTP {status})")
                return
            if status in GIVE_UP:
                self.say(f"{kind} of {domain}: refused (HTTP {status}), not sent again")
                return
            self._ended.wait(pause)
            pause = min(2 * pause, LONGEST_PAUSE)

    def _post(self, event_id, body):
        """The HTTP status of one attempt, None if nobody answered.

        The time is signed anew, the id stays.
        """
        timestamp = str(int(time.time()))
        headers = {
            "Content-Type": "application/json",
            "webhook-id": event_id,
            "webhook-timestamp": timestamp,
            "webhook-signature": signature(self.secret, event_id, timestamp, body),
        }
        try:
            with self._opener.open(
                urllib.request.Request(self.url, data=body, headers=headers), timeout=10
            ) as answer:
                return answer.status
        except urllib.error.HTTPError as error:
            error.close()
            return error.code
        except (OSError, ValueError):
            return None
