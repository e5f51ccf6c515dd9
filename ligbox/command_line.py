"""Django's command-line entry point: `manage.py` in a checkout, `ligbox-audit` installed."""

import os
import sys


def main():
    os.umask(0o077)  # what we write is ours alone: databases, logs, backups
    os.environ.setdefault("DJANGO_SETTINGS_MODULE", "ligbox.settings")
    try:
        from django.core.management import execute_from_command_line

        execute_from_command_line(sys.argv)
    except ModuleNotFoundError as error:
        if error.name != "django":
            raise
        sys.exit(
            "Django is not installed: run scripts/start.sh once, or activate the virtual "
            "environment."
        )
    except SystemExit as end:
        if isinstance(end.code, str) and "nagios" in "".join(sys.argv):
            # a setting is refused: for a monitoring system that is no warning about a domain
            sys.stdout.write(f"UNKNOWN - {end.code}\n")
            sys.exit(3)
        raise
    except KeyboardInterrupt:  # at any moment, also while it loads
        sys.exit(130)
