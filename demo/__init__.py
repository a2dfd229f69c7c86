"""The embedded default: PostgreSQL, Valkey and an AWS emulator where none is given."""
