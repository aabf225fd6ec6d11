#!/usr/bin/env python
"""Django's command line: `manage.py migrate`, `manage.py sync_tools`, `manage.py run_due`."""

import os
import sys

if __name__ == "__main__":
    os.environ.setdefault("DJANGO_SETTINGS_MODULE", "wivmcp.settings")
    from django.core.management import execute_from_command_line

    execute_from_command_line(sys.argv)
