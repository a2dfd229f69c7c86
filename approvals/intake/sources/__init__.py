"""MESSAGE IN, first step: each source verifies, parses and calls `accept`."""
