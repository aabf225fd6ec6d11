"""The product's settings, with an environment that points at a sandbox of this test run's own."""

import atexit
import os
import shutil
import socket
import tempfile

from sandbox import fixtures


def free_port() -> int:
    with socket.socket() as listener:
        listener.bind(("127.0.0.1", 0))
        return int(listener.getsockname()[1])


SANDBOX_PORT = int(os.environ.setdefault("TEST_SANDBOX_PORT", str(free_port())))
SERVER_PORT = int(os.environ.setdefault("TEST_SERVER_PORT", str(free_port())))
SANDBOX_URL = f"http://127.0.0.1:{SANDBOX_PORT}"

os.environ.update(fixtures.environment(SANDBOX_URL))
os.environ["PUBLIC_URL"] = f"http://127.0.0.1:{SERVER_PORT}"
os.environ.setdefault("SECRET_KEY", "only-for-tests-" + "x" * 50)
os.environ.setdefault("ENCRYPTION_KEYS", "A" * 43 + "=")
os.environ.setdefault("ALLOWED_ORIGINS", "http://localhost:6274")
os.environ.setdefault("METRICS_TOKEN", "only-for-tests-" + "m" * 20)
# Patience that a test can wait for.
os.environ.setdefault("PROPELAUTH_TIMEOUT", "2")
os.environ.setdefault("KEY_MINTING_PATIENCE", "1")
os.environ.setdefault("WIV_TIMEOUT", "2")
# Tests and benchmarks call as nobody could mean it; those of the limits set their own.
for _limit in ("CALLS_PER_MINUTE", "WRITES_PER_MINUTE", "REPEATED_CALLS", "CONCURRENT_REQUESTS"):
    os.environ.setdefault(_limit, "0")
os.environ.setdefault("SIGN_INS_PER_ADDRESS", "1000000")

from wivmcp.settings import *  # noqa: E402, F403
from wivmcp.settings import DATABASES, PASSWORD_HASHERS  # noqa: E402

# Staff sign in in hundreds of tests, and each time Django's own hasher takes a third of a second.
PASSWORD_HASHERS = ["django.contrib.auth.hashers.MD5PasswordHasher", *PASSWORD_HASHERS]

if DATABASES["default"]["ENGINE"] == "django.db.backends.sqlite3":
    # A file: an in-memory database is visible to one connection only, and the server has several.
    _folder = tempfile.mkdtemp(prefix="wivmcp-test-")
    atexit.register(shutil.rmtree, _folder, ignore_errors=True)
    DATABASES["default"]["TEST"] = {"NAME": f"{_folder}/test.sqlite3"}
