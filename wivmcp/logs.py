"""What a line of the log says of whom."""

import logging

from telemetry.logs import harmless


class ClientsFault(logging.Filter):
    """Django calls a request that it refuses an error, with a traceback; anybody can send those."""

    def filter(self, record: logging.LogRecord) -> bool:
        if record.name.startswith("django.security."):
            record.levelno, record.levelname = logging.WARNING, "WARNING"
            record.exc_info = record.exc_text = None
        return True


class HarmlessPaths(logging.Filter):
    """Django writes the path of each request that it can't answer, whatever somebody put there."""

    def filter(self, record: logging.LogRecord) -> bool:
        if record.name == "django.request" and isinstance(record.args, tuple):
            record.args = tuple(
                harmless(each) if isinstance(each, str) else each for each in record.args
            )
        return True
