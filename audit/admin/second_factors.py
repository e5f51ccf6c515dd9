"""Who has a second factor; removing it lets its owner set up another one."""

from django.contrib import admin
from django.utils.translation import gettext_lazy

from audit.admin.parts import ReadOnly
from audit.models import SecondFactor


@admin.register(SecondFactor)
class SecondFactorAdmin(ReadOnly, admin.ModelAdmin):
    list_display = ["user", "confirmed", "since", "codes_left"]
    search_fields = ["user__username"]
    fields = ["user", "confirmed", "since", "codes_left"]
    readonly_fields = ["codes_left"]

    def get_queryset(self, request):
        return super().get_queryset(request).select_related("user").defer("key")

    def has_delete_permission(self, request, obj=None):
        """As the permissions say: an administrator, when the phone is lost."""
        return admin.ModelAdmin.has_delete_permission(self, request, obj)

    @admin.display(description=gettext_lazy("recovery codes left"))
    def codes_left(self, factor):
        return len(factor.recovery)
