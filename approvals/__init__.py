"""Countersign's one Django app; its rooms follow the path of the data (docs/flow.md)."""
