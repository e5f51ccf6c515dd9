"""The list “longest not audited” of one tenant reads an index instead of the tenant."""

from django.db import migrations, models


class Migration(migrations.Migration):
    dependencies = [("audit", "0002_groups")]

    operations = [
        migrations.AddIndex(
            model_name="auditdomain",
            index=models.Index(fields=["tenant", "last_audit_at", "id"], name="audit_domain_tenant_last"),
        ),
    ]
