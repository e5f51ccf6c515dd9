"""What may be entered for a tenant."""

import pytest
from django.core.exceptions import ValidationError

from audit import validators


@pytest.mark.parametrize(
    "value",
    [
        "http://10.10.10.112:8090",
        "http://vm112:8090/portal",
        "https://portal.example.pt",
        "http://[fd00::1]:8090",
    ],
)
def test_a_portal_may_be_on_the_lan(value):
    validators.portal_address(value)


@pytest.mark.parametrize(
    "value",
    [
        "vm112:8090",
        "ftp://vm112",
        "http://",
        "http://user:pass@vm112",
        "http://vm112:x",
        "http://vm112/?a=1",
        "http://vm 112",
        "http://vm112\n",
        "//x",
    ],
)
def test_a_portal_has_a_plain_http_address(value):
    with pytest.raises(ValidationError):
        validators.portal_address(value)


@pytest.mark.parametrize(
    "value", ["https://webmail.{domain}/", "https://{domain}:8443/", "https://mail.host.pt/"]
)
def test_a_webmail_address_is_https(value):
    validators.webmail_template(value)


@pytest.mark.parametrize(
    "value",
    [
        "http://webmail.{domain}/",
        "https://",
        "https://{name}/",
        "https://a@webmail.{domain}/",
        "webmail.{domain}",
    ],
)
def test_another_webmail_address_is_refused(value):
    with pytest.raises(ValidationError):
        validators.webmail_template(value)


GOOD = "whsec_" + "A" * 32


def test_a_webhook_secret_may_have_the_old_one_beside_it():
    validators.webhook_secret(GOOD)
    validators.webhook_secret(f"{GOOD} whsec_{'B' * 32}")


@pytest.mark.parametrize(
    "value",
    [
        "",
        "secret",
        "whsec_",
        "whsec_c2hvcnQ=",
        "whsec_????",
        GOOD + " ",
        f"{GOOD}  {GOOD}",
        f"{GOOD} short",
        " ".join([GOOD] * 3),
    ],
)
def test_a_webhook_secret_has_enough_bytes(value):
    with pytest.raises(ValidationError):
        validators.webhook_secret(value)
