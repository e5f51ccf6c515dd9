"""manage.py mock_tenant: serve a mail-hosting company on loopback, and say how to use it."""

import shlex
import signal
import sys
import threading
from datetime import timedelta
from pathlib import Path

from django.conf import settings
from django.core.management.base import BaseCommand
from django.db import DatabaseError, transaction
from django.utils import timezone

from audit import tasks
from audit.models import AuditDomain, Tenant
from mock_tenant.tenant import PORTS, MockTenant, PortTaken

CUSTOMERS_FOR = timedelta(days=120)  # of those that the company did not just get


class Command(BaseCommand):
    help = (
        "Serve the mock tenant on loopback: a mail-hosting company with portal, DNS server and "
        "webmail, for trying things out. Nothing leaves this machine. Whatever is to audit it "
        "needs the environment that --env prints."
    )
    requires_system_checks = ()

    def add_arguments(self, parser):
        parser.add_argument(
            "--register",
            action="store_true",
            help="store the tenant and its first domains in the database",
        )
        parser.add_argument(
            "--web",
            default="http://127.0.0.1:8000",
            help="where onboarding events are posted (%(default)s)",
        )
        parser.add_argument(
            "--data",
            default=str(settings.DATA_DIR / "mock"),
            help="folder for its keys and certificates (%(default)s)",
        )
        parser.add_argument(
            "--event-every",
            type=_seconds,
            default=20.0,
            metavar="SECONDS",
            help="between two events; 0: none (%(default)s)",
        )
        parser.add_argument(
            "--seconds", type=_seconds, default=0.0, help="stop by itself after so long; 0: never"
        )
        parser.add_argument(
            "--env",
            action="store_true",
            help="print the environment to set, for a shell to evaluate, and exit",
        )
        for option, what in (("--fault", "switch on"), ("--cure", "switch off")):
            parser.add_argument(
                option,
                metavar="NAME",
                help=f"{what} a fault of the server while it runs elsewhere, and exit; which there "
                "are is said when the name is none",
            )
        for name, port in PORTS.items():
            parser.add_argument(
                f"--{name}-port",
                type=_port,
                default=port,
                metavar="PORT",
                help="default: %(default)s; 0: any free one",
            )

    def handle(self, **options):
        try:
            mock = MockTenant(
                Path(options["data"]), **{name: options[f"{name}_port"] for name in PORTS}
            )
        except OSError as error:
            self._refuse(f"The folder {options['data']} can't be used: {error.strerror}.")
        if options["fault"] or options["cure"]:
            self._switch(mock, options)
            return
        if options["env"]:
            if not options["dns_port"]:
                self._refuse("--env needs to know the port: give --dns-port a number other than 0.")
            self._print_env(mock)
            return
        stopped = threading.Event()
        received: list[int] = []

        def on_signal(number, _frame):
            received.append(number)
            stopped.set()

        signals = (signal.SIGTERM, signal.SIGINT)
        previous = {number: signal.signal(number, on_signal) for number in signals}
        try:
            with mock:
                self._serve(mock, options, stopped)
        except PortTaken as error:
            self._refuse(str(error))
        finally:
            for number, handler in previous.items():
                signal.signal(number, handler)
        if signal.SIGINT in received:
            sys.exit(130)

    def _switch(self, mock, options):
        """Faults on or off, and what is on then."""
        known = mock.company.faults
        for name, on in ((options["fault"], True), (options["cure"], False)):
            if name and name not in known:
                names = "".join(f"\n  {n:9} {known[n]['about']}" for n in known)
                self._refuse(f"There is no fault {name!r}. There are:{names}")
            if name:
                mock.faults.switch(name, on=on)
        self._say(f"On: {', '.join(sorted(mock.faults.read())) or 'none'}.")

    def _serve(self, mock, options, stopped):
        self._say(
            f"The company {mock.company.host} is there, with {len(mock.company.domains)} domains:"
        )
        self._say(f"  portal   http://127.0.0.1:{mock.ports['portal']}/")
        self._say(f"  DNS      127.0.0.1:{mock.ports['dns']} (UDP and TCP)")
        self._say(f"  webmail  https://webmail.DOMAIN:{mock.ports['webmail']}/")
        self._say("Set this for the web, the worker and run_audit:")
        self._print_env(mock)
        tenant = self._tenant(mock, register=options["register"])
        if tenant and options["event_every"]:
            known = set(tenant.domains.values_list("domain", flat=True))
            new = [d.name for d in mock.company.joining() if d.name not in known]
            mock.onboard(
                web=options["web"],
                tenant_id=tenant.pk,
                every=options["event_every"],
                domains=new,
                say=self._say,
            )
        elif not tenant:
            self._say(
                "The tenant is not in the database (--register stores it), so no onboarding events "
                "are sent."
            )
        stopped.wait(options["seconds"] or None)

    def _tenant(self, mock, *, register):
        """The tenant's row; None where it is not stored, or there is no database and none was asked
        for."""
        try:
            return (
                self._register(mock)
                if register
                else Tenant.objects.filter(name=mock.fields["name"]).first()
            )
        except DatabaseError as error:
            if register:
                self._refuse(
                    f"The database can't be used ({str(error).splitlines()[0]}); "
                    f"run {settings.COMMAND} migrate first."
                )
            return None

    def _register(self, mock):
        """Store the tenant as it is now and those of its first domains that are missing; what is
        new is audited at once. Every second one has been a customer for long."""
        fields = {**mock.fields, "enabled": True}
        with transaction.atomic():
            tenant = Tenant.objects.filter(name=fields["name"]).first() or Tenant()
            for name, value in fields.items():
                setattr(tenant, name, value)
            tenant.full_clean()
            tenant.save()
            second = {**mock.second_fields, "enabled": True}
            other = Tenant.objects.filter(name=second["name"]).first() or Tenant()
            for name, value in second.items():
                setattr(other, name, value)
            other.full_clean()
            other.save()
            sources = (AuditDomain.Source.ONBOARDING, AuditDomain.Source.IMPORT)
            present = mock.company.present()
            made = [
                AuditDomain.objects.register(tenant=tenant, domain=d.name, source=sources[n % 2])
                for n, d in enumerate(present)
            ]
            new = [row for row, is_new in made if is_new]
            AuditDomain.objects.filter(
                pk__in=[row.pk for row in new if row.source == AuditDomain.Source.IMPORT]
            ).update(created_at=timezone.now() - CUSTOMERS_FOR, onboarding=False)
            if AuditDomain.objects.due().exists():
                tasks.enqueue()
        self._say(
            f"Tenant {tenant.name} is number {tenant.pk} in the database; domains: {len(present)}, "
            f"of them new: {len(new)}."
        )
        return tenant

    def _print_env(self, mock):
        for name, value in mock.env.items():
            self._say(f"export {name}={shlex.quote(value)}")

    def _say(self, line):
        self.stdout.write(line)
        self.stdout.flush()

    def _refuse(self, line):
        self.stderr.write(line)
        sys.exit(2)


def _seconds(text):
    value = float(text)
    if not 0 <= value < 10**8:
        raise ValueError(text)
    return value


def _port(text):
    value = int(text)
    if not 0 <= value < 65536:
        raise ValueError(text)
    return value


_seconds.__name__, _port.__name__ = (
    "number of seconds",
    "port",
)  # argparse names them in its messages
