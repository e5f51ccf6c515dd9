"""What every test gets: a database like the real one, and counters that begin at nought."""

import os

import pytest


@pytest.fixture(scope="session")
def django_db_modify_db_settings(tmp_path_factory, django_db_modify_db_settings_parallel_suffix):
    """SQLite in a file (write-ahead log, real locks), as it runs in production: one in memory
    has no locks to wait for. PostgreSQL: a database for each of several processes."""
    from django.db import connections

    settings = connections["default"].settings_dict
    if settings["ENGINE"] == "django.db.backends.sqlite3":
        settings["TEST"]["NAME"] = str(tmp_path_factory.mktemp("database") / "test.sqlite3")


@pytest.fixture(scope="module")
def kept_rows(django_db_setup, django_db_blocker):
    """For a fixture of the module's that makes rows once: they are there for all of its tests, each
    of which undoes what it changes, and go with the module. Not beside `transaction=True`."""
    from django.db import transaction

    with django_db_blocker.unblock(), transaction.atomic():
        yield
        transaction.set_rollback(True)


@pytest.fixture(autouse=True)
def _quick_passwords(settings):
    """The real hash is slow on purpose; a test that logs in twenty times need not be."""
    settings.PASSWORD_HASHERS = ["django.contrib.auth.hashers.MD5PasswordHasher"]


@pytest.fixture(autouse=True)
def _usual_language():
    """A request leaves its language to its thread: no test speaks the one of another test."""
    from django.utils import translation

    yield
    translation.deactivate()


@pytest.fixture(autouse=True)
def _empty_cache():
    """Throttles count in the cache: no test sees what another one has used up."""
    from django.core.cache import caches

    from audit.access.throttle import away_until

    away_until.clear()
    for alias in caches.settings:
        caches[alias].clear()


def pytest_collection_modifyitems(items):
    """Files with tests that ask for more time than others come first: as the last ones, they would
    be waited for while the other processes have nothing left to do."""
    asked = {}
    for item in items:
        limit = item.get_closest_marker("timeout")
        asked[item.path] = max(asked.get(item.path, 0), limit.args[0] if limit else 0)
    items.sort(key=lambda item: -asked[item.path])


@pytest.hookimpl(tryfirst=True)
def pytest_runtest_setup(item):
    """The product's ways in set a strict umask for their process. One that a test imports sets it
    for those that follow, whose own files other users' processes, such as nginx's, must read."""
    os.umask(0o022)


def pytest_sessionfinish(session, exitstatus):
    """A test that is skipped in CI is a failure."""
    reporter = session.config.pluginmanager.get_plugin("terminalreporter")
    skipped = reporter.stats.get("skipped") if reporter else None
    if skipped and os.environ.get("CI") and exitstatus == pytest.ExitCode.OK:
        reporter.write_line(f"{len(skipped)} skipped: in CI none may be", red=True)
        session.exitstatus = pytest.ExitCode.TESTS_FAILED
