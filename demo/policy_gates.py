"""DEMO: the gates at which `policy_inputs` ask, one for each thing that a gate can do."""

from approvals.models import Gate
from approvals.models.calendar import WEEKDAYS
from approvals.models.gate import SILENCE_APPROVES
from demo.gate import DemoGate, DemoStage
from demo.people import PAYMENTS, PLATFORM

TRIP_FORM = {
    "type": "object",
    "required": ["hotel", "class", "budget", "from", "seen"],
    "properties": {
        "hotel": {
            "type": "string",
            "title": "Hotel",
            "maxLength": 80,
            "default": "Hotel Miradouro",
        },
        "class": {
            "type": "string",
            "title": "Travel by",
            "enum": ["train", "economy", "business"],
            "default": "train",
        },
        "extras": {
            "type": "array",
            "title": "May also be booked",
            "items": {"type": "string", "enum": ["breakfast", "taxi", "late checkout"]},
            "uniqueItems": True,
        },
        "budget": {
            "type": "number",
            "title": "Budget in EUR",
            "minimum": 0,
            "maximum": 5_000,
            "x-default-from": "budget",
        },
        "from": {"type": "string", "format": "date", "title": "First day"},
        "remark": {"type": "string", "title": "For the travel desk", "x-multiline": True},
        "seen": {"type": "boolean", "title": "The travel rules are kept", "const": True},
    },
}

POLICY_GATES: list[DemoGate] = [
    DemoGate(
        "contracts",
        {
            "name": "Contracts",
            "description": "One approval of each team: price and service levels.",
            "needs": Gate.Needs.EACH_GROUP,
        },
        (PAYMENTS, PLATFORM),
    ),
    DemoGate(
        "new-suppliers",
        {"name": "New suppliers", "description": "Do the bank details match the contract?"},
        (PAYMENTS,),
        stages=(DemoStage("Access", (PLATFORM,)),),
    ),
    DemoGate(
        "change-freezes",
        {
            "name": "Change freezes",
            "description": "More than half of Platform.",
            "needs": Gate.Needs.MAJORITY,
            "veto": False,
        },
        (PLATFORM,),
    ),
    DemoGate(
        "business-trips",
        {
            "name": "Business trips",
            "description": "What may be booked, and until which amount?",
            "form": TRIP_FORM,
        },
        (PAYMENTS,),
    ),
    DemoGate(
        "incident-answers",
        {
            "name": "Incident answers",
            "description": "What the runbook does next.",
            "choices": [
                {
                    "key": "roll-back",
                    "label": "Roll back",
                    "verdict": "approve",
                    "output": {"action": "rollback", "to": "previous"},
                },
                {
                    "key": "scale-up",
                    "label": "Scale up",
                    "verdict": "approve",
                    "output": {"action": "scale", "factor": 2},
                },
                {"key": "wait", "label": "Do nothing", "verdict": "reject", "reason": True},
            ],
        },
        (PLATFORM,),
    ),
    DemoGate(
        "credit-notes",
        {
            "name": "Credit notes",
            "description": "The amount may be corrected before it goes back.",
            "editable": ["/amount", "/note"],
        },
        (PAYMENTS,),
    ),
    DemoGate(
        "announcements",
        {
            "name": "Announcements",
            "description": "Can't be called back once it is out.",
            "approve_label": "Send",
            "undo_seconds": 30,
        },
        (PAYMENTS,),
    ),
    DemoGate(
        "key-rotations",
        {
            "name": "Key rotations",
            "description": "Before the old key expires.",
            "remind_after_minutes": 1,
            "escalate_after_minutes": 2,
            "decide_within_minutes": 15,
            "warn_before_minutes": 5,
            "at_deadline": Gate.AtDeadline.REJECT,
        },
        (PAYMENTS,),
        escalate_to=(PLATFORM,),
    ),
    DemoGate(
        "cache-flushes",
        {
            "name": "Cache flushes",
            "description": "Say no if tonight is a bad night.",
            "decide_within_minutes": 20,
            "warn_before_minutes": None,
            "at_deadline": Gate.AtDeadline.APPROVE,
            "silence": SILENCE_APPROVES,
        },
        (PLATFORM,),
    ),
    DemoGate(
        "coupons",
        {
            "name": "Coupons",
            "description": "Decided from the mail, without signing in.",
            "link_alone_minutes": 60,
        },
        (),
        # He reviews nothing else, so that his mail is no digest.
        ("omar", "mira"),
    ),
    DemoGate(
        "expenses",
        {
            "name": "Expenses",
            "description": "The workflow names the manager.",
            "own_reviewers": True,
        },
        (PAYMENTS, PLATFORM),
    ),
    DemoGate(
        "legal-holds",
        {
            "name": "Legal holds",
            "description": "Nora decides, or whoever stands in for her.",
            "hand_over": Gate.HandOver.ANYBODY,
        },
        (),
        ("nora",),
    ),
    DemoGate(
        "server-room",
        {"name": "Server room", "description": "One of Platform, who sees to it as well."},
        (PLATFORM,),
    ),
    DemoGate(
        "parking-permits",
        {"name": "Parking permits", "description": "Small things, many at once."},
        (PAYMENTS,),
    ),
    DemoGate(
        "visitor-badges",
        {
            "name": "Visitor badges",
            "description": "Does anybody expect them?",
            "remind_after_minutes": 60,
            "decide_within_minutes": 240,
            "warn_before_minutes": None,
            "at_deadline": Gate.AtDeadline.REJECT,
        },
        (PAYMENTS,),
        calendar={
            "name": "Office in Vienna",
            "time_zone": "Europe/Vienna",
            "country": "AT",
            "hours": {
                **{day: [["09:00", "12:30"], ["13:00", "17:00"]] for day in WEEKDAYS[:4]},
                WEEKDAYS[4]: [["09:00", "14:00"]],
            },
            "closed": ["2026-12-24", "2026-12-31"],
        },
    ),
    DemoGate(
        "price-quotes",
        {
            "name": "Price quotes",
            "description": "Is it below last year's?",
            "decide_within_minutes": 10,
            "warn_before_minutes": 3,
            "at_deadline": Gate.AtDeadline.FAIL,
        },
        (PAYMENTS,),
    ),
    DemoGate(
        "database-access",
        {
            "name": "Database access",
            "description": "Every answer has a reason.",
            "approve_label": "Grant",
            "reason": Gate.Reason.ALWAYS,
        },
        (PLATFORM,),
    ),
    DemoGate(
        "one-off-questions",
        {"name": "One-off questions", "description": "The workflow brings what it asks."},
        (PAYMENTS,),
    ),
    DemoGate(
        "repeated-releases",
        {
            "name": "Repeated releases",
            "description": "Who approved does not have to again.",
            "quorum": 2,
            "carries_over": True,
        },
        (PLATFORM,),
    ),
]
