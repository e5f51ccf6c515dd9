"""`manage.py run_audit`: audit domains now, and say what is wrong and what to do."""

import logging
import os
import sys
from functools import partial

from django.conf import settings
from django.core.management.base import BaseCommand, CommandError
from django.db import DatabaseError, transaction
from django.utils import timezone

from audit.management import nagios, server_report
from audit.management.console import Report, system_user
from audit.management.db_errors import describe, is_new
from audit.management.tenants import only_tenant, tenant_named
from audit.models import AuditDomain, AuditRun, target_of
from audit.queue.collect import Job, collect
from audit.queue.command_claims import CommandClaims
from audit.queue.process import own_process
from audit.reading import scorecard
from audit.results import trail
from audit.system_checks import SETTINGS
from collectors.base import Status
from collectors.names import DomainError, normalize_domain
from collectors.registry import CHECKS
from collectors.server.card import CARD

log = logging.getLogger(__name__)
FORMATS = ("table", "json", "nagios")


class Error(CommandError):
    """One line that says what is wrong; 2 = wrong usage, 1 = it could not be done."""

    def __init__(self, message, returncode=2):
        super().__init__(message, returncode=returncode)


class Command(BaseCommand):
    help = (
        "Audit domains now. A registered domain is saved; any other is looked at and not saved. "
        "Exit status: 0 no domain is critical, 1 at least one is, 2 wrong usage, 130 interrupted; "
        "of --format nagios: 0 ok, 1 warning, 2 critical, 3 unknown. Of --server: 0 no row fails, "
        "1 at least one does."
    )
    requires_system_checks = (SETTINGS,)

    def add_arguments(self, parser):
        parser.add_argument(
            "domains", nargs="*", metavar="DOMAIN", help="a domain, such as example.org"
        )
        parser.add_argument(
            "--tenant", metavar="NAME|ID", help="the tenant that the domains belong to"
        )
        parser.add_argument(
            "--server",
            metavar="NAME|ID",
            help="not domains but the server card of this tenant, as it is now; saves nothing",
        )
        parser.add_argument(
            "--all",
            action="store_true",
            help="every enabled domain, of every tenant or of the one named",
        )
        parser.add_argument("--add", action="store_true", help="register the domains first")
        parser.add_argument(
            "--format",
            choices=FORMATS,
            help="table; json: an array of scorecards on stdout, and nothing else there; nagios: "
            "a line for a monitoring system, which exits with 0, 1, 2 or 3",
        )
        parser.add_argument("--json", action="store_true", help="the same as --format json")
        parser.add_argument("--no-save", action="store_true", help="look only; save nothing")
        parser.add_argument(
            "--check",
            action="append",
            default=[],
            metavar="ID",
            help="only this check; may be given several times",
        )

    def create_parser(self, prog_name, subcommand, **options):
        parser = super().create_parser(prog_name, subcommand, **options)
        if nagios.asked_for(sys.argv):
            parser.error = partial(nagios.unknown, self.stdout)  # type: ignore[method-assign]
        return parser

    def execute(self, *args, **options):
        if options["format"] != "nagios":
            return super().execute(*args, **options)
        try:
            super().execute(*args, **options)
        except CommandError as error:
            why = str(error)
        except Exception as error:
            log.exception("the audit failed")
            why = f"{type(error).__name__}; the log on stderr has the details"
        return nagios.unknown(self.stdout, why)

    def handle(self, *args, **options):
        if options["json"] and options["format"] not in (None, "json"):
            raise Error("give --json or --format, not both")
        if options["server"] is not None:
            self._server(options)
            return
        only = self._checks(options["check"])
        try:
            jobs = self._jobs(options)
        except DatabaseError as error:
            raise Error(describe(error), 1) from None
        report = self._report(options, only)
        save = not options["no_save"]
        try:
            interrupted = self._audit(jobs, only=only, save=save, report=report)
            report.end()
            # here and not at the very end, where nobody could deal with a reader that went away
            self.stdout.flush()
        except DatabaseError as error:
            report.end()
            raise Error(
                f"{describe(error)}: {len(report.cards)} of {len(jobs)} domains "
                "were audited and saved",
                1,
            ) from None
        except BrokenPipeError:
            self._reader_went_away()
        finally:
            own_process().loop.close()
        if interrupted:
            said = f"Interrupted: {len(report.cards)} of {len(jobs)} domains were audited."
            if isinstance(report, nagios.Plugin):
                raise Error(said)
            self.stderr.write(said)
            sys.exit(130)
        if isinstance(report, nagios.Plugin):
            report.answer()
        if any(card["status"] == "critical" for card in report.cards):
            sys.exit(1)

    def _server(self, options):
        """The server card of one tenant."""
        if options["domains"] or any(options[n] for n in ("tenant", "all", "add", "check")):
            raise Error("--server goes with --format, --json and --no-color alone")
        report = self._report(options, only=set(CARD))
        try:
            state = server_report.judged(tenant_named(options["server"]))
            if isinstance(report, nagios.Plugin):
                report.add(server_report.as_card(state))
                report.answer()
            if report.as_json:
                self.stdout.write(server_report.as_json(state))
            else:
                server_report.show(report.out, state, utf8=report.utf8)
            self.stdout.flush()
        except DatabaseError as error:
            raise Error(describe(error), 1) from None
        except BrokenPipeError:
            self._reader_went_away()
        except KeyboardInterrupt:
            if isinstance(report, nagios.Plugin):
                raise Error("Interrupted.") from None
            self.stderr.write("Interrupted.")
            sys.exit(130)
        if state["status"] == Status.FAIL:
            sys.exit(1)

    @staticmethod
    def _reader_went_away():
        """`| head -1`"""
        os.dup2(os.open(os.devnull, os.O_WRONLY), sys.stdout.fileno())
        sys.exit(141)

    def _report(self, options, only):
        """What takes the scorecards and shows them."""
        if options["format"] == "nagios":
            return nagios.Plugin(self.stdout, only)
        return Report(
            stdout=self.stdout,
            stderr=self.stderr,
            as_json=options["json"] or options["format"] == "json",
            color=not options["no_color"],
        )

    def _audit(self, jobs, *, only, save, report):
        """Audit, save and report each as it comes; True if Ctrl-C ended it."""
        loop, tallies = own_process().loop, own_process().tallies
        started, done, claims = timezone.now(), 0, CommandClaims(loop, self._say_waiting)
        look = claims.results if save else partial(collect, loop=loop)
        try:
            with report.progress(len(jobs)) as advance:
                for job, results in look(jobs, width=settings.AUDIT_CONCURRENCY, only=only):
                    row = job.key if isinstance(job.key, AuditDomain) else None
                    saved = save and row and results is not None and claims.save(job, results)
                    done += bool(saved)
                    if saved and results and not only:
                        tallies.audited(results, job.seconds, kept=True)
                    if row and (saved or results is None):
                        row.refresh_from_db()
                        report.add(scorecard.of_domain(row, only))
                    elif results is not None:
                        report.add(
                            scorecard.of_results(
                                job.target.domain, results, row.tenant if row else job.key[1]
                            )
                        )
                    advance(job.target.domain)
        except KeyboardInterrupt:
            return True
        finally:
            claims.end()
            if done:
                AuditRun.objects.create(
                    trigger=AuditRun.Trigger.CLI, requested_by=system_user(),
                    domains=done, done=done, created_at=started, started_at=started,
                    finished_at=timezone.now(),
                )  # fmt: skip
                tallies.add()
        return False

    def _say_waiting(self, names):
        some = ", ".join(names[:3]) + (", …" if len(names) > 3 else "")
        self.stderr.write(
            f"Already being audited by another process ({some}): waiting for it. Ctrl-C stops.", str
        )

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
        tenant = None if options["tenant"] is None else tenant_named(options["tenant"])
        if options["all"]:
            rows = (
                AuditDomain.objects.active()
                .select_related("tenant")
                .order_by("tenant__name", "domain")
            )
            jobs = [self._job(row) for row in (rows.filter(tenant=tenant) if tenant else rows)]
            if not jobs:
                raise Error(
                    "nothing to do: no domain is registered and enabled"
                    + (f" on {tenant}" if tenant else "")
                )
            return jobs
        if options["add"]:
            tenant = tenant or only_tenant()
            return [self._job(self._added(tenant, name)) for name in names]
        return [job for name in names for job in self._named(name, tenant)]

    def _named(self, name, tenant):
        """The jobs for one name: each tenant that has it registered, or one ad hoc."""
        try:
            found = AuditDomain.objects.filter(domain=name).select_related("tenant")
            rows = list(found.filter(tenant=tenant) if tenant else found)
        except DatabaseError as error:
            if tenant or not is_new(error):
                raise
            rows = []  # a fresh install without a database: an ad hoc audit needs none
        if rows:
            return [self._job(row) for row in rows]
        return [Job((name, tenant), target_of(tenant, name), fresh=True)]

    @staticmethod
    def _added(tenant, name):
        with transaction.atomic():
            row, new = AuditDomain.objects.register(
                tenant=tenant, domain=name, source=AuditDomain.Source.MANUAL
            )
            if new:
                who = trail.Actor.command(system_user())
                trail.note(who, [row], trail.REGISTERED, flag=trail.ADDITION)
                trail.note(who, [tenant], trail.REGISTERED, name)
        return row

    @staticmethod
    def _job(row):
        return Job(row, row.target(), fresh=True)

    @staticmethod
    def _name(text):
        try:
            return normalize_domain(text)
        except DomainError as error:
            raise Error(str(error)) from None
