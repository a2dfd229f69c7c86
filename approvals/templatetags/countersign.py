"""Tags for every page: icons, form fields, and what is the same on every page."""

from functools import lru_cache

import lucide
from django import template
from django.forms import BoundField
from django.template.base import Parser, Token
from django.utils.safestring import SafeString, mark_safe

register = template.Library()


@register.simple_tag
@lru_cache(maxsize=256)
def icon(name: str, size: int = 16, classes: str = "") -> SafeString:
    """The Lucide icon `name`; kept, since making one costs as much as ten rows of the inbox."""
    svg = lucide._render_icon(
        name,
        size,
        stroke_width="1.75",
        aria_hidden="true",
        focusable="false",
        **{"class": f"icon {classes}".strip()},
    )
    # Nothing in it comes from a message.
    return mark_safe("".join(line.strip() for line in svg.splitlines()))  # noqa: S308


@register.tag
def constant(parser: Parser, token: Token) -> "ConstantNode":
    """`{% constant %} … {% endconstant %}`: what is the same on every page of this process.

    Rendered once. Nothing in it may depend on the request.
    """
    nodes = parser.parse(("endconstant",))
    parser.delete_first_token()
    return ConstantNode(nodes)


class ConstantNode(template.Node):
    def __init__(self, nodes: template.NodeList) -> None:
        self._nodes = nodes
        self._html: SafeString | None = None

    def render(self, context: template.Context) -> SafeString:
        if self._html is None:
            # Without the page's variables, so that nobody's data can stay in it.
            self._html = self._nodes.render(context.new())
        return self._html


@register.simple_tag(name="input")
def input_(field: BoundField) -> SafeString:
    """A form's field as our input, with its errors told to screen readers."""
    attrs: dict[str, str | bool] = {"class": "input", "placeholder": ""}  # the label says it
    if field.errors:
        attrs["aria-invalid"] = "true"
    return field.as_widget(attrs=attrs)
