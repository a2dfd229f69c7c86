"""DEMO: the gates that the state machines of `machines/` name, as the seed makes them."""

from typing import Any, NamedTuple

from approvals.models import Gate
from demo.people import PAYMENTS, PLATFORM


class DemoGate(NamedTuple):
    slug: str
    policy: dict[str, Any]
    groups: tuple[str, ...]
    usernames: tuple[str, ...] = ()


# For messages that name no gate: the Lambda-style payload has no place for one.
OTHERWISE = "data-exports"

GATES: list[DemoGate] = [
    DemoGate(
        "order-refunds",
        {
            "name": "Order refunds",
            "description": "Is the reason plausible, and do the items add up to the amount?",
        },
        (PAYMENTS,),
    ),
    DemoGate(
        "production-deploys",
        {
            "name": "Production deployments",
            "description": "Two people other than the requester have read the changes.",
            "quorum": 2,
            "exclude_requester": True,
            "on_reject": Gate.OnReject.SUCCESS,
        },
        (PLATFORM,),
    ),
    DemoGate(
        OTHERWISE,
        {
            "name": "Customer data exports",
            "description": "Who asks, and may they have all of it?",
            "output_key": "Payload",
            "timeout_seconds": 86_400,
        },
        (PAYMENTS,),
        ("lea",),
    ),
    DemoGate(
        "customer-offers",
        {
            "name": "Customer offers",
            "description": "An offer that nobody releases within two minutes is withdrawn.",
            "approve_label": "Release",
            "reason_required": False,
        },
        (PAYMENTS,),
    ),
]
