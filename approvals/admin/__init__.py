"""Configuration for administrators; read-only for everything that is a record."""
