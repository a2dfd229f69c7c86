"""The API, what is sent: one content type, strict JSON, small. Pure."""

import json
import math
from typing import Any

from django.http import HttpRequest
from ninja.parser import Parser

from approvals.api.refusals import TOO_LARGE, Refused
from approvals.errors import MessageNotUnderstood
from approvals.intake import strict_json

MAX_BYTES = 262_144
JSON = "application/json"


class StrictParser(Parser):
    """Reads bodies under the rules that messages come in by (`intake.strict_json`)."""

    def parse_body(self, request: HttpRequest) -> dict[str, Any]:
        """Raises `Refused`."""
        if request.content_type != JSON:
            raise Refused(415, "not_json", f"Send JSON: “Content-Type: {JSON}”.")
        if len(request.body) > MAX_BYTES:
            raise TOO_LARGE
        try:
            strict_json.parse(request.body)
            body = json.loads(request.body, parse_int=_int, parse_float=_float)
        except MessageNotUnderstood as problem:
            said = str(problem).replace("message", "body")
            raise Refused(400, problem.code, said) from None
        if not isinstance(body, dict):
            raise Refused(400, "not_an_object", "The body is JSON, but no object.")
        return body


# Messages keep a number that can't be held exactly as text, for people to read. A job's result goes
# on to a workflow, to which a number has to stay a number.


def _int(digits: str) -> int:
    if len(digits) > strict_json.MAX_INT_DIGITS:
        raise MessageNotUnderstood("number_too_large", "The body holds a number too large.")
    return int(digits)


def _float(digits: str) -> float:
    number = float(digits)
    if not math.isfinite(number):
        raise MessageNotUnderstood("number_too_large", "The body holds a number too large.")
    return number
