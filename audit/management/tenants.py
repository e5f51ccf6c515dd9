"""Which tenant a command means."""

from django.core.management import CommandError

from audit.models import Tenant


def tenant_named(text: str) -> Tenant:
    """The tenant with this name, or else with this id; raises CommandError (wrong usage)."""
    found = Tenant.objects.filter(name=text).first()
    if found is None and text.isascii() and text.isdecimal() and len(text) < 19:
        found = Tenant.objects.filter(pk=int(text)).first()
    if found is None:
        names = ", ".join(Tenant.objects.values_list("name", flat=True)[:10]) or "none yet"
        raise CommandError(f"there is no tenant {text!r}; there are: {names}", returncode=2)
    return found


def only_tenant() -> Tenant:
    """The one that there is; raises CommandError (wrong usage)."""
    tenants = list(Tenant.objects.all()[:2])
    if len(tenants) != 1:
        raise CommandError(
            "say with --tenant which tenant they belong to"
            if tenants
            else "there is no tenant yet: add one in the admin",
            returncode=2,
        )
    return tenants[0]
