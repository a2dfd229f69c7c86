"""POLICY: what makes sense at a gate, and gates as a document that lives in version control."""
