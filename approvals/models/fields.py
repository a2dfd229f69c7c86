"""Column types that Django does not have, and checks that several models share."""

from typing import Any

from django.core.validators import RegexValidator
from django.db import models
from psycopg.types.json import Json

# Emulators and private endpoints have names without a dot, which Django's URLField refuses.
is_address = RegexValidator(
    r"^https?://[^\s/]+(/\S*)?$", "Give an address with http:// or https://."
)


class OrderedJSONField(models.JSONField):
    """JSON that is only stored and shown: PostgreSQL's `json` keeps the keys in the order in which
    they came, where `jsonb` sorts them."""

    def db_type(self, connection: Any) -> str:
        return "json"

    def get_db_prep_value(self, value: Any, connection: Any, prepared: bool = False) -> Any:
        return Json(value)

    def from_db_value(self, value: Any, expression: Any, connection: Any) -> Any:
        return value  # psycopg has decoded it
