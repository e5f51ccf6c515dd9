"""`manage.py reset_second_factor`: for who has lost the phone and the recovery codes."""

import io

import pytest
from django.core.management import CommandError, call_command

from audit.models import SecondFactor
from tests.audit.factories import make_admin

pytestmark = pytest.mark.django_db


def reset(name):
    out = io.StringIO()
    call_command("reset_second_factor", name, stdout=out)
    return out.getvalue()


def test_it_removes_what_that_user_has_and_nothing_else():
    """Case 215."""
    for user in (make_admin("root"), make_admin("boss")):
        SecondFactor.being_set_up(user).confirm()
    SecondFactor.being_set_up(make_admin("new"))
    assert reset("root") == "The second factor of root is removed.\n"
    assert reset("root") == "root had none.\n"
    assert reset("new") == "The second factor of new is removed.\n"
    assert [str(factor) for factor in SecondFactor.objects.all()] == ["boss"]


@pytest.mark.parametrize("name", ["nobody", "", "Root", "root\n"])
def test_it_says_that_there_is_no_such_user(name):
    """Case 170."""
    make_admin("root")
    with pytest.raises(CommandError, match="there is no user"):
        reset(name)
