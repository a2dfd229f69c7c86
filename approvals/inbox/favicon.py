"""The door, its mark in the browser's tab: with how many tasks wait. Public, tells nothing."""

import re

from django.http import HttpRequest, HttpResponse
from django.views.decorators.cache import cache_control
from django.views.decorators.http import require_safe

from config.env import ROOT

_MARK = (ROOT / "static" / "img" / "mark.svg").read_text().strip().removesuffix("</svg>")
_BADGE = (
    '<rect x="{x}" y="13" width="{width}" height="19" rx="9.5" fill="#d3342f"/>'
    '<text x="{middle}" y="27.4" font-family="Arial,sans-serif" font-size="14.5" font-weight="700" '
    'fill="#fff" text-anchor="middle">{count}</text>'
)


@require_safe
@cache_control(public=True, max_age=86_400)
def favicon(request: HttpRequest) -> HttpResponse:
    count = request.GET.get("n", "")
    badge = ""
    if re.fullmatch(r"[1-9][0-9]?", count):
        badge = _badge(count)
    elif count == "99+":
        badge = _badge("99")
    return HttpResponse(f"{_MARK}{badge}</svg>", content_type="image/svg+xml")


def _badge(count: str) -> str:
    width = 19 if len(count) == 1 else 24
    return _BADGE.format(x=32 - width, width=width, middle=32 - width / 2, count=count)
