from django.db import migrations, models

VIEW = ["reportlink"]


def grant(apps, schema_editor):
    """Viewers and Operators see the links to reports."""
    config = apps.get_app_config("audit")
    config.models_module = True  # the historical app has none, and permissions are made only for apps that have models
    from django.contrib.auth.management import create_permissions
    from django.contrib.contenttypes.management import create_contenttypes

    create_contenttypes(config, apps=apps, verbosity=0, using=schema_editor.connection.alias)
    create_permissions(config, apps=apps, verbosity=0, using=schema_editor.connection.alias)
    config.models_module = None
    permission, group = apps.get_model("auth", "Permission"), apps.get_model("auth", "Group")
    views = permission.objects.filter(content_type__app_label="audit", codename__in=[f"view_{m}" for m in VIEW])
    for one in group.objects.filter(name__in=["Viewers", "Operators"]):
        one.permissions.add(*views)


def fill(apps, schema_editor):
    """What was 8/8 once was onboarded then. Where DMARC alone is left, its next audit looks whether
    that ends the onboarding."""
    domains = apps.get_model("audit", "AuditDomain").objects.order_by()
    domains.filter(onboarding=False).update(onboarded_at=models.F("first_healthy_at"))
    left = domains.filter(onboarding=True, score=7, status="warning").values("pk")
    checks = apps.get_model("audit", "AuditCheck").objects.order_by()
    checks.filter(check_id="dns_dmarc", status="warn", domain__in=left).update(digest="")


class Migration(migrations.Migration):

    dependencies = [
        ("audit", "0024_onboarding_and_portal"),
    ]

    operations = [
        migrations.AddField(
            model_name="auditdomain",
            name="onboarded_at",
            field=models.DateTimeField(blank=True, editable=False, null=True, verbose_name="onboarded"),
        ),
        migrations.RunPython(fill, migrations.RunPython.noop, elidable=True),
        migrations.RunPython(grant, migrations.RunPython.noop),
        migrations.AddIndex(
            model_name="auditdomain",
            index=models.Index(condition=models.Q(("known", False), ("onboarding", True)), fields=["created_at", "id", "tenant", "enabled", "severity", "covered"], name="audit_domain_onboarding"),
        ),
        migrations.AddIndex(
            model_name="auditdomain",
            index=models.Index(condition=models.Q(("onboarded_at__isnull", False)), fields=["-onboarded_at", "-id", "tenant", "enabled", "created_at"], name="audit_domain_onboarded"),
        ),
    ]
