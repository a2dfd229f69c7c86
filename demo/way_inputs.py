"""DEMO: believable inputs for the ways in besides the queue, one kind each. Pure, as `inputs`."""

from collections.abc import Callable
from datetime import UTC, datetime, timedelta
from random import Random
from typing import Any

from demo.input_texts import ARTICLES, COMPANIES, STAFF
from demo.inputs import Start


def supplier_payment(random: Random) -> Start:
    company = random.choice(COMPANIES)
    number = f"2026-{random.randint(1_000, 9_999)}"
    net = random.randint(2_000, 18_000) + random.choice([0.0, 0.4, 0.9])
    return Start(
        "supplier-payment",
        f"invoice-{number}",
        {
            "title": f"Pay invoice {number} of {company}",
            "summary": "The amount is **above the order** by the price of the second delivery. "
            "The warehouse has booked both.",
            "requestedBy": random.choice(STAFF),
            "invoice": {"number": number, "supplier": company, "due": "in 6 days"},
            "positions": [
                {"position": "First delivery", "net": f"{net:,.2f} EUR"},
                {"position": "Second delivery", "net": f"{net / 5:,.2f} EUR"},
            ],
            "ordered": f"{net:,.2f} EUR",
            "invoiced": f"{net * 1.2:,.2f} EUR",
        },
    )


def price_change(random: Random) -> Start:
    sku, article, price = random.choice(ARTICLES)
    new = round(price * random.choice([0.85, 0.9, 1.08]), 2)
    return Start(
        "price-change",
        f"price-{sku.lower()}",
        {
            "article": article,
            "summary": f"From {price:,.2f} to **{new:,.2f} EUR**, as of Monday.",
            "requestedBy": random.choice(STAFF),
            "details": {
                "sku": sku,
                "price": {"before": f"{price:,.2f} EUR", "after": f"{new:,.2f} EUR"},
                "soldLastMonth": random.randint(12, 340),
                "margin": f"{random.randint(24, 41)} %",
                "reason": "Follows the supplier's new list price.",
            },
        },
    )


def credit_limit(random: Random) -> Start:
    company = random.choice(COMPANIES)
    limit = random.choice([25_000, 40_000, 60_000])
    return Start(
        "credit-limit",
        f"limit-{company.split()[0].lower()}",
        {
            "customer": company,
            "limit": f"{limit:,} EUR",
            "summary": "A large order is on hold until then. **All invoices paid in time** so far.",
            "requestedBy": random.choice(STAFF),
            "details": {
                "customer": company,
                "limit": {"before": f"{limit // 2:,} EUR", "after": f"{limit:,} EUR"},
                "openInvoices": f"{limit // 3:,} EUR",
                "orderOnHold": f"{limit // 4 * 3:,} EUR",
            },
        },
    )


def database_access(random: Random) -> Start:
    who = random.choice(["Nadia", "Carl", "Sven"])
    ticket = f"PLAT-{random.randint(800, 1_900)}"
    return Start(
        "database-access",
        f"access-{ticket}",
        {
            "who": who,
            "database": "the orders database",
            "summary": "To repair 14 orders by hand after last night's incident. **Read and "
            "write**, for four hours.",
            "requestedBy": f"{who.lower()}@example.com",
            "details": {
                "ticket": ticket,
                "role": "orders_readwrite",
                "hours": 4,
                "recorded": "all statements",
            },
        },
    )


def stock_write_off(random: Random) -> Start:
    sku, article, price = random.choice(ARTICLES)
    pieces = random.randint(6, 24)
    return Start(
        "stock-write-off",
        f"write-off-{sku.lower()}",
        {
            "title": f"Write off {pieces} × {article}",
            "summary": "Water damage in hall 3. The insurer has **seen the photos**.",
            "requestedBy": random.choice(STAFF),
            "details": {
                "sku": sku,
                "pieces": pieces,
                "value": f"{pieces * price:,.2f} EUR",
                "warehouse": "Hall 3, rows 11–13",
                "claim": f"INS-{random.randint(20_000, 90_000)}",
            },
        },
    )


def newsletter(random: Random) -> Start:
    readers = random.randint(18, 90) * 1_000
    return Start(
        "newsletter",
        f"newsletter-{random.randint(40, 48)}",
        {
            "title": f"Send the winter newsletter to {readers:,} customers",
            "summary": "Subject: *Warm rooms, clear desks*. Test mails have been read on phones.",
            "requestedBy": random.choice(STAFF),
            "details": {
                "readers": readers,
                "languages": ["de", "en", "fr"],
                "unsubscribed": "left out",
                "sendAt": "tomorrow 07:00 UTC",
            },
        },
    )


def dns_change(random: Random) -> Start:
    ticket = f"PLAT-{random.randint(800, 1_900)}"
    message: dict[str, Any] = {
        "gate": "infrastructure-changes",
        "title": "Point shop.example.com to the new load balancer",
        "summary": "TTL is 60 s since yesterday, so going back takes **a minute**.",
        "requestedBy": random.choice(STAFF),
        "timeoutSeconds": 43_200,
        "input": {
            "ticket": ticket,
            "record": "shop.example.com A",
            "value": {"before": "192.0.2.10", "after": "192.0.2.74"},
            "checked": ["certificate", "health checks", "access logs"],
        },
    }
    return Start("dns-change", f"dns-{ticket}", {"step": "Approve change", "message": message})


def nightly_report(random: Random) -> Start:
    day = (datetime.now(UTC) - timedelta(days=1)).date().isoformat()
    return Start(
        "nightly-report",
        f"report-{day}",
        {
            "day": day,
            "summary": "Runs on the cluster in the cellar, which no cloud can reach. It reports "
            "by the API how far it is.",
            "job": {
                "class": "com.example.reports.Nightly",
                "day": day,
                "partitions": random.choice([96, 120, 144]),
                "executors": 8,
            },
        },
    )


# What `demo_executions --way` calls them.
WAYS: dict[str, Callable[[Random], Start]] = {
    "lambda": supplier_payment,
    "sns": price_change,
    "sns-queue": credit_limit,
    "eventbridge": database_access,
    "mns": stock_write_off,
    "cloudflow": newsletter,
    "callback": dns_change,
    "job": nightly_report,
}
