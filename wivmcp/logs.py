"""What a line of the log says of whom."""

import logging


class ClientsFault(logging.Filter):
    """Django calls a request that it refuses an error, with a traceback; anybody can send those."""

    def filter(self, record: logging.LogRecord) -> bool:
        if record.name.startswith("django.security."):
            record.levelno, record.levelname = logging.WARNING, "WARNING"
            record.exc_info = record.exc_text = None
        return True
