"""DEMO: the words from which `inputs` draws. All names are fictional."""

STAFF = ("priya@example.com", "sven@example.com", "nadia@example.com", "carl@example.com")

CUSTOMERS = (
    "Helena Brandt",
    "Marco Silva",
    "Yuki Tanabe",
    "Odile Fournier",
    "Samuel Okoro",
    "Greta Lindqvist",
    "Pavel Novotny",
)
COMPANIES = (
    "Northwind Freight",
    "Alder Clinics",
    "Bluebird Energy",
    "Kestrel Tools",
    "Juniper Inns",
)

# sku, article, price: so dear that two of them pass the limit of 500
ARTICLES = (
    ("DSK-180", "Standing desk, oak, 180 cm", 689.00),
    ("CHR-ERG", "Office chair Ergo", 429.50),
    ("LMP-ARC", "Arc floor lamp", 259.90),
    ("SHL-5", "Shelf, five boards", 319.00),
    ("RUG-240", "Wool rug 240 × 170", 548.75),
    ("CAB-3D", "Cabinet, three drawers", 372.20),
)
REFUND_REASONS = (
    "Two boxes arrived **crushed**; the carrier has confirmed the damage.",
    "Delivered *eleven days late*. The customer had bought elsewhere by then.",
    "Wrong colour twice in a row. Goods are on their way back.",
    "Customer says the order was placed by **their child**. Address and card match earlier orders.",
    "Charged twice: `pay-7741` and `pay-7742` have the same amount and minute.",
)

SERVICES = ("checkout", "search-api", "ledger", "notifications", "image-resizer")
# what, who
CHANGES = (
    ("Retry card payments once on a time-out", "sven"),
    ("Cache delivery slots for 30 s", "nadia"),
    ("Drop the old voucher columns", "tom"),
    ("Log the reason of a refused login", "lea"),
    ("Move thumbnails to the new bucket", "carl"),
    ("Upgrade the TLS library", "tom"),
    ("Show prices with tax in Switzerland", "priya"),
)
RISK_NOTES = (
    "**Low.** Behind a flag that is off; switched on per country next week.",
    "**Medium.**\n\n- The migration locks `orders` for about 2 s\n- Rolling back keeps the new "
    "column\n- On call: Jonas",
    "**High**, please read the diff:\n\n1. Changes how payments are retried\n2. No flag\n3. Watch "
    "`payment_errors` for an hour\n\nTested on staging with last Friday's traffic.",
    "Fixes the incident of last night. The *same* build has run on the canary for two hours.",
)

EXPORT_REASONS = (
    "The customer asks for their data (GDPR, article 20). **Due in 9 days.**",
    "The customer is leaving and wants everything in one archive.",
    "Their auditor needs the invoices of three years. See the letter in the ticket.",
)
