"""System checks: a configuration that cannot work, or is not safe, says so at the start."""

from django.conf import settings
from django.core import checks


@checks.register()
def queue_retry(app_configs, **kwargs):
    """`retry` counts from the moment a task is fetched: with too small a value a waiting task runs twice."""
    q = settings.Q_CLUSTER
    needed = q["timeout"] * (q["queue_limit"] / q["workers"] + 2)
    if q["retry"] < needed:
        return [checks.Error(f"Q_CLUSTER retry is {q['retry']}: under {needed:.0f} tasks run twice.", id="audit.E001")]
    if not q.get("ack_failures") or q.get("max_attempts", 0) < 1:
        return [
            checks.Error("Q_CLUSTER needs ack_failures and max_attempts of at least 1, or failed tasks repeat for ever.", id="audit.E002")
        ]
    return []


@checks.register()
def timeouts(app_configs, **kwargs):
    """An audit must be able to end before the task that runs it is ended."""
    found = []
    if settings.AUDIT_CHECK_TIMEOUT_SEC > settings.AUDIT_DOMAIN_TIMEOUT_SEC:
        found.append(checks.Error("AUDIT_CHECK_TIMEOUT_SEC is longer than AUDIT_DOMAIN_TIMEOUT_SEC.", id="audit.E003"))
    if settings.Q_CLUSTER["timeout"] < settings.AUDIT_DOMAIN_TIMEOUT_SEC + settings.DRAIN_SECONDS + 30:
        found.append(checks.Error("AUDIT_DOMAIN_TIMEOUT_SEC is too long: at most 90 seconds.", id="audit.E004"))
    return found


@checks.register(checks.Tags.security, deploy=True)
def allowed_networks(app_configs, **kwargs):
    """Probes that may reach private networks are for labs, or for a webmail that is on the LAN on purpose."""
    from ipaddress import ip_network

    loopback = {4: ip_network("127.0.0.0/8"), 6: ip_network("::1/128")}
    wide = [str(n) for n in settings.AUDIT_ALLOWED_NETWORKS if n.prefixlen < 8 or n.overlaps(loopback[n.version])]
    if wide:
        return [checks.Warning(f"AUDIT_ALLOWED_NETWORKS lets probes reach {', '.join(wide)}.", id="audit.W001")]
    return []
