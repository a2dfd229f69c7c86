"""What the examples' policies allow, and what Countersign's own code calls."""

import re
from collections.abc import Iterator
from pathlib import Path
from typing import Any

import botocore.session
from botocore import xform_name

APPROVALS = Path(__file__).resolve().parents[2] / "approvals"
SPEAK_TO_AWS = [
    *APPROVALS.glob("engines/*.py"),
    *APPROVALS.glob("intake/sources/*.py"),
]
SERVICES = {"stepfunctions": "states", "sqs": "sqs", "sns": "sns"}
# Calls that another call's action covers.
COVERED = {"sqs:DeleteMessageBatch": "sqs:DeleteMessage"}


def called() -> set[str]:
    """IAM's names of the AWS operations that Countersign's code names."""
    code = "\n".join(path.read_text() for path in SPEAK_TO_AWS if "botocore" in path.read_text())
    words = set(re.findall(r"\b[a-z]+(?:_[a-z]+)+\b", code))
    session = botocore.session.get_session()
    found = {
        f"{prefix}:{operation}"
        for service, prefix in SERVICES.items()
        for operation in session.get_service_model(service).operation_names
        if xform_name(operation) in words
    }
    return {COVERED.get(action, action) for action in found}


def statements(value: Any) -> Iterator[dict[str, Any]]:
    """Every statement of every policy document below `value`."""
    if isinstance(value, list):
        for item in value:
            yield from statements(item)
    if isinstance(value, dict):
        if "Effect" in value and ("Action" in value or "NotAction" in value):
            yield value
        for item in value.values():
            yield from statements(item)


def allowed(value: Any, *, to_whom: bool | None = None) -> set[str]:
    """The actions that policies below `value` allow; with `to_whom` only those of policies that
    name a principal (trust and resource policies), or only those that name none."""
    return {
        action
        for statement in statements(value)
        if statement["Effect"] == "Allow"
        and (to_whom is None or to_whom == ("Principal" in statement))
        for action in listed(statement["Action"])
    }


def listed(value: Any) -> list[str]:
    return value if isinstance(value, list) else [value]
