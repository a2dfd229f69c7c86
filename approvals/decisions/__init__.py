"""DECISION: the only room that settles tasks."""
