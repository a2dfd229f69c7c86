"""DEMO: the gates that the workflows of `machines/` name, as the seed makes them."""

from approvals.models import Gate
from demo.gate import DemoGate
from demo.people import PAYMENTS, PLATFORM

# For messages that name no gate: the Lambda-style payload has no place for one.
OTHERWISE = "data-exports"
# What the demo's runner claims from.
JOBS = "nightly-reports"

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
            "reason": Gate.Reason.NEVER,
        },
        (PAYMENTS,),
    ),
    DemoGate(
        "supplier-payments",
        {
            "name": "Supplier payments",
            "description": "Does the invoice match the order and what was delivered?",
            "output_key": "Payload",
            "heartbeat_seconds": 300,
            "timeout_seconds": 86_400,
        },
        (PAYMENTS,),
    ),
    DemoGate(
        "price-changes",
        {"name": "Price changes", "description": "Is the margin still what it has to be?"},
        (PAYMENTS,),
    ),
    DemoGate(
        "credit-limits",
        {"name": "Credit limits", "description": "Have they paid, and what is open?"},
        (PAYMENTS,),
    ),
    DemoGate(
        "stock-write-offs",
        {"name": "Stock write-offs", "description": "Is the damage on record?"},
        (PAYMENTS,),
    ),
    DemoGate(
        "campaigns",
        {
            "name": "Campaigns",
            "description": "It can't be called back once it is out.",
            "approve_label": "Send",
        },
        (PAYMENTS,),
    ),
    DemoGate(
        "access-requests",
        {
            "name": "Access to production",
            "description": "Somebody else than the requester, and no longer than it takes.",
            "exclude_requester": True,
            "approve_label": "Grant",
        },
        (PLATFORM,),
    ),
    DemoGate(
        "infrastructure-changes",
        {"name": "Infrastructure changes", "description": "Is there a way back, and was it tried?"},
        (PLATFORM,),
    ),
    DemoGate(
        JOBS,
        {
            "name": "Nightly reports",
            "description": "A job on the cluster reports by itself; settle it by hand if it can't.",
            "kind": Gate.Kind.JOB,
            "job_silence_seconds": 60,
        },
        (PLATFORM, PAYMENTS),
    ),
]
