"""`manage.py run_audit`: audit domains now, and say what is wrong and what to do."""

import getpass
import os
import sys

from django.conf import settings
from django.core.management.base import BaseCommand, CommandError
from django.db import DatabaseError
from django.utils import timezone

from audit import events, loop, runner, scorecards
from audit.database import is_new, trouble
from audit.models import AuditDomain, AuditRun, Tenant, target_of
from audit.report import Report
from audit.turns import Turns
from collectors.catalogue import CHECKS
from collectors.names import DomainError, normalize_domain


class Error(CommandError):
    """One line that says what is wrong; 2 = wrong usage, 1 = it could not be done."""

    def __init__(self, message, returncode=2):
        super().__init__(message, returncode=returncode)


class Command(BaseCommand):
    help = (
        "Audit domains now. A registered domain is saved; any other is looked at and not saved. "
        "Exit status: 0 no domain is critical, 1 at least one is, 2 wrong usage, 130 interrupted."
    )
    requires_migrations_checks = False

    def add_arguments(self, parser):
        parser.add_argument("domains", nargs="*", metavar="DOMAIN", help="a domain, such as example.org")
        parser.add_argument("--tenant", metavar="NAME|ID", help="the tenant that the domains belong to")
        parser.add_argument("--all", action="store_true", help="every enabled domain, of every tenant or of the one named")
        parser.add_argument("--add", action="store_true", help="register the domains first")
        parser.add_argument("--json", action="store_true", help="a JSON array of scorecards on stdout, and nothing else there")
        parser.add_argument("--no-save", action="store_true", help="look only; save nothing")
        parser.add_argument("--check", action="append", default=[], metavar="ID", help="only this check; may be given several times")

    def handle(self, *args, **options):
        only = self._checks(options["check"])
        try:
            jobs = self._jobs(options)
        except DatabaseError as error:
            raise Error(trouble(error), 1) from None
        report = Report(stdout=self.stdout, stderr=self.stderr, as_json=options["json"], color=not options["no_color"])
        save = not options["no_save"]
        try:
            interrupted = self._audit(jobs, only=only, save=save, report=report)
            report.end()
            self.stdout.flush()  # here and not at the very end, where nobody could deal with a reader that went away
        except DatabaseError as error:
            report.end()
            raise Error(f"{trouble(error)}: {len(report.cards)} of {len(jobs)} domains were audited and saved", 1) from None
        except BrokenPipeError:  # `| head -1`
            os.dup2(os.open(os.devnull, os.O_WRONLY), sys.stdout.fileno())
            sys.exit(141)
        finally:
            loop.close_process_loop()
        if interrupted:
            self.stderr.write(f"Interrupted: {len(report.cards)} of {len(jobs)} domains were audited.")
            sys.exit(130)
        if any(card["status"] == "critical" for card in report.cards):
            sys.exit(1)

    def _audit(self, jobs, *, only, save, report):
        """Audit, save and report each as it comes; True if Ctrl-C ended it."""
        started, done, turns = timezone.now(), 0, Turns(self._say_waiting)
        collect = turns.results if save else runner.collect
        try:
            with report.progress(len(jobs)) as advance:
                for job, results in collect(jobs, width=settings.AUDIT_CONCURRENCY, only=only):
                    row = job.key if isinstance(job.key, AuditDomain) else None
                    saved = row and save and results is not None and turns.save(job, results)
                    done += bool(saved)
                    if saved or results is None:
                        row.refresh_from_db()
                        report.add(scorecards.of_domain(row, only))
                    else:
                        report.add(scorecards.of_results(job.target.domain, results, row.tenant if row else job.key[1]))
                    advance(job.target.domain)
        except KeyboardInterrupt:
            return True
        finally:
            turns.end()
            if done:
                AuditRun.objects.create(
                    trigger=AuditRun.Trigger.CLI, requested_by=_user(), domains=done, done=done,
                    created_at=started, started_at=started, finished_at=timezone.now(),
                )  # fmt: skip
        return False

    def _say_waiting(self, names):
        some = ", ".join(names[:3]) + (", …" if len(names) > 3 else "")
        self.stderr.write(f"Already being audited by another process ({some}): waiting for it. Ctrl-C stops.", str)

    # -- what is asked for

    def _checks(self, wanted):
        for check_id in wanted:
            if check_id not in CHECKS:
                raise Error(f"there is no check {check_id!r}; there are {', '.join(CHECKS)}")
        return set(wanted) or None

    def _jobs(self, options):
        """The jobs, in the order asked; raises Error for wrong usage."""
        if options["all"] and options["domains"]:
            raise Error("give domains or --all, not both")
        if options["all"] and options["add"]:
            raise Error("--add needs domains to register, not --all")
        if options["add"] and options["no_save"]:
            raise Error("--add registers the domain; it does not go with --no-save")
        if not options["all"] and not options["domains"]:
            raise Error("nothing to do: name a domain, or give --all")
        names = list(dict.fromkeys(self._name(text) for text in options["domains"]))
        tenant = self._tenant(options["tenant"])
        if options["all"]:
            rows = AuditDomain.objects.active().select_related("tenant").order_by("tenant__name", "domain")
            jobs = [self._job(row) for row in (rows.filter(tenant=tenant) if tenant else rows)]
            if not jobs:
                raise Error("nothing to do: no domain is registered and enabled" + (f" on {tenant}" if tenant else ""))
            return jobs
        if options["add"]:
            tenant = tenant or self._only_tenant()
            return [self._job(events.register(tenant=tenant, domain=name, source=AuditDomain.Source.MANUAL)[0]) for name in names]
        return [job for name in names for job in self._named(name, tenant)]

    def _named(self, name, tenant):
        """The jobs for one name: each tenant that has it registered, or one ad hoc."""
        try:
            rows = AuditDomain.objects.filter(domain=name).select_related("tenant")
            rows = list(rows.filter(tenant=tenant) if tenant else rows)
        except DatabaseError as error:
            if tenant or not is_new(error):
                raise
            rows = []  # a fresh install without a database: an ad hoc audit needs none
        if rows:
            return [self._job(row) for row in rows]
        return [runner.Job((name, tenant), target_of(tenant, name), fresh=True)]

    @staticmethod
    def _job(row):
        return runner.Job(row, row.target(), fresh=True)

    @staticmethod
    def _name(text):
        try:
            return normalize_domain(text)
        except DomainError as error:
            raise Error(str(error)) from None

    @staticmethod
    def _tenant(text):
        if text is None:
            return None
        found = Tenant.objects.filter(name=text).first()
        if found is None and text.isascii() and text.isdigit() and len(text) < 19:
            found = Tenant.objects.filter(pk=int(text)).first()
        if found is None:
            names = ", ".join(Tenant.objects.values_list("name", flat=True)[:10]) or "none yet"
            raise Error(f"there is no tenant {text!r}; there are: {names}")
        return found

    @staticmethod
    def _only_tenant():
        tenants = list(Tenant.objects.all()[:2])
        if len(tenants) != 1:
            raise Error("say with --tenant which tenant they belong to" if tenants else "there is no tenant yet: add one in the admin")
        return tenants[0]


def _user():
    try:
        return getpass.getuser()
    except (KeyError, OSError):
        return ""
