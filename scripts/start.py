"""What scripts/start.sh does once there is a virtual environment: prepare, start, say where to
click, wait, stop."""

import argparse
import fcntl
import os
import signal
import sys
import time

from processes import (
    ADMINISTRATOR,
    OPERATOR,
    ROOT,
    Installation,
    Stopped,
    Trouble,
    accounts,
    keep_port,
    say,
    shown,
    stop_on_signals,
)

MOCK_PORTS = {"portal": 8090, "dns": 5300, "webmail": 8443}
EVENT_SECONDS = 20  # between two customers that join
# A demo must not touch what a .env file beside it says of a real installation.
DEMO_ENV = {
    "REDIS_URL": "",
    "ALLOWED_HOSTS": "",
    "HTTPS": "0",
    "AUDIT_INTERVAL_SEC": "600",
    "PROXIES": "0",
}


def main():
    parser = argparse.ArgumentParser()
    parser.add_argument("--port", type=int, default=8000)
    parser.add_argument("--no-mock", action="store_true")
    options = parser.parse_args()
    os.umask(0o077)  # database, logs and the password are for the owner's eyes
    if keep_port(options.port) is None:
        say(f"Port {options.port} is used by another program; choose another with --port N.")
        return 2
    data, demo = ROOT / "data", not options.no_mock
    try:
        data.mkdir(exist_ok=True, mode=0o700)
        lock = (data / f".{'demo' if demo else 'real'}.lock").open(
            "w"
        )  # held until this process ends
    except OSError as error:
        say(
            f"The folder {data} can't be used ({error.strerror}): the database, the logs and the "
            "password are kept there."
        )
        return 1
    try:
        fcntl.flock(lock, fcntl.LOCK_EX | fcntl.LOCK_NB)
    except OSError:
        say("It runs already, started from this folder; stop that one first.")
        return 2
    env = {**DEMO_ENV, "DATABASE_URL": f"sqlite:///{data / 'demo.sqlite3'}"} if demo else {}
    installation = Installation(
        port=options.port, logs=data / "logs" / ("demo" if demo else "real"), env=env
    )
    stop_on_signals()
    try:
        return run(installation, data, demo)
    except Trouble as trouble:
        say(str(trouble))
        return 1
    except Stopped as stopped:
        say("\nStopping ...")
        return 130 if stopped.args[0] == signal.SIGINT else 0
    except BrokenPipeError:  # nobody reads what we say, as in `| head`
        os.dup2(os.open(os.devnull, os.O_WRONLY), sys.stdout.fileno())
        return 141
    except OSError as error:
        say(f"{error.filename or 'This machine'} can't be used: {error.strerror}.")
        return 1
    finally:
        installation.stop()


def run(installation, data, demo):
    """Start everything and watch until a signal (Stopped) or the end of a process (Trouble)."""
    if demo:
        say("preparing the mock tenant")
        installation.use_mock(data / "mock", MOCK_PORTS)
    say("preparing the database")
    installation.manage("migrate", "-v", "0")
    kind = "demo" if demo else "operator"
    files = {
        OPERATOR: data / f"{kind}-password",
        ADMINISTRATOR: data / f"{'demo-' if demo else ''}admin-password",
    }
    passwords, production = accounts(installation, files)
    if production:
        installation.manage("collectstatic", "--noinput", "-v", "0")
    say("starting")
    if demo:
        installation.start_mock(every=EVENT_SECONDS)
    installation.start_worker()
    installation.start_web()
    ready = installation.wait_for_web()
    tell(installation, demo, passwords, files)
    if not ready:
        say(f"Not everything is ready yet; {shown(installation.logs)}/ says more.")
    while True:
        installation.check()
        time.sleep(0.3)


def tell(installation, demo, passwords, files):
    """Where to go, how to get in, what to click."""
    say(f"\nLigbox Audit is running: {installation.url}/\n")
    say(f"  account   {OPERATOR}\n  password  {how_to_get_in(OPERATOR, passwords, files)}\n")
    say("That account is for every day. Tenants, tokens and users are the administrator's:\n")
    if ADMINISTRATOR in passwords:
        secret = how_to_get_in(ADMINISTRATOR, passwords, files)
        say(f"  account   {ADMINISTRATOR}\n  password  {secret}\n")
    else:
        say("  account   the one that you have made   (another: manage.py createsuperuser)\n")
    if demo:
        say(
            "You see the customers of VM112, a made-up hosting company that lives on this machine "
            "alone."
        )
        say(
            "  - The worst come first. Click a card: what is wrong, what is published now, and "
            "exactly what to publish."
        )
        say("  - New customers join while you look, one every 20 s or so.")
        say("  - 'Audit now' looks again at once.")
    else:
        say("To begin, as the administrator:")
        say(f"  - Add your server: {installation.url}/admin/audit/tenant/add/")
        say(f"  - Then its domains: {installation.url}/admin/audit/auditdomain/add/")
    say(f"  - Administration: {installation.url}/admin/    API: {installation.url}/api/v1/docs")
    say(f"\nLogs: {shown(installation.logs)}/    Ctrl-C stops everything.")


def how_to_get_in(name, passwords, files):
    """The password and where it is kept, unless somebody has changed it."""
    if passwords[name] is None:
        return "the one that you have set"
    return f"{passwords[name]}   (kept in {shown(files[name])})"


if __name__ == "__main__":
    sys.exit(main())
