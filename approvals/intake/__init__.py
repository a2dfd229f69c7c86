"""MESSAGE IN: from a queue or a request to a stored approval task."""
