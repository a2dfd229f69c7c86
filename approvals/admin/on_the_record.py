"""ADMIN for configuration: every change writes an audit event in the transaction of the change."""

import datetime as dt
from typing import Any

from django.contrib import admin, messages
from django.contrib.admin.utils import unquote
from django.contrib.admin.widgets import AdminURLFieldWidget
from django.db import models
from django.http import HttpRequest, HttpResponse, HttpResponseRedirect
from django.urls import reverse

from approvals.audit.record import Action, event, record
from approvals.models import User

# Never on the record, not even its hash: only that it was changed (admin/people.py).
SECRET = {"password"}
# Kept by the running system, not by an administrator.
NOT_CONFIGURATION = {"id", "last_login"}


class OnTheRecord(admin.ModelAdmin):
    """Django calls `save_model`, `save_related` and `delete_model` inside one transaction."""

    actions = None  # one at a time: a bulk delete would not be on the record
    formfield_overrides = {
        models.URLField: {"widget": AdminURLFieldWidget, "assume_scheme": "https"}
    }

    def save_model(self, request: HttpRequest, obj: Any, form: Any, change: bool) -> None:
        form.stored_before = self.snapshot_of(_locked(obj)) if change else {}
        super().save_model(request, obj, form, change)

    def save_related(self, request: HttpRequest, form: Any, formsets: Any, change: bool) -> None:
        super().save_related(request, form, formsets, change)
        before, after = form.stored_before, self.snapshot_of(form.instance)
        changes = {
            label: [before.get(label), new]
            for label, new in after.items()
            if before.get(label) != new and (change or new not in (None, "", [], {}))
        } | self.changes_of_secrets(form)
        if changes or not change:
            write(request, form.instance, "changed" if change else "added", changes)

    def snapshot_of(self, obj: Any) -> dict[str, Any]:
        """What is configured of `obj`, with the rows that only make sense with it."""
        return snapshot(obj)

    def changes_of_secrets(self, form: Any) -> dict[str, list[Any]]:
        """That a secret was changed, and nothing of it."""
        return {}

    def delete_model(self, request: HttpRequest, obj: Any) -> None:
        _locked(obj)  # before the table is: who applies a file takes rows first, too
        gone = {label: [value, None] for label, value in self.snapshot_of(obj).items() if value}
        write(request, obj, "deleted", gone)
        super().delete_model(request, obj)

    def delete_view(
        self, request: HttpRequest, object_id: str, extra_context: Any = None
    ) -> HttpResponse:
        """Says why something in use stays, without listing the million tasks that refer to it."""
        obj = self.get_object(request, unquote(object_id))
        if obj and self.has_delete_permission(request, obj) and (users := self.in_use_by(obj)):
            self.message_user(
                request,
                f"“{obj}” can't be deleted while something refers to it: {', '.join(users)}.",
                messages.ERROR,
            )
            name = f"admin:{self.opts.app_label}_{self.opts.model_name}_change"
            return HttpResponseRedirect(reverse(name, args=[obj.pk]))
        return super().delete_view(request, object_id, extra_context)

    def in_use_by(self, obj: models.Model) -> list[str]:
        """What refers to `obj` and must not lose it, in words."""
        relations = [
            field
            for field in obj._meta.get_fields(include_hidden=True)
            if isinstance(field, models.ManyToOneRel) and field.on_delete is models.PROTECT
        ]
        found = {
            str(relation.related_model._meta.verbose_name_plural)
            for relation in relations
            if relation.related_model._base_manager.filter(**{relation.field.name: obj}).exists()
        }
        return sorted(found)


def write(
    request: HttpRequest, obj: models.Model, change: str, changes: dict[str, list[Any]]
) -> None:
    """Put one change of configuration on the record; inside the transaction of the change."""
    assert isinstance(request.user, User)
    record(
        event(
            Action.CONFIGURED,
            actor=request.user,
            model=str(obj._meta.verbose_name),
            object=str(obj),
            id=str(obj.pk),
            change=change,
            changes=changes,
        )
    )


def snapshot(obj: models.Model) -> dict[str, Any]:
    """What is configured, by the words of the form; many-to-many as sorted lists of names."""
    values = {
        str(field.verbose_name): _plain(field, obj)
        for field in obj._meta.concrete_fields
        if field.editable and field.name not in SECRET | NOT_CONFIGURATION
    }
    for many in obj._meta.many_to_many:
        values[str(many.verbose_name)] = sorted(map(str, getattr(obj, many.name).all()))
    return values


def _plain(field: models.Field, obj: models.Model) -> Any:
    """The value as JSON for people to read."""
    value = getattr(obj, field.name)
    if isinstance(value, models.Model | dt.datetime):
        return str(value)
    return dict(field.flatchoices).get(value, value) if field.choices else value


def _locked(obj: models.Model) -> models.Model:
    """The stored row, held until the transaction ends: what is recorded as old was the old. Tasks
    and decisions may refer to it meanwhile."""
    locked = type(obj)._base_manager.select_for_update(of=("self",), no_key=True)
    return locked.get(pk=obj.pk)
