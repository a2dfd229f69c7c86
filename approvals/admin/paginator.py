"""ADMIN, lists of millions: pages without counting them all."""

from functools import cached_property
from typing import Any, cast

from django.core.paginator import Paginator
from django.db.models import QuerySet

COUNTED = 10_000


class CappedPaginator(Paginator):
    """Counts up to 10,000; whoever looks for something older filters or searches."""

    @cached_property
    def count(self) -> int:
        rows = cast("QuerySet[Any]", self.object_list)
        return rows.order_by().values("pk")[:COUNTED].count()
