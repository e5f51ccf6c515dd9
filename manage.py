#!/usr/bin/env python
"""The product's commands, from a checkout."""

from ligbox.command_line import main

if __name__ == "__main__":
    main()
