"""WHEN: what a gate does about a task while nobody decides."""
