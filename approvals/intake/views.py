"""MESSAGE IN, by address: one URL a source, for programs."""
