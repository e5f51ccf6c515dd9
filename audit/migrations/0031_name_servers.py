from django.db import migrations, models


class Migration(migrations.Migration):

    dependencies = [
        ("audit", "0027_portal_sync"),
    ]

    operations = [
        migrations.AddField(
            model_name="auditdomain",
            name="known_zone",
            field=models.JSONField(blank=True, default=dict, editable=False),
        ),
        migrations.AddField(
            model_name="auditdomain",
            name="silent_servers",
            field=models.CharField(blank=True, default="", editable=False, max_length=300),
        ),
        migrations.AddIndex(
            model_name="auditdomain",
            index=models.Index(condition=models.Q(("silent_servers", ""), _negated=True), fields=["silent_servers"], name="audit_domain_silent"),
        ),
    ]
