"""DEMO: one believable input for each thing that a gate can ask for. Pure, as `inputs`.

All are executions of `machines/office-request.json`; their gates are in `policy_gates`.
"""

from collections.abc import Callable
from random import Random
from typing import Any

from demo.input_texts import ARTICLES, COMPANIES, SERVICES, STAFF
from demo.inputs import Start


def _ask(
    gate: str,
    name: str,
    title: str,
    summary: str,
    data: dict[str, Any],
    *,
    by: str,
    reviewers: dict[str, list[str]] | None = None,
    form: dict[str, Any] | None = None,
    choices: list[Any] | None = None,
    dedupe_key: str | None = None,
) -> Start:
    asked = {
        "gate": gate,
        "title": title,
        "summary": summary,
        "requestedBy": by,
        "reviewers": reviewers,
        "form": form,
        "choices": choices,
        "dedupeKey": dedupe_key,
        "input": data,
    }
    return Start("office-request", name, asked)


def contract(random: Random) -> Start:
    company = random.choice(COMPANIES)
    return _ask(
        "contracts",
        f"contract-{company.split()[0].lower()}",
        f"Sign the hosting contract with {company}",
        "Three years, **notice of six months**. Payments looks at the price, Platform at the "
        "service levels.",
        {"party": company, "years": 3, "perYear": "48,000 EUR", "uptime": "99.9 %"},
        by=random.choice(STAFF),
    )


def supplier(random: Random) -> Start:
    company = random.choice(COMPANIES)
    return _ask(
        "new-suppliers",
        f"supplier-{company.split()[0].lower()}",
        f"Take on {company} as a supplier",
        "Payments checks the bank details first; then Platform checks what access they need.",
        {"company": company, "iban": "AT61 1904 3002 3457 3201", "access": ["VPN", "tickets"]},
        by=random.choice(STAFF),
    )


def freeze(random: Random) -> Start:
    return _ask(
        "change-freezes",
        "freeze-december",
        "Freeze deployments from 18 December to 2 January",
        "More than half of Platform has to agree; one who is against it stops nothing.",
        {"from": "2026-12-18", "to": "2027-01-02", "except": ["security fixes"]},
        by=random.choice(STAFF),
    )


def journey(random: Random) -> Start:
    nights = random.randint(2, 5)
    return _ask(
        "business-trips",
        f"trip-{random.randint(100, 999)}",
        f"Trip to Lisbon, {nights} nights",
        "For the yearly meeting with the carrier. Please say what may be booked.",
        {"destination": "Lisbon", "nights": nights, "budget": 900 + 150 * nights},
        by=random.choice(STAFF),
    )


def incident(random: Random) -> Start:
    service = random.choice(SERVICES)
    return _ask(
        "incident-answers",
        f"incident-{service}",
        f"{service}: errors at 4 % since the last version",
        "The **canary** shows the same. What shall the runbook do?",
        {"service": service, "errors": "4.1 %", "since": "11 min", "customersHit": 312},
        by="alerting",
    )


def invoice(random: Random) -> Start:
    sku, article, price = random.choice(ARTICLES)
    return _ask(
        "credit-notes",
        f"credit-{sku.lower()}",
        f"Credit note for {article}",
        "The amount is a proposal of the shop. **Correct it** where the damage is smaller.",
        {"article": article, "amount": price, "currency": "EUR", "note": "Scratched in transit"},
        by=random.choice(STAFF),
    )


def announcement(random: Random) -> Start:
    readers = random.randint(18, 90) * 1_000
    return _ask(
        "announcements",
        f"announcement-{random.randint(40, 48)}",
        f"Mail {readers:,} customers about the new prices",
        "It is sent 30 seconds after you release it: time enough to **undo**.",
        {"readers": readers, "subject": "Our prices as of January", "languages": ["de", "en"]},
        by=random.choice(STAFF),
    )


def key_rotation(random: Random) -> Start:
    service = random.choice(SERVICES)
    return _ask(
        "key-rotations",
        f"rotate-{service}",
        f"Rotate the signing key of {service}",
        "Payments is reminded after a minute; after two minutes Platform may decide as well; after "
        "fifteen it is rejected.",
        {"service": service, "keyAge": "364 days", "downtime": "none"},
        by=random.choice(STAFF),
    )


def cache_flush(random: Random) -> Start:
    return _ask(
        "cache-flushes",
        "flush-images",
        "Flush the image cache tonight",
        "Costs half an hour of slower pages. **If nobody objects within 20 minutes, it happens.**",
        {"cache": "images", "size": "212 GB", "at": "02:00 UTC"},
        by="scheduler",
    )


def coupon(random: Random) -> Start:
    percent = random.choice([5, 10])
    return _ask(
        "coupons",
        f"coupon-{percent}",
        f"Coupon over {percent} % for one late parcel",
        "Small enough to decide **straight from Omar's mail**, without signing in.",
        {"percent": percent, "parcels": 1, "validDays": 60},
        by=random.choice(STAFF),
    )


def expense(random: Random) -> Start:
    amount = random.randint(40, 260)
    return _ask(
        "expenses",
        f"expense-{random.randint(1_000, 9_999)}",
        f"Expenses of {amount} EUR",
        "The workflow asks the manager alone: of all whom the gate names, only **Mira**.",
        {"amount": amount, "currency": "EUR", "receipts": 3},
        by=random.choice(STAFF),
        reviewers={"users": ["mira"], "groups": []},
    )


