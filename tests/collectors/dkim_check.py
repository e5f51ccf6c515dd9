"""dns_dkim under test: a portal that says what it is told to, and one way to run the check."""

import asyncio
from datetime import UTC, datetime, timedelta

from collectors.base import PortalFacts
from collectors.net.portal_client import PortalAnswer
from tests.collectors import dkim_keys as keys
from tests.collectors.lab import codes, look, target

NAME = "s1._domainkey.kunde.test"
RECORD = f"v=DKIM1; k=rsa; p={keys.spki()}"
OTHER_KEY = keys.spki(name="other")
OTHER = f"v=DKIM1; k=rsa; p={OTHER_KEY}"


class Portal:
    """A portal that says what it is told to.

    `answer` may be an exception; `seconds` is how long it thinks.
    """

    def __init__(self, answer, seconds=0.0):
        self.answer, self.seconds = answer, seconds

    async def get(self, url, token, what, domain, *, seconds):
        await asyncio.sleep(self.seconds)
        if isinstance(self.answer, Exception):
            raise self.answer
        return self.answer

    async def close(self):
        pass


def signs(selector="s1", key=None):
    """A portal whose server signs with this selector and key."""
    dkim = {"selector": selector, "public_key": keys.spki() if key is None else key}
    return Portal(PortalAnswer("carbonio", found=True, data={"dkim": dkim}))


def remembers(key, selector="s1", days=0.0):
    """What the portal said of the server's key, so many days ago; `key` None: that it has none."""
    dkim = key and {"selector": selector, "public_key": key}
    return PortalFacts(dkim=dkim, dkim_at=datetime.now(UTC) - timedelta(days=days))


def check_dkim(zone, portal=None, **changes):
    """(result, server) of dns_dkim for kunde.test.

    `zone`: {name: TXT record or list of records or {type: records}}.
    """
    names = {
        name: texts if isinstance(texts, dict) else {"TXT": texts} for name, texts in zone.items()
    }
    url = "http://portal.test" if portal else ""
    return look(
        "dns_dkim",
        {"names": {"kunde.test": {"A": ["192.0.2.1"]}, **names}},
        target(portal_url=url, **changes),
        portal=portal,
    )


def only(result, code):
    """The finding with this code, which must be the only one."""
    assert codes(result) == [code]
    return result.findings[0]


def records(finding):
    return [(r.action, r.type, r.name, r.value, r.current) for r in finding.fix.records]
