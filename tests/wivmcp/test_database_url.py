"""DATABASE_URL as a platform gives it: without the password, which libpq takes from PGPASSWORD."""

import os
import subprocess
import sys
from urllib.parse import urlsplit

import pytest

from tests.requirements import postgresql_url

PROGRAM = """
import asyncio, django
django.setup()
from django.db import connection
from mcp_gateway.streams.listener import connect

async def listen():
    async with await connect() as listening:
        return (await (await listening.execute("SELECT 2")).fetchone())[0]

with connection.cursor() as cursor:
    cursor.execute("SELECT 1")
    print(cursor.fetchone()[0], asyncio.run(listen()), connection.settings_dict["PASSWORD"])
"""


@pytest.mark.postgresql
def test_the_password_may_be_a_variable_of_its_own():
    url = urlsplit(postgresql_url())
    assert url.password
    bare = url._replace(netloc=url.netloc.replace(f":{url.password}@", "@"), query="sslmode=prefer")
    done = run(DATABASE_URL=bare.geturl(), PGPASSWORD=url.password)
    assert (done.returncode, done.stdout.split()) == (0, ["1", "2"]), done.stderr


def run(**variables: str) -> subprocess.CompletedProcess[str]:
    return subprocess.run(
        [sys.executable, "-c", PROGRAM],
        env={**os.environ, **variables, "DJANGO_SETTINGS_MODULE": "tests.settings"},
        capture_output=True,
        text=True,
        check=False,
        timeout=60,
    )
