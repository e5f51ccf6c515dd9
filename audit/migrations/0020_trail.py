"""An index for the entries of one row: Django's own table has none."""

from django.db import migrations


class Migration(migrations.Migration):
    dependencies = [
        ("audit", "0019_notifications"),
        ("admin", "0003_logentry_add_action_flag_choices"),
    ]
    operations = [
        migrations.RunSQL(
            "CREATE INDEX IF NOT EXISTS audit_trail ON django_admin_log (content_type_id, object_id, action_time, id)",
            "DROP INDEX IF EXISTS audit_trail",
        )
    ]
