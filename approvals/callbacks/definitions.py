"""CALLBACK OUT, meanwhile: times that a message does not say, read from the state's definition."""

from collections.abc import Sequence

from approvals.models import DefinitionLookup


def plan(lookups: Sequence[DefinitionLookup]) -> None:
    """Write down what is to be read; a worker hears of it when the transaction commits."""
