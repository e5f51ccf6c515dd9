#!/usr/bin/env python
"""Django's command-line entry point."""

import os
import sys


def main():
    os.environ.setdefault("DJANGO_SETTINGS_MODULE", "ligbox.settings")
    try:
        from django.core.management import execute_from_command_line
    except ImportError:
        sys.exit("Django is not installed: run scripts/start.sh once, or activate the virtual environment.")
    execute_from_command_line(sys.argv)


if __name__ == "__main__":
    main()
