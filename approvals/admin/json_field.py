"""ADMIN, configuration: JSON that people write, one value a line."""

import json
from typing import Any

from django import forms
from django.forms.fields import InvalidJSONInput

from approvals.errors import MessageNotUnderstood
from approvals.intake import strict_json
from approvals.intake.masking import storable


class Decoder(json.JSONDecoder):
    """By the rules of messages, and nothing that PostgreSQL or a page can't hold."""

    def decode(self, text: str, *args: Any) -> Any:
        try:
            value = strict_json.parse(text)
        except MessageNotUnderstood as problem:
            raise json.JSONDecodeError(str(problem), "", 0) from None
        written = json.dumps(value, ensure_ascii=False)
        if written != storable(written) or r"\u0000" in written:
            raise json.JSONDecodeError("NUL or half a character", "", 0)
        return value


class JsonField(forms.JSONField):
    """Blank for none, which is `empty`: an object or a list."""

    def __init__(self, *, empty: Any, rows: int = 8, **kwargs: Any) -> None:
        attrs = {"rows": rows, "class": "vLargeTextField cs-code"}
        widget = forms.Textarea(attrs=attrs)
        super().__init__(decoder=Decoder, widget=widget, required=False, **kwargs)
        self.nothing = empty

    def prepare_value(self, value: Any) -> Any:
        if isinstance(value, InvalidJSONInput):
            return value
        return json.dumps(value, indent=2, ensure_ascii=False) if value else ""

    def clean(self, value: Any) -> Any:
        cleaned = super().clean(value)
        if cleaned is None:
            return self.nothing
        if type(cleaned) is not type(self.nothing):
            kind = "an object: {…}" if isinstance(self.nothing, dict) else "a list: […]"
            raise forms.ValidationError(f"Write {kind}")
        return cleaned
