"""Fixtures for the pages."""

import pytest


@pytest.fixture(autouse=True)
def _no_grace(settings):
    """What a test makes is looked at as it is, and not as new: no test waits a week."""
    settings.AUDIT_GRACE_DAYS = 0
