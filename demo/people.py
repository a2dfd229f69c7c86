"""DEMO: who signs in, as the seed makes them and the start prints them. All of them fictional."""

from typing import NamedTuple

from approvals.people.roles import ADMINISTRATORS, AUDITORS, OPERATORS

PAYMENTS, PLATFORM = "Payments", "Platform"  # teams: groups that gates name


class DemoPerson(NamedTuple):
    username: str
    password: str
    can: str
    full_name: str
    groups: tuple[str, ...]
    is_admin: bool = False
    delegate: str = ""  # who stands in for them: they are away

    @property
    def email(self) -> str:
        return f"{self.username}@example.com"


# Three in Platform, so that a deployment one of them requested still finds two others.
PEOPLE: list[DemoPerson] = [
    DemoPerson(
        "mira",
        "paper-lantern-41",
        "reviews refunds, payments, prices, exports … (Payments)",
        "Mira Sand",
        (PAYMENTS,),
    ),
    DemoPerson(
        "tom",
        "copper-kettle-82",
        "reviews deployments, access, changes (Platform)",
        "Tom Birch",
        (PLATFORM,),
    ),
    DemoPerson(
        "lea",
        "winter-orchard-17",
        "the same as tom, and data exports",
        "Lea Quint",
        (PLATFORM,),
    ),
    DemoPerson(
        "jonas",
        "quiet-harbour-63",
        "reviews deployments, access, changes (Platform)",
        "Jonas Field",
        (PLATFORM,),
    ),
    DemoPerson(
        "nora",
        "amber-lighthouse-36",
        "decides legal holds; away, and mira stands in",
        "Nora Holm",
        (),
        delegate="mira",
    ),
    DemoPerson(
        "omar",
        "steady-compass-29",
        "operates: sees every task, replays what failed; reviews coupons",
        "Omar Wells",
        (OPERATORS,),
    ),
    DemoPerson(
        "ingrid",
        "marble-ledger-54",
        "audits: sees every task and the record",
        "Ingrid Vale",
        (AUDITORS,),
    ),
    DemoPerson(
        "admin",
        "granite-keyring-75",
        "administers: gates, sources, connections, people",
        "Ada Root",
        (ADMINISTRATORS,),
        is_admin=True,
    ),
]
