"""Case 216: what a header says and nobody can mean is as if it were not there."""

import encodings
import pkgutil

import pytest
from django.conf import settings
from django.test import Client
from django.test.client import FakePayload

from ligbox.unreadable import Request
from ligbox.wsgi import Handler
from tests.audit import factories as make

pytestmark = pytest.mark.django_db
CHARSETS = sorted(
    {module.name for module in pkgutil.iter_modules(encodings.__path__)} - {"mbcs", "oem"}
)
QUERY = "q=%5Cud800%5C0&%FF=%00"
FORM = b'--x\r\nContent-Disposition: form-data; name="username"\r\n\r\n\\ud800\\0\xff\r\n--x--\r\n'
ADDRESSES = [
    "http://[", "http://[x]/", "http://testserver:x/", "http://testserver:99999999/", "//[", "\\",
    "http://\u2100.example/", "x" * 3000, "http://testserver/%ff%00",
]  # fmt: skip


@pytest.fixture(params=[False, True], ids=["stranger", "administrator"])
def client(request):
    make.make_domain("cliente.pt")
    client = Client()  # raises what the site does not catch
    if request.param:
        client.force_login(make.make_admin())
    return client


def ask(client, path, *, kind, body=b"", query=QUERY):
    """(status, body) of a request as a WSGI server hands it on: POST with a body, else GET."""
    environ = client._base_environ(
        PATH_INFO=path, QUERY_STRING=query, CONTENT_TYPE=kind, CONTENT_LENGTH=str(len(body)),
        REQUEST_METHOD="POST" if body else "GET",
    )  # fmt: skip
    environ["wsgi.input"] = FakePayload(body)
    answer = Handler().get_response(Handler.request_class(environ))
    return answer.status_code, b"" if answer.streaming else answer.content


@pytest.mark.parametrize("path", ["/", "/login/", "/api/v1/audit/overview", "/static/none.css"])
def test_no_charset_that_a_request_names_makes_it_fail(client, path):
    for charset in [*CHARSETS, "\0", "x" * 60_000, "*=hex", '"', "utf-8''hex"]:
        form = f"multipart/form-data; boundary=x; charset={charset}"
        text = f"text/plain; charset={charset}"
        assert ask(client, path, kind=form, body=FORM)[0] < 500, charset
        assert ask(client, path, kind=text)[0] < 500, charset
        assert ask(client, path, kind=f"text/plain; charset*={charset}")[0] < 500, charset


@pytest.mark.parametrize("client", [True], indirect=True)
def test_a_query_and_a_form_are_read_as_utf_8_whatever_is_said(client):
    for charset in ("utf-16", "hex", "latin-1", "utf-8"):
        kind = f"text/plain; charset={charset}"
        status, page = ask(client, "/", kind=kind, query="q=client%C3%A9")
        assert status == 200 and "clienté" in page.decode(), charset


def test_a_web_server_is_given_such_requests():
    from ligbox import wsgi

    assert type(wsgi.application) is Handler and Handler.request_class is Request


@pytest.mark.parametrize("path", ["/", "/board/", "/board/?push=1", "/domains/1/x.pt/panel/"])
def test_no_address_that_htmx_names_makes_it_fail(client, path):
    for address in ADDRESSES:
        headers = {"HX-Request": "true", "HX-Current-URL": address.encode().decode("latin-1")}
        assert client.get(path, headers=headers).status_code < 500, address
        headers["HX-Current-URL-URI-AutoEncoded"] = "true"
        assert client.get(path, headers=headers).status_code < 500, address


def test_a_cookie_with_a_nul_reaches_nobody(client):
    """PostgreSQL raises for it; SQLite would look it up."""
    names = ["SESSION", "CSRF", "LANGUAGE", "SEEN", "DEVICE"]
    sent = [getattr(settings, f"{name}_COOKIE_NAME") for name in names]
    text = "; ".join(f'{name}="aaaaaaaaaaaa\\000\\012"' for name in sent)
    for path in ("/", "/login/", "/admin/", "/api/v1/audit/overview"):
        answer = Client().get(path, headers={"Cookie": text})
        assert answer.status_code in (200, 302, 401), path
        seen = answer.wsgi_request.COOKIES
        assert not any("\0" in value for value in seen.values())