def retention(random: Random) -> Start:
    company = random.choice(COMPANIES)
    return _ask(
        "legal-holds",
        f"hold-{company.split()[0].lower()}",
        f"Keep all mails of {company} until the dispute is over",
        "Nora decides this alone. She is away, and **Mira stands in for her**.",
        {"company": company, "case": f"L-{random.randint(100, 999)}", "mailboxes": 14},
        by=random.choice(STAFF),
    )


def parking(random: Random) -> Start:
    """Several that are alike, to decide together."""
    number = random.randint(100, 999)
    return _ask(
        "parking-permits",
        f"parking-{number}",
        f"Parking permit {number}",
        "One of several alike: choose them with `x` and decide them **together**.",
        {"permit": number, "days": random.choice([1, 1, 5]), "level": random.choice(["A", "B"])},
        by=random.choice(STAFF),
    )


def replacement(random: Random) -> Start:
    return _ask(
        "server-room",
        f"disk-{random.randint(10, 99)}",
        "Replace two disks in rack 7",
        "**Lea is on it**: the others see that, and can take it over.",
        {"rack": 7, "disks": 2, "spare": True},
        by="monitoring",
    )


def cooling(random: Random) -> Start:
    return _ask(
        "server-room",
        f"cooling-{random.randint(10, 99)}",
        "Switch the cooling to the second loop",
        "Jonas has **handed this to Tom**, and hears how it ends.",
        {"loop": 2, "hours": random.randint(2, 6)},
        by="facility@example.com",
    )


def cabling(random: Random) -> Start:
    return _ask(
        "server-room",
        f"cabling-{random.randint(10, 99)}",
        "New cable between rack 3 and rack 9",
        "Lea has **asked Mira** whether it is paid. Mira sees the task, and decides nothing.",
        {"from": "rack 3", "to": "rack 9", "cost": "460 EUR"},
        by="facility@example.com",
    )


def visit(random: Random) -> Start:
    company = random.choice(COMPANIES)
    return _ask(
        "visitor-badges",
        f"visit-{company.split()[0].lower()}",
        f"Badges for two visitors from {company}",
        "Four **office hours** to decide, in Vienna, and none of them on an Austrian holiday.",
        {"company": company, "visitors": 2, "floors": [2, random.randint(3, 5)]},
        by=random.choice(STAFF),
    )


def fare(random: Random) -> Start:
    return _ask(
        "price-quotes",
        f"quote-{random.randint(1_000, 9_999)}",
        "Quote of a carrier for one pallet to Oslo",
        "It holds for ten minutes. If nobody decides by then, the **step fails** with "
        "`NobodyDecided`, and the workflow catches that.",
        {"pallets": 1, "to": "Oslo", "price": f"{random.randint(180, 320)} EUR"},
        by="shipping@example.com",
    )


def grant(random: Random) -> Start:
    service = random.choice(SERVICES)
    return _ask(
        "database-access",
        f"access-{service}",
        f"Read the production database of {service} for an hour",
        "Whoever grants it says **why**, for the record.",
        {"database": service, "rights": "read", "minutes": 60, "ticket": "OPS-4711"},
        by=random.choice(STAFF),
    )


def survey(random: Random) -> Start:
    """The gate knows nothing of this form and these choices."""
    amount = random.randint(20, 90) * 10
    return _ask(
        "one-off-questions",
        f"goodwill-{amount}",
        f"Goodwill for a delivery that came twice, {amount} EUR",
        "What is asked comes **with the message**: a form and three ways to decide.",
        {"order": f"A-{random.randint(10_000, 99_999)}", "amount": amount, "currency": "EUR"},
        by=random.choice(STAFF),
        form={
            "type": "object",
            "required": ["account"],
            "properties": {
                "account": {
                    "type": "string",
                    "title": "Book it to",
                    "enum": ["Shipping", "Goodwill", "Marketing"],
                },
                "note": {"type": "string", "title": "A line for the customer", "maxLength": 120},
            },
        },
        choices=[
            {"key": "keep", "label": "Let them keep it", "output": {"share": 1}},
            {"key": "half", "label": "Credit half", "output": {"share": 0.5}},
            {"key": "return", "label": "Ask for a return", "verdict": "reject", "reason": True},
        ],
    )


def repeated_release(random: Random) -> Start:
    """Each is the same question: the next takes the place of the one before."""
    return _ask(
        "repeated-releases",
        "release-prices-4.2",
        "Release prices 4.2",
        "Tom approved this before the pipeline was **started again**, and his approval still "
        "counts: one more is needed.",
        {"service": "prices", "version": "4.2", "changes": 17},
        by="pipeline",
        dedupe_key="release-prices-4.2",
    )


# What `demo_executions --policy` calls them.
POLICIES: dict[str, Callable[[Random], Start]] = {
    "each-team": contract,
    "stages": supplier,
    "majority": freeze,
    "form": journey,
    "choices": incident,
    "change": invoice,
    "undo": announcement,
    "escalation": key_rotation,
    "silence": cache_flush,
    "link": coupon,
    "named": expense,
    "away": retention,
    "several": parking,
    "claim": replacement,
    "hand-over": cooling,
    "ask": cabling,
    "calendar": visit,
    "fail": fare,
    "reason": grant,
    "message": survey,
    "carry-over": repeated_release,
}


def one_of_each(random: Random) -> list[Start]:
    """An execution for each, and as many of those that are alike as it takes."""
    return [*(make(random) for make in POLICIES.values()), parking(random), parking(random)]
