"""The webmail of all domains on one TLS port: the certificate is chosen by SNI, the page by the
Host header."""

import tempfile

from mock_tenant.certificates import server_context
from mock_tenant.httpd import Handler, Server

_PAGE = (
    "<!doctype html>\n<html><head><meta charset='utf-8'><title>{title}</title></head>"
    "<body>{body}</body></html>\n"
)
PAGES = {
    "carbonio": _PAGE.format(
        title="Carbonio - Login",
        body="<h1>Carbonio</h1><form method='post'><label>Utilizador <input></label></form>",
    ),
    "nginx": _PAGE.format(
        title="Welcome to nginx!",
        body="<h1>Welcome to nginx!</h1><p>If you see this page, the nginx web server is "
        "successfully installed and working. "
        "Further configuration is required.</p>",
    ),
    "unavailable": _PAGE.format(
        title="503 Service Temporarily Unavailable",
        body="<center><h1>503 Service Temporarily Unavailable</h1></center>",
    ),
}
HSTS = ("Strict-Transport-Security", "max-age=31536000")


class Webmail(Server):
    """`leaves` {domain: (leaf, chain, key)} in PEM, `default` the same for every other name."""

    def __init__(self, port, company, leaves, default):
        self.sites = {
            d.webmail_host: d.webmail for d in company.domains.values() if d.webmail["vhost"]
        }
        with tempfile.TemporaryDirectory(prefix="mock-webmail-") as folder:
            context = server_context(folder, "default", *default)
            by_host = {
                d.webmail_host: server_context(folder, d.name, *leaves[d.name])
                for d in company.domains.values()
                if d.webmail["vhost"]
            }

        def choose(sock, name, _context):
            if name in by_host:
                sock.context = by_host[name]

        context.sni_callback = choose
        super().__init__(port, _Handler, tls=context)


class _Handler(Handler):
    server: Webmail

    def handle(self):
        self.request.do_handshake()
        super().handle()

    def do_GET(self):
        site = self.server.sites.get(self.host, {"status": 200, "page": "nginx"})
        self.note(site["status"])
        self.linger(site.get("delay", 0))
        headers = [HSTS] if site["page"] == "carbonio" else []
        self.send(site["status"], PAGES[site["page"]].encode(), "text/html; charset=utf-8", headers)

    do_HEAD = do_GET

    def do_POST(self):
        self.note(405)
        self.close_connection = True
        self.send(405, b"", "text/plain", [("Allow", "GET, HEAD")])

    do_PUT = do_DELETE = do_PATCH = do_POST
