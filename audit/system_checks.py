"""System checks: a configuration that cannot work, or is not safe, says so at the start."""

import os
from ipaddress import ip_network

from django.conf import settings
from django.core import checks
from django.db import DatabaseError, InterfaceError

from audit.models import NotificationChannel, SecondFactor, Tenant

SETTINGS = "ligbox"  # what `run_audit` and `worker` look at too before they begin


@checks.register(SETTINGS)
def queue_retry(app_configs, **kwargs):
    """`retry` counts from the moment a task is fetched: with too small a value a waiting task runs
    twice."""
    q = settings.Q_CLUSTER
    needed = q["timeout"] * (q["queue_limit"] / q["workers"] + 2)
    if q["retry"] < needed:
        return [
            checks.Error(
                f"Q_CLUSTER retry is {q['retry']}: under {needed:.0f} tasks run twice.",
                id="audit.E001",
            )
        ]
    if not q.get("ack_failures") or q.get("max_attempts", 0) < 1:
        return [
            checks.Error(
                "Q_CLUSTER needs ack_failures and max_attempts of at least 1, or failed tasks "
                "repeat for ever.",
                id="audit.E002",
            )
        ]
    return []


@checks.register(SETTINGS)
def timeouts(app_configs, **kwargs):
    """An audit must be able to end before the task that runs it is ended."""
    found = []
    if settings.AUDIT_CHECK_TIMEOUT_SEC > settings.AUDIT_DOMAIN_TIMEOUT_SEC:
        found.append(
            checks.Error(
                "AUDIT_CHECK_TIMEOUT_SEC is longer than AUDIT_DOMAIN_TIMEOUT_SEC.", id="audit.E003"
            )
        )
    if (
        settings.Q_CLUSTER["timeout"]
        < settings.AUDIT_DOMAIN_TIMEOUT_SEC + settings.DRAIN_SECONDS + 30
    ):
        found.append(
            checks.Error(
                "AUDIT_DOMAIN_TIMEOUT_SEC is too long: at most 90 seconds.", id="audit.E004"
            )
        )
    return found


@checks.register(SETTINGS)
def unreadable_secrets(app_configs, **kwargs):
    """A stored secret that no key opens is not used; the key must come back, or the secret be
    entered again."""
    try:
        tenants = [t for t in Tenant.objects.order_by("name") if t.unreadable_secrets]
        channels = [c for c in NotificationChannel.objects.all() if c.unreadable_secrets]
        factors = [f for f in SecondFactor.objects.select_related("user") if not f.readable]
    except (DatabaseError, InterfaceError):  # none, or none yet: whoever needs it says so
        return []
    rows = [("tenant", t.name, t.unreadable_secrets, "audit.W002") for t in tenants] + [
        ("notification channel", c.name, c.unreadable_secrets, "audit.W005") for c in channels
    ]
    return [
        checks.Warning(
            f"No key in ENCRYPTION_KEYS opens {' and '.join(secrets)} of the {kind} {name!r}: "
            "bring back the old key, or enter it again.",
            id=number,
        )
        for kind, name, secrets, number in rows
    ] + [
        checks.Warning(
            f"No key in ENCRYPTION_KEYS opens the second factor of {str(factor)!r}: bring back the "
            "old key, or run manage.py reset_second_factor.",
            id="audit.W004",
        )
        for factor in factors
    ]


@checks.register(checks.Tags.security, deploy=True)
def keys_and_hosts(app_configs, **kwargs):
    """What works by itself on a desk, and is to be said for a machine that others reach."""
    found: list[checks.CheckMessage] = []
    if not os.environ.get("ENCRYPTION_KEYS"):
        found.append(
            checks.Warning(
                "ENCRYPTION_KEYS is not set: secrets are encrypted with a key made from "
                "SECRET_KEY, and lost when that changes.",
                id="audit.W003",
            )
        )
    if "*" in settings.ALLOWED_HOSTS:
        found.append(
            checks.Error(
                "ALLOWED_HOSTS=* takes any name for this site's; name the hosts.", id="audit.E005"
            )
        )
    return found


@checks.register(checks.Tags.security, deploy=True)
def allowed_networks(app_configs, **kwargs):
    """Probes that may reach private networks are for labs, or for a webmail that is on the LAN on
    purpose."""
    loopback = {4: ip_network("127.0.0.0/8"), 6: ip_network("::1/128")}
    wide = [
        str(n)
        for n in settings.AUDIT_ALLOWED_NETWORKS
        if n.prefixlen < 8 or n.overlaps(loopback[n.version])
    ]
    if wide:
        return [
            checks.Warning(
                f"AUDIT_ALLOWED_NETWORKS lets probes reach {', '.join(wide)}.", id="audit.W001"
            )
        ]
    return []
