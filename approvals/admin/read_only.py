"""ADMIN for records: they can be looked at, and nobody adds, changes or deletes them there."""

from typing import Any

from django.contrib import admin
from django.http import HttpRequest

from approvals.admin.paginator import CappedPaginator


class ReadOnly:
    """For a ModelAdmin or an inline; superusers included."""

    def has_add_permission(self, request: HttpRequest, obj: Any = None) -> bool:
        return False

    def has_change_permission(self, request: HttpRequest, obj: Any = None) -> bool:
        return False

    def has_delete_permission(self, request: HttpRequest, obj: Any = None) -> bool:
        return False


class RecordAdmin(ReadOnly, admin.ModelAdmin):
    """Each names its `fields`: whatever is not named (ciphertext, digests) is not shown.

    `unread` are the columns that are not even loaded.
    """

    actions = None
    list_per_page = 50
    list_max_show_all = 50
    show_facets = admin.ShowFacets.NEVER
    show_full_result_count = False
    paginator = CappedPaginator
    sortable_by = ()  # by an index, or not at all
    unread: tuple[str, ...] = ()

    def get_queryset(self, request: HttpRequest) -> Any:
        return super().get_queryset(request).defer(*self.unread)
