"""Figures, each beside its reference and measured in one run."""
