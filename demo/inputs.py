"""DEMO: believable inputs for executions, drawn at random. Pure: no AWS, no database."""

from collections.abc import Callable, Iterator
from itertools import cycle
from random import Random
from typing import Any, NamedTuple

from demo.input_texts import (
    ARTICLES,
    CHANGES,
    COMPANIES,
    CUSTOMERS,
    EXPORT_REASONS,
    REFUND_REASONS,
    RISK_NOTES,
    SERVICES,
    STAFF,
)


class Start(NamedTuple):
    """An execution to be started: of which state machine, under which name, with what input."""

    machine: str
    name: str
    data: dict[str, Any]


def refund(random: Random) -> Start:
    """Two articles and more are always above the limit."""
    customer = random.choice(CUSTOMERS)
    order = f"A-{random.randint(20_000, 99_999)}"
    bought = random.sample(ARTICLES, random.randint(2, 4))
    items: list[dict[str, Any]] = [
        {"sku": sku, "article": article, "quantity": random.choice([1, 1, 2]), "price": price}
        for sku, article, price in bought
    ]
    amount = round(sum(item["quantity"] * item["price"] for item in items), 2)
    return Start(
        "order-refunds",
        f"refund-{order}",
        {
            "amount": amount,
            "amountShown": f"{amount:,.2f} EUR",
            "reason": random.choice(REFUND_REASONS),
            "order": {"id": order, "placedOn": f"2026-11-{random.randint(1, 20):02}"},
            "customer": {
                "name": customer,
                "email": f"{customer.split()[0].lower()}@customer.example.com",
                "since": random.randint(2016, 2025),
                "refunds": random.choice([0, 0, 0, 1, 1, 2, 5]),
            },
            "items": items,
            "paidBy": random.choice(["card ending in 4411", "bank transfer", "invoice"]),
            "ticket": f"T-{random.randint(3_000, 9_999)}",
            "requestedBy": random.choice(STAFF),
        },
    )


def deployment(random: Random, requested_by: str = "") -> Start:
    service = random.choice(SERVICES)
    major, minor = random.randint(1, 6), random.randint(1, 40)
    return Start(
        "production-deploy",
        f"{service}-{major}.{minor}.0",
        {
            "service": service,
            "version": f"{major}.{minor}.0",
            "replaces": f"{major}.{minor - 1}.{random.randint(0, 4)}",
            "window": random.choice(["now", "today 18:00–19:00 UTC", "tomorrow 06:00 UTC"]),
            "riskNote": random.choice(RISK_NOTES),
            "changes": [
                {"ticket": f"PLAT-{random.randint(800, 1_900)}", "what": what, "by": by}
                for what, by in random.sample(CHANGES, random.randint(2, 4))
            ],
            "checks": {
                "tests": f"{random.randint(900, 2_400):,} passed",
                "coverage": f"{random.randint(81, 97)} %",
                "migration": random.choice(["none", "adds a column, 2 s", "backfill, 9 min"]),
                "rollback": "automatic",
            },
            "requestedBy": requested_by or random.choice(["lea@example.com", *STAFF]),
        },
    )


def data_export(random: Random) -> Start:
    company = random.choice(COMPANIES)
    number = f"C-{random.randint(1_000, 9_999)}"
    return Start(
        "customer-data-export",
        f"export-{number}",
        {
            "title": f"Export all data of {company}",
            "summary": random.choice(EXPORT_REASONS),
            "requestedBy": random.choice(STAFF),
            "customer": {"id": number, "name": company},
            "tables": [
                {"table": table, "rows": random.randint(low, high), "personal": personal}
                for table, low, high, personal in (
                    ("accounts", 1, 40, True),
                    ("invoices", 30, 900, True),
                    ("events", 4_000, 90_000, False),
                )
            ],
            "format": random.choice(["CSV", "JSON"]),
            "encryptedFor": f"privacy@{company.split()[0].lower()}.example.com",
        },
    )


def offer(random: Random) -> Start:
    company = random.choice(COMPANIES)
    percent = random.choice([12, 15, 20, 25])
    return Start(
        "expiring-offer",
        f"offer-{company.split()[0].lower()}",
        {
            "customer": company,
            "discountPercent": percent,
            "yearlyValue": f"{random.randint(18, 95) * 1_000:,} EUR",
            "margin": f"{random.randint(30, 48) - percent // 2} %",
            "requestedBy": random.choice(STAFF),
        },
    )


def misspelled_gate(random: Random) -> Start:
    """A message that no gate takes: it shows the quarantine, and replays once the gate exists."""
    start = data_export(random)
    return start._replace(data={"gate": "data-export", **start.data})


KINDS: tuple[Callable[[Random], Start], ...] = (refund, deployment, data_export, offer)


def first_ones(random: Random) -> list[Start]:
    """What a fresh inbox holds, and a deployment whose requester is one of its reviewers."""
    return [
        *(refund(random) for _ in range(4)),
        *(deployment(random) for _ in range(2)),
        deployment(random, requested_by="tom@example.com"),
        *(data_export(random) for _ in range(2)),
        offer(random),
    ]


def in_turn(random: Random) -> Iterator[Start]:
    """One state machine after the other, for ever."""
    return (kind(random) for kind in cycle(KINDS))
