"""How the domains of servers differ from ours: read-only, with what a person may decide of them."""

from django.contrib import admin, messages
from django.utils.formats import localize
from django.utils.translation import gettext as _
from django.utils.translation import gettext_lazy

from audit.admin.parts import ReadOnly
from audit.models import PortalDomain, Tenant
from audit.results import portal_domains
from audit.results.trail import Actor

Kind = PortalDomain.Kind


@admin.register(PortalDomain)
class PortalDomainAdmin(ReadOnly, admin.ModelAdmin):
    list_display = ["unicode", "of_tenant", "kind", "since", "ignored_at"]
    list_filter = ["kind", "ignored_at", "tenant"]
    search_fields = ["domain"]
    ordering = ["domain", "pk"]
    fields = ["domain", "of_tenant", "kind", "since", "ignored_at"]
    readonly_fields = ["of_tenant"]
    actions = ["register", "leave_so"]

    def get_queryset(self, request):
        rows = super().get_queryset(request).select_related("tenant")
        return rows.defer("tenant__portal_token", "tenant__webhook_secret")

    @admin.display(description=gettext_lazy("tenant"), ordering="tenant__name")
    def of_tenant(self, row):
        return row.tenant.name

    def has_register_permission(self, request):
        return request.user.has_perm("audit.add_auditdomain")

    @admin.action(
        description=gettext_lazy("Register what the server has and we lack"),
        permissions=["register"],
    )
    def register(self, request, queryset):
        """As far as the quota of each tenant allows."""
        done = left = 0
        for tenant, ids in _by_tenant(queryset).items():
            registered, beyond = portal_domains.register(
                tenant, ids, who=Actor.person(request.user)
            )
            done, left = done + registered, left + beyond
        self.message_user(
            request, _("Registered, to be audited now: %(count)s.") % {"count": localize(done)}
        )
        if left:
            text = _("Left out, as the quota of their tenant is used up: %(count)s.")
            self.message_user(request, text % {"count": localize(left)}, messages.WARNING)

    @admin.action(description=gettext_lazy("Leave so"), permissions=["register"])
    def leave_so(self, request, queryset):
        who, number = Actor.person(request.user), 0
        for tenant, ids in _by_tenant(queryset).items():
            number += sum(portal_domains.leave(tenant, ids, kind, who=who) for kind in Kind)
        self.message_user(request, _("Left so: %(count)s.") % {"count": localize(number)})


def _by_tenant(queryset) -> dict[Tenant, list[int]]:
    """The ids of these differences by their tenants."""
    found: dict[int, list[int]] = {}
    for tenant, pk in queryset.order_by("pk").values_list("tenant", "pk"):
        found.setdefault(tenant, []).append(pk)
    return {t: found[t.pk] for t in Tenant.objects.filter(pk__in=found)}
