"""Registering a list of domains: a plan with a word on every line, then the act. Twice is once."""

from collections import Counter
from collections.abc import Sequence
from dataclasses import dataclass, field
from typing import Any

from django.contrib.admin.models import ADDITION
from django.core.exceptions import ValidationError
from django.db import transaction
from django.http import HttpRequest
from django.utils.functional import Promise
from django.utils.translation import gettext as _
from django.utils.translation import gettext_lazy, gettext_noop

from audit import tasks
from audit.admin.lists import Row
from audit.admin.parts import log_change
from audit.models import AuditDomain, Tenant
from audit.results import trail
from audit.results.translate import translate
from audit.validators import selector_list
from collectors.names import DomainError, is_mixed_script, normalize_domain, to_unicode
from collectors.text import clean

NEW, CHANGE, KNOWN, REPEAT, BAD = "new", "change", "known", "repeat", "bad"
STATES = {
    BAD: gettext_lazy("With an error"),
    NEW: gettext_lazy("New"),
    CHANGE: gettext_lazy("Changed"),
    KNOWN: gettext_lazy("Registered already"),
    REPEAT: gettext_lazy("Repeated"),
}
_YES = {"1", "true", "yes", "y", "on", "sim", "s", "x", "verdadeiro"}
_NO = {"0", "false", "no", "n", "off", "não", "nao", "falso"}


@dataclass
class Line:
    """What becomes of one line of the list. `wanted`: the fields that the list sets; `row`: the
    domain as it is registered.
    """

    number: int
    text: str
    state: str = NEW
    note: str = ""
    tenant: Tenant | None = None
    domain: str = ""
    wanted: dict[str, Any] = field(default_factory=dict)
    row: AuditDomain | None = None

    @property
    def label(self) -> str | Promise:
        return STATES[self.state]

    @property
    def key(self) -> tuple[int, str]:
        """Whose domain it is; of a line that was read."""
        assert self.tenant
        return self.tenant.pk, self.domain

    @property
    def unicode(self) -> str:
        """The U-label form, where it differs."""
        name = to_unicode(self.domain)
        return name if name != self.domain else ""


def plan(rows: Sequence[Row], *, tenant: Tenant | None) -> list[Line]:
    """A Line for each Row; `tenant` is for rows that name none. A query for the tenants and one for
    each 500 names.
    """
    tenants = {t.name: t for t in Tenant.objects.defer("portal_token", "webhook_secret")}
    lines: list[Line] = []
    seen: dict[tuple[int, str], Line] = {}
    for row in rows:
        line = Line(row.number, clean(row.cells.get("domain", ""), 100))
        lines.append(line)
        try:
            if row.problem:
                raise ValidationError(row.problem)
            _read(line, row.cells, tenants, tenant)
        except ValidationError as error:
            line.state, line.note = BAD, " ".join(error.messages)
            continue
        first = seen.setdefault(line.key, line)
        if first is not line:
            same = first.wanted == line.wanted
            line.state = REPEAT if same else BAD
            text = (
                _("As line %(number)d.")
                if same
                else _(
                    "Line %(number)d says something else about the same domain. Remove one of the "
                    "two."
                )
            )
            line.note = text % {"number": first.number}
    _compare(list(seen.values()))
    return lines


def apply(lines: Sequence[Line], *, request: HttpRequest) -> tuple[int, int]:
    """Register the new domains of a plan and change the changed ones, in one transaction;
    `(registered, changed)`.

    Somebody else may have registered one meanwhile: that one stays as it is. The worker is rung
    after the commit.
    """
    new = [line for line in lines if line.state == NEW]
    with transaction.atomic():
        AuditDomain.objects.bulk_create(
            [
                AuditDomain(
                    tenant=n.tenant, domain=n.domain, source=AuditDomain.Source.IMPORT, **n.wanted
                )
                for n in new
            ],
            batch_size=500,
            ignore_conflicts=True,
        )
        log_change(request, _registered(new), gettext_noop("Imported."), ADDITION)
        for tenant, number in Counter(line.tenant for line in new if line.tenant).items():
            trail.note(trail.Actor.person(request.user), [tenant], trail.IMPORTED, number)
        changed = []
        for line in lines:
            if line.state == CHANGE and line.row:
                changed.append(line.row)
                for name, value in line.wanted.items():
                    setattr(line.row, name, value)
        AuditDomain.objects.bulk_update(changed, ["dkim_selectors", "enabled"], batch_size=500)
        rows = AuditDomain.objects.filter(pk__in=[row.pk for row in changed], enabled=True)
        rows.request_audit(bulk=len(changed) > 1)
        log_change(request, changed, gettext_noop("Changed by an import."))
        tasks.enqueue()
    return len(new), len(changed)


def _read(
    line: Line, cells: dict[str, str], tenants: dict[str, Tenant], default: Tenant | None
) -> None:
    """Fill a Line from its cells; raises ValidationError."""
    try:
        line.domain = normalize_domain(cells.get("domain", ""))
    except DomainError as error:
        raise ValidationError(clean(translate(error.message), 300)) from None
    if is_mixed_script(line.domain):
        line.note = _("Mixes letters of several scripts: it may be made to look like another name.")
    name = cells.get("tenant", "")
    line.tenant = tenants.get(name) if name else default
    if line.tenant is None and name:
        raise ValidationError(_("There is no tenant “%(name)s”.") % {"name": clean(name, 100)})
    if line.tenant is None:
        raise ValidationError(
            _(
                "It is not said whose it is. Choose a tenant above, or name one in a column "
                "“tenant”."
            )
        )
    if "dkim_selectors" in cells:
        line.wanted["dkim_selectors"] = selectors = (
            cells["dkim_selectors"].replace(",", " ").split()
        )
        selector_list(selectors)
    if word := cells.get("enabled", "").lower():
        if word not in _YES | _NO:
            raise ValidationError(
                _("“%(word)s” in the column “enabled” is neither yes nor no.")
                % {"word": clean(word, 50)}
            )
        line.wanted["enabled"] = word in _YES


def _compare(lines: list[Line]) -> None:
    """Which of these lines are registered already, and what would change."""
    known = {(row.tenant_id, row.domain): row for row in _registered(lines)}
    for line in lines:
        line.row = row = known.get(line.key)
        if row is None:
            continue
        names = [name for name, value in line.wanted.items() if getattr(row, name) != value]
        line.state = CHANGE if names else KNOWN
        if "enabled" in names:
            line.note = _("Will be enabled.") if line.wanted["enabled"] else _("Will be disabled.")
        if "dkim_selectors" in names:
            values = {
                "before": " ".join(row.dkim_selectors) or "–",
                "after": " ".join(line.wanted["dkim_selectors"]) or "–",
            }
            line.note = f"{line.note} " + _("DKIM selectors: %(before)s → %(after)s") % values


def _registered(lines: list[Line]) -> list[AuditDomain]:
    """The registered domains among these lines, each for its tenant."""
    found = []
    for start in range(0, len(lines), 500):
        part = lines[start : start + 500]
        pairs = {line.key for line in part}
        rows = AuditDomain.objects.filter(
            tenant__in={pk for pk, _name in pairs}, domain__in={name for _pk, name in pairs}
        )
        found += [row for row in rows if (row.tenant_id, row.domain) in pairs]
    return found
