# wivmcp's server: no compiler, no tests, no stand-ins, and a user that can write to /data only.
#
#   docker build -t wivmcp .
#
# With PostgreSQL (DATABASE_URL in .env), any number of copies:
#   docker run --env-file .env wivmcp script/release        # once per release
#   docker run --env-file .env --read-only --tmpfs /tmp -p 8080:8080 wivmcp
#
# With SQLite, one copy with one process, and a volume that outlives it:
#   docker run --env-file .env -e MIGRATE_ON_START=1 -v wivmcp:/data -p 8080:8080 wivmcp

ARG PYTHON_VERSION=3.13

FROM python:${PYTHON_VERSION}-slim AS packages
RUN python -m venv /venv
COPY requirements.txt /
# Wheels only: a source package would need a compiler here, and one that is missing should say so.
RUN /venv/bin/pip install --no-cache-dir --disable-pip-version-check \
    --require-hashes --only-binary :all: -r /requirements.txt

FROM python:${PYTHON_VERSION}-slim
# httpx2 trusts what the operating system trusts; without this file every call upstream would fail.
RUN test -s /etc/ssl/certs/ca-certificates.crt
# By number, so that a platform can see that it isn't root.
RUN useradd --uid 10001 --no-create-home --home-dir /data --shell /usr/sbin/nologin wivmcp \
    && install --directory --owner=10001 --group=10001 --mode=700 /data
COPY --from=packages /venv /venv
ENV PATH=/venv/bin:$PATH \
    PYTHONUNBUFFERED=1 \
    PYTHONDONTWRITEBYTECODE=1 \
    HOST=0.0.0.0 \
    PORT=8080 \
    STATIC_ROOT=/app/staticfiles \
    DATABASE_URL=sqlite:////data/wivmcp.sqlite3
WORKDIR /app
# .dockerignore lists what this takes along.
COPY . .
# Byte code now, as it can't be kept when the server runs: the user owns nothing under /app.
RUN script/collectstatic && python -m compileall -q .
USER 10001:10001
EXPOSE 8080
HEALTHCHECK --interval=15s --timeout=3s --start-period=30s --retries=3 \
    CMD ["python", "-c", "import http.client, os, sys; c = http.client.HTTPConnection('127.0.0.1', int(os.environ['PORT']), timeout=2); c.request('GET', '/healthz'); sys.exit(c.getresponse().status != 200)"]
# No shell in between, and script/serve replaces itself: SIGTERM reaches uvicorn.
CMD ["script/serve"]
