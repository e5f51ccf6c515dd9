"""Which hosts, addresses, certificates and findings were last seen at which domain."""

from django.db import models

from audit.models.domains import AuditDomain


class Seen(models.Model):
    """A thing by which people look for domains, as the last conclusive answer of a check had it.

    Written where it changes, see `results.seen`; several domains have the same host, address or
    certificate, and an index finds them.
    """

    class Kind(models.TextChoices):
        HOST = "host"  # of MX records, SPF includes, the webmail's aliases
        ADDRESS = "address"  # of these hosts, and of the webmail
        CERTIFICATE = "certificate"  # SHA-256 of the one that is served
        FINDING = "finding"  # its code

    LONGEST = 253  # characters of a value; a longer one is found by nobody

    domain = models.ForeignKey(AuditDomain, models.CASCADE, related_name="seen", db_index=False)
    check_id = models.CharField(max_length=40)
    kind = models.CharField(max_length=12, choices=Kind.choices)
    value = models.CharField(max_length=LONGEST)

    class Meta:
        db_table = "audit_seen"
        constraints = [
            models.UniqueConstraint(
                fields=["domain", "check_id", "kind", "value"], name="audit_seen_once"
            )
        ]
        indexes = [models.Index(fields=["kind", "value", "domain"], name="audit_seen_value")]

    def __str__(self) -> str:
        return f"{self.domain_id} {self.kind} {self.value}"
