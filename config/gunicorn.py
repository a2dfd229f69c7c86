"""gunicorn: threads, since a request mostly waits for PostgreSQL; a pool of connections each."""

import os
from typing import Any

from config.link_secrets import WithoutLinks

bind = os.environ.get("BIND", "127.0.0.1:8000")
workers = int(os.environ.get("WEB_CONCURRENCY", "2"))
threads = int(os.environ.get("WEB_THREADS", "8"))
worker_class = "gthread"
timeout = 30
graceful_timeout = 20
keepalive = 30
max_requests = 20_000
max_requests_jitter = 2_000
# Django logs requests, without query strings; gunicorn's access log would add nothing.
accesslog = None
control_socket_disable = True

os.environ.setdefault("DATABASE_POOL", str(threads))


def on_starting(server: Any) -> None:
    server.log.error_log.addFilter(WithoutLinks())
