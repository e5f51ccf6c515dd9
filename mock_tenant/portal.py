"""The portal API of the company's server: read-only GETs with a bearer token, as
docs/portal.openapi.yaml has them.

What is not there is a 404 with a detail.
"""

import hmac
import json
import time
from urllib.parse import unquote, urlsplit

from mock_tenant.httpd import Handler, Server

ENDPOINTS = ("carbonio", "nginx", "certificate")


class Portal(Server):
    """`certificates` {domain: {what it shows: PEM}}."""

    def __init__(self, port, company, token, certificates):
        super().__init__(port, _Handler)
        self.company, self.token, self.certificates = company, token, certificates
        self.faults: frozenset[str] = frozenset()  # of the company's, those that are on


class _Handler(Handler):
    server: Portal

    def date_time_string(self, timestamp=None):
        """The time of the server, for its Date header."""
        off = sum(self.server.company.faults[f].get("clock_off", 0) for f in self.server.faults)
        return super().date_time_string((timestamp or time.time()) + off)

    def do_GET(self):
        if any(self.server.company.faults[f].get("refuses") for f in self.server.faults):
            self.close_connection = True
            return
        status, answer, delay = self._answer()
        self.note(status)
        self.linger(delay)
        extra = [("WWW-Authenticate", "Bearer")] if status == 401 else []
        self.send(status, json.dumps(answer).encode(), "application/json", extra)

    do_HEAD = do_GET

    def do_POST(self):
        self.note(405)
        self.close_connection = True  # its body is not read
        self.send(
            405,
            b'{"detail": "this API is read-only"}',
            "application/json",
            [("Allow", "GET, HEAD")],
        )

    do_PUT = do_DELETE = do_PATCH = do_POST

    def _answer(self):
        """(status, JSON data, seconds to wait before it)."""
        given = (self.headers.get("Authorization") or "").encode()
        if not hmac.compare_digest(given, f"Bearer {self.server.token}".encode()):
            return 401, {"detail": "the token is missing or wrong"}, 0
        parts = [unquote(part) for part in urlsplit(self.path).path.split("/")]
        if parts == ["", "api", "v1", "domains"]:
            hosted = self.server.company.domains
            return 200, {"domains": [{"domain": name, "type": "local"} for name in hosted]}, 0
        if (
            len(parts) != 6
            or parts[:4] != ["", "api", "v1", "domains"]
            or parts[5] not in ENDPOINTS
        ):
            return 404, {"detail": "no such address"}, 0
        domain = self.server.company.domains.get(parts[4])
        if domain is None:
            return 404, {"detail": f"no such domain: {parts[4][:253]}"}, 0
        said = domain.portal[parts[5]]
        if "detail" in said:
            answer = {"detail": said["detail"]}
        elif "shows" in said:
            answer = {"pem": self.server.certificates[domain.name][said["shows"]]}
        else:
            answer = self.server.company.portal_says(parts[5], said["answer"], self.server.faults)
        return said.get("status", 200), answer, said.get("delay", 0)
