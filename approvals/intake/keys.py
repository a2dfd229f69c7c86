"""MESSAGE IN, who may call: the keys of a source's address."""
