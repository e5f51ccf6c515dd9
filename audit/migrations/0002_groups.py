"""The two groups: Viewers see everything and change nothing; Operators also run audits and manage domains."""

from django.db import migrations

VIEW = ["tenant", "auditdomain", "auditcheck", "checktransition", "auditrun", "webhookevent"]
OPERATE = ["add_auditdomain", "change_auditdomain", "delete_auditdomain", "change_webhookevent", "run_audit", "make_report"]


def create_groups(apps, schema_editor):
    from django.contrib.auth.management import create_permissions
    from django.contrib.contenttypes.management import create_contenttypes

    config = apps.get_app_config("audit")
    config.models_module = True  # the historical app has none, and permissions are made only for apps that have models
    create_contenttypes(config, apps=apps, verbosity=0, using=schema_editor.connection.alias)
    create_permissions(config, apps=apps, verbosity=0, using=schema_editor.connection.alias)
    config.models_module = None
    permission, group = apps.get_model("auth", "Permission"), apps.get_model("auth", "Group")
    views = permission.objects.filter(content_type__app_label="audit", codename__in=[f"view_{m}" for m in VIEW])
    operations = permission.objects.filter(content_type__app_label="audit", codename__in=OPERATE)
    viewers, _ = group.objects.get_or_create(name="Viewers")
    viewers.permissions.add(*views)
    operators, _ = group.objects.get_or_create(name="Operators")
    operators.permissions.add(*views, *operations)


class Migration(migrations.Migration):
    dependencies = [
        ("audit", "0001_initial"),
        ("auth", "0012_alter_user_first_name_max_length"),
        ("contenttypes", "0002_remove_content_type_name"),
    ]
    operations = [migrations.RunPython(create_groups, migrations.RunPython.noop)]
