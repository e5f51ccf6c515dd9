"""`manage.py rotate_keys`: after it the old key may go, and what no key opens is kept and said."""

import io

import pytest
from cryptography.fernet import Fernet
from django.core.management import CommandError, call_command
from django.db import connection

from audit.models import SecondFactor, Tenant
from audit.system_checks import unreadable_secrets
from tests.audit import factories as make

pytestmark = pytest.mark.django_db
OLD, NEW, OTHER = (Fernet.generate_key().decode() for _n in range(3))


@pytest.fixture
def tenant(settings):
    """A tenant whose secrets were encrypted with the old key."""
    settings.ENCRYPTION_KEYS = [OLD]
    return make.make_tenant(portal_token="token-of-the-portal")


def run(*args):
    out = io.StringIO()
    call_command("rotate_keys", *args, stdout=out)
    return out.getvalue()


def stored():
    with connection.cursor() as cursor:
        cursor.execute("select portal_token, webhook_secret from audit_tenant")
        return cursor.fetchone()


def test_after_it_the_new_key_alone_opens_every_secret(tenant, settings):
    """Case 188."""
    settings.ENCRYPTION_KEYS = [NEW, OLD]
    assert run() == "2 secrets encrypted with the newest key.\n"
    settings.ENCRYPTION_KEYS = [NEW]
    again = Tenant.objects.get()
    assert (again.portal_token, again.webhook_secret) == (
        "token-of-the-portal",
        make.WEBHOOK_SECRET,
    )


def test_a_secret_that_no_key_opens_is_kept_and_named(tenant, settings):
    """Case 188."""
    before = stored()
    settings.ENCRYPTION_KEYS = [OTHER]
    for options in ([], ["--check"]):
        with pytest.raises(CommandError, match="portal_token of VM112, webhook_secret of VM112"):
            run(*options)
    Tenant.objects.get().save()
    assert stored() == before
    settings.ENCRYPTION_KEYS = [OLD]
    assert Tenant.objects.get().portal_token == "token-of-the-portal"


def test_check_changes_nothing(tenant, settings):
    before = stored()
    settings.ENCRYPTION_KEYS = [NEW, OLD]
    assert run("--check") == "2 secrets can be opened.\n"
    assert stored() == before


def test_a_tenant_without_secrets_has_nothing_to_rotate(settings):
    make.make_tenant(webhook_secret="")
    assert run() == "0 secrets encrypted with the newest key.\n"


def test_the_keys_of_second_factors_turn_too(settings):
    """Case 188."""
    settings.ENCRYPTION_KEYS = [OLD]
    factor = SecondFactor.being_set_up(make.make_admin("root"))
    settings.ENCRYPTION_KEYS = [NEW, OLD]
    assert run() == "1 secrets encrypted with the newest key.\n"
    settings.ENCRYPTION_KEYS = [NEW]
    assert SecondFactor.objects.get().key == factor.key
    settings.ENCRYPTION_KEYS = [OTHER]
    with pytest.raises(CommandError, match="key of root"):
        run()
    said = [str(message) for message in unreadable_secrets(None)]
    assert len(said) == 1 and "second factor of 'root'" in said[0]
