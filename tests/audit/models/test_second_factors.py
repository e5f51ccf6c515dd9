"""A second factor as it is kept: by the book, the same until it is confirmed, one at a time."""

import base64

import pytest
import time_machine

from audit.models import SecondFactor
from tests.audit.factories import make_admin

pytestmark = pytest.mark.django_db
KEY = base64.b32encode(b"12345678901234567890").decode()


@pytest.mark.parametrize(
    ("seconds", "code"),
    [
        (59, "287082"),
        (1111111109, "081804"),
        (1111111111, "050471"),
        (1234567890, "005924"),
        (2000000000, "279037"),
    ],
)
def test_it_takes_the_codes_of_the_rfc(seconds, code):
    """Case 215: RFC 6238 appendix B, the last six of its eight digits."""
    factor = SecondFactor.objects.create(user=make_admin(), key=KEY)
    with time_machine.travel(seconds, tick=False):
        assert factor.accepts(code)
        assert not factor.accepts(code), "once"


def test_its_key_stays_until_it_is_confirmed_and_another_takes_its_place():
    """Case 215."""
    user = make_admin()
    first = SecondFactor.being_set_up(user)
    assert SecondFactor.being_set_up(user).key == first.key and SecondFactor.of(user) is None
    assert len(base64.b32decode(first.key)) == 20
    codes = first.confirm()
    second = SecondFactor.being_set_up(user)
    assert second.key != first.key and SecondFactor.of(user) == first
    assert set(codes).isdisjoint(second.confirm())
    assert SecondFactor.of(user) == second and SecondFactor.objects.count() == 1


def test_one_that_cannot_be_read_while_it_is_set_up_gets_another_key(settings):
    """Case 188."""
    user = make_admin()
    before = SecondFactor.being_set_up(user).key
    settings.ENCRYPTION_KEYS = ["bm90IHRoZSBrZXkgdGhhdCBpdCB3YXMgb25jZSAhISE="]
    after = SecondFactor.being_set_up(user)
    assert after.readable and after.key not in ("", before)
