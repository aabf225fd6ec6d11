"""Brings the demo's database up to date, and sees to the superuser `admin`.

Creates the superuser with DEMO_PASSWORD when there is none; with DEMO_RESET=1 changes its password.
Prints whether DEMO_PASSWORD is its password: "yes" or "no". Run by script/demo with the settings'
environment: on a command line every local user could read the password.
"""

import os

import django
from django.core.management import call_command

django.setup()

from django.contrib.auth import get_user_model  # noqa: E402

call_command("migrate", interactive=False, verbosity=0)
call_command("sync_tools", verbosity=0)

users = get_user_model()._default_manager
password = os.environ["DEMO_PASSWORD"]
admin = users.filter(username="admin").first()
if admin is None:
    admin = users.create_superuser(username="admin", email="admin@localhost", password=password)
elif os.environ.get("DEMO_RESET") == "1":
    admin.set_password(password)
    admin.save()
print("yes" if admin.check_password(password) else "no")
