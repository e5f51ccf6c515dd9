"""The indexes of the domains' rows: whose turn it is, and the lists in their orders.

Each costs every audit that changes what it holds: `results.domain_rows` writes a column only where
it changed. `tests/audit/test_query_plans.py` asks both databases whether they are used.
"""

from django.db import models

from audit.models.counts import GROUPS

# of the lists of domains: orders, and what else a list asks of a row
LIST_ORDERS = {
    "worst": ["severity", "share", "id"],
    "name": ["domain", "id"],
    "last": ["last_audit_at", "id"],
    "ends": ["certificate_ends_at", "id"],
    "since": ["trouble_at", "id"],
}
LIST_FILTERS = [
    "enabled", "tenant", "severity", "source", "needs_customer", "needs_host", "known",
    "not_measured", "onboarding", "covered", "domain",
]  # fmt: skip
# the groups whose domains are few beside the fleet: worst first, by an index of their own
GROUP_INDEXES = ["needs_host", "needs_customer", "not_measured", "onboarding", "known"]

INDEXES = [
    # the queue: what is due at all, and of each tenant
    models.Index(
        fields=["next_audit_at", "tenant", "claimed_until"],
        condition=models.Q(enabled=True),
        name="audit_domain_due",
    ),
    models.Index(
        fields=["tenant", "next_audit_at", "id"],
        condition=models.Q(enabled=True, requested_at=None),
        name="audit_domain_turn",
    ),
    *(
        models.Index(
            fields=["tenant", "requested_at"],
            condition=models.Q(requested_at__isnull=False, requested_bulk=bulk),
            name=f"audit_domain_{name}",
        )
        for name, bulk in {"single": False, "bulk": True}.items()
    ),
    models.Index(
        fields=["claimed_by"], condition=~models.Q(claimed_by=""), name="audit_domain_held"
    ),
    models.Index(
        fields=["next_audit_at"],
        condition=models.Q(attempts__gt=0) | models.Q(crash_group__gt=0),
        name="audit_domain_suspect",
    ),
    # never audited: what of it is stale
    models.Index(
        fields=["tenant", "created_at"],
        condition=models.Q(enabled=True, last_audit_at=None),
        name="audit_domain_never",
    ),
    # the lists: one an order, of all and of a tenant, which holds what may be filtered by,
    # so that passing over a domain costs no look at its row
    *(
        models.Index(
            fields=list(dict.fromkeys([*of, *order, *LIST_FILTERS])),
            name="_".join(["audit_domain", *of, name]),
        )
        for name, order in LIST_ORDERS.items()
        for of in ([], ["tenant"])
    ),
    *(
        models.Index(
            fields=[*LIST_ORDERS["worst"], "tenant", "enabled"],
            condition=models.Q(**GROUPS[name]),
            name=f"audit_domain_of_{name}",
        )
        for name in GROUP_INDEXES
    ),
    *(
        models.Index(
            fields=[*of, "-trouble_at", "-id"],
            condition=models.Q(trouble_at__isnull=False, known=False),
            name="_".join(["audit_domain", *of, "trouble"]),
        )
        for of in ([], ["tenant"])
    ),
    # the board of the onboarding: the oldest first, and the newest that are done
    models.Index(
        fields=["created_at", "id", "tenant", "enabled", "severity", "covered"],
        condition=models.Q(**GROUPS["onboarding"]),
        name="audit_domain_onboarding",
    ),
    models.Index(
        fields=["-onboarded_at", "-id", "tenant", "enabled", "created_at"],
        condition=models.Q(onboarded_at__isnull=False),
        name="audit_domain_onboarded",
    ),
    # who shares name servers that do not answer
    models.Index(
        fields=["silent_servers"],
        condition=~models.Q(silent_servers=""),
        name="audit_domain_silent",
    ),
    # audited no more: their part in incidents ends
    models.Index(fields=["id"], condition=models.Q(enabled=False), name="audit_domain_disabled"),
]
