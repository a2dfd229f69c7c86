"""CALLBACK OUT, the far end: systems that wait. Engines know no models."""
