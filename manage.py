#!/usr/bin/env python
"""Django's command-line entry point."""

import os
import sys


def main():
    os.environ.setdefault("DJANGO_SETTINGS_MODULE", "ligbox.settings")
    try:
        from django.core.management import execute_from_command_line

        execute_from_command_line(sys.argv)
    except ModuleNotFoundError as error:
        if error.name != "django":
            raise
        sys.exit("Django is not installed: run scripts/start.sh once, or activate the virtual environment.")
    except KeyboardInterrupt:  # at any moment, also while it loads
        sys.exit(130)


if __name__ == "__main__":
    main()
