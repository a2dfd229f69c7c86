"""What the log says of a request: its path alone, since some put secrets into the query string."""

from django.http import HttpRequest
from django.utils.encoding import escape_uri_path
from django_structlog.middlewares import RequestMiddleware


class RequestLog(RequestMiddleware):
    @staticmethod
    def format_request(request: HttpRequest) -> str:
        return f"{request.method} {escape_uri_path(request.path)}"
