from django.db import migrations, models
from django.db.models import Case, F, Q, Value, When


def begin(apps, schema_editor):
    """Each domain's score as a part of the highest, which is six without a portal."""
    tenants = apps.get_model("audit", "Tenant").objects
    without = tenants.filter(Q(without_portal=True) & Q(portal_url="")).values("pk")
    highest = Case(When(tenant__in=without, then=Value(6)), default=Value(8))
    apps.get_model("audit", "AuditDomain").objects.update(share=F("score") * 1000 / highest)


class Migration(migrations.Migration):

    dependencies = [
        ('audit', '0031_name_servers'),
    ]

    operations = [
        migrations.RemoveIndex(
            model_name='auditdomain',
            name='audit_domain_of_needs_host',
        ),
        migrations.RemoveIndex(
            model_name='auditdomain',
            name='audit_domain_of_needs_customer',
        ),
        migrations.RemoveIndex(
            model_name='auditdomain',
            name='audit_domain_of_not_measured',
        ),
        migrations.RemoveIndex(
            model_name='auditdomain',
            name='audit_domain_of_onboarding',
        ),
        migrations.RemoveIndex(
            model_name='auditdomain',
            name='audit_domain_of_known',
        ),
        migrations.RemoveIndex(
            model_name='auditdomain',
            name='audit_domain_worst',
        ),
        migrations.RemoveIndex(
            model_name='auditdomain',
            name='audit_domain_tenant_worst',
        ),
        migrations.AddField(
            model_name='auditdomain',
            name='share',
            field=models.PositiveSmallIntegerField(default=0, editable=False),
        ),
        migrations.RunPython(begin, migrations.RunPython.noop, elidable=True),
        migrations.AddIndex(
            model_name='auditdomain',
            index=models.Index(fields=['severity', 'share', 'id', 'enabled', 'tenant', 'source', 'needs_customer', 'needs_host', 'known', 'not_measured', 'onboarding', 'covered', 'domain'], name='audit_domain_worst'),
        ),
        migrations.AddIndex(
            model_name='auditdomain',
            index=models.Index(fields=['tenant', 'severity', 'share', 'id', 'enabled', 'source', 'needs_customer', 'needs_host', 'known', 'not_measured', 'onboarding', 'covered', 'domain'], name='audit_domain_tenant_worst'),
        ),
        migrations.AddIndex(
            model_name='auditdomain',
            index=models.Index(condition=models.Q(('covered', False), ('known', False), ('needs_host', True)), fields=['severity', 'share', 'id', 'tenant', 'enabled'], name='audit_domain_of_needs_host'),
        ),
        migrations.AddIndex(
            model_name='auditdomain',
            index=models.Index(condition=models.Q(('covered', False), ('known', False), ('needs_customer', True)), fields=['severity', 'share', 'id', 'tenant', 'enabled'], name='audit_domain_of_needs_customer'),
        ),
        migrations.AddIndex(
            model_name='auditdomain',
            index=models.Index(condition=models.Q(('covered', False), ('known', False), ('not_measured', True)), fields=['severity', 'share', 'id', 'tenant', 'enabled'], name='audit_domain_of_not_measured'),
        ),
        migrations.AddIndex(
            model_name='auditdomain',
            index=models.Index(condition=models.Q(('known', False), ('onboarding', True)), fields=['severity', 'share', 'id', 'tenant', 'enabled'], name='audit_domain_of_onboarding'),
        ),
        migrations.AddIndex(
            model_name='auditdomain',
            index=models.Index(condition=models.Q(('known', True)), fields=['severity', 'share', 'id', 'tenant', 'enabled'], name='audit_domain_of_known'),
        ),
    ]
