"""NOTICES: what people are told by mail, and the links by which they come."""
