"""No log line tells the secret of a link in a mail: whoever has that may decide.

It stands in the address of a request, and so in lines of Django, of the web server and of ours,
tracebacks included.
"""

import logging
import re
from typing import Any

_IN_AN_ADDRESS = re.compile(r"((?:/|%2F)l(?:/|%2F))[\w-]{20,}", re.IGNORECASE)


def masked(text: str) -> str:
    return _IN_AN_ADDRESS.sub(r"\1…", text)


def mask_links(logger: Any, method: str, rendered: str) -> str:
    """The last of structlog's processors: what is about to be written."""
    return masked(rendered)


class WithoutLinks(logging.Filter):
    """The same for loggers that write by themselves, as gunicorn's does."""

    def filter(self, record: logging.LogRecord) -> bool:
        record.msg, record.args = masked(record.getMessage()), ()
        return True
