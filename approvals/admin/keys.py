"""ADMIN, configuration: the keys of a source or a gate, listed below its form.

Made by a button, shown once on the answer to it, and revoked on a page that asks first. The rooms
that own the keys (`intake.keys`, `outside_jobs.keys`) store them and put them on the record.
"""

from dataclasses import dataclass, field
from typing import Any, ClassVar

from django.contrib import messages
from django.core.exceptions import PermissionDenied
from django.db.models import Model, QuerySet
from django.http import HttpRequest, HttpResponse, HttpResponseNotAllowed, HttpResponseRedirect
from django.shortcuts import get_object_or_404
from django.template.response import TemplateResponse
from django.urls import path, reverse

from approvals.admin.examples import ASK
from approvals.admin.on_the_record import OnTheRecord
from approvals.errors import CountersignError
from approvals.models import User

UNUSED = "As it is configured, it asks for no keys. These would be good again if that changed."


@dataclass(frozen=True, slots=True)
class NewKey:
    """What its page shows: facts by name, the secret, and a command that uses it."""

    facts: dict[str, str]
    secret: str = field(repr=False)
    example: str
    effect: str = ""  # of the command, where it does more than to try


class WithKeys(OnTheRecord):
    """Each says whose keys these are, in `takes_keys`, `keys_of`, `make_key` and `revoke_key`."""

    keys_title: ClassVar[str] = "Keys"
    keys_lead: ClassVar[str]
    keys_have_names: ClassVar[bool] = False
    most_keys: ClassVar[int] = 20

    def takes_keys(self, obj: Any) -> bool:
        """Whether `obj`, as it is configured, asks for keys. Others' old ones can be revoked."""
        raise NotImplementedError

    def keys_of(self, obj: Any) -> QuerySet[Any]:
        """The live keys, without what is secret of them."""
        raise NotImplementedError

    def make_key(self, request: HttpRequest, obj: Any, actor: User) -> NewKey:
        """Raises `CountersignError` with the reason why there is none."""
        raise NotImplementedError

    def revoke_key(self, key: Any, actor: User) -> None:
        raise NotImplementedError

    def get_urls(self) -> list[Any]:
        name = f"{self.opts.app_label}_{self.opts.model_name}"
        view = self.admin_site.admin_view
        return [
            path("<int:id>/keys/new/", view(self.key_new_view), name=f"{name}_key_new"),
            path(
                "<int:id>/keys/<int:pk>/revoke/",
                view(self.key_revoke_view),
                name=f"{name}_key_revoke",
            ),
            *super().get_urls(),
        ]

    def render_change_form(
        self, request: HttpRequest, context: dict[str, Any], *args: Any, **kwargs: Any
    ) -> HttpResponse:
        obj = context.get("original")
        if obj and self.has_change_permission(request, obj):
            keys, is_open = list(self.keys_of(obj)), self.takes_keys(obj)
            if keys or is_open:
                name = f"admin:{self.opts.app_label}_{self.opts.model_name}"
                context |= {
                    "keys": [
                        (key, reverse(f"{name}_key_revoke", args=[obj.pk, key.pk])) for key in keys
                    ],
                    "keys_title": self.keys_title,
                    "keys_lead": self.keys_lead if is_open else UNUSED,
                    "keys_have_names": self.keys_have_names,
                    "key_new_url": reverse(f"{name}_key_new", args=[obj.pk]) if is_open else "",
                    "is_full": len(keys) >= self.most_keys,
                }
        return super().render_change_form(request, context, *args, **kwargs)

    def key_new_view(self, request: HttpRequest, id: int) -> HttpResponse:
        """The one answer that holds the secret; nothing can show it again."""
        obj = self._changeable(request, id)
        if request.method != "POST":
            return HttpResponseNotAllowed(["POST"])
        assert isinstance(request.user, User)
        try:
            if not self.takes_keys(obj):
                raise CountersignError("As it is configured, it takes no keys.")
            key = self.make_key(request, obj, request.user)
        except CountersignError as error:
            self.message_user(request, str(error), messages.ERROR)
            return self._back(obj)
        title = f"New key of “{obj}”"
        return self._page(request, "admin/key_new.html", title, obj, key=key, ask=ASK)

    def key_revoke_view(self, request: HttpRequest, id: int, pk: int) -> HttpResponse:
        obj = self._changeable(request, id)
        key = self.keys_of(obj).filter(pk=pk).first()
        if key is None:
            self.message_user(request, "There is no such key any more.", messages.WARNING)
            return self._back(obj)
        if request.method == "POST":
            assert isinstance(request.user, User)
            self.revoke_key(key, request.user)
            self.message_user(
                request, f"Key “{key}” is revoked: whoever shows it is refused.", messages.SUCCESS
            )
            return self._back(obj)
        return self._page(
            request, "admin/key_revoke.html", f"Revoke key “{key}” of “{obj}”?", obj, key=key
        )

    def _changeable(self, request: HttpRequest, id: int) -> Model:
        obj: Model = get_object_or_404(self.get_queryset(request), pk=id)
        if not self.has_change_permission(request, obj):
            raise PermissionDenied
        return obj

    def _back(self, obj: Model) -> HttpResponseRedirect:
        name = f"admin:{self.opts.app_label}_{self.opts.model_name}_change"
        return HttpResponseRedirect(reverse(name, args=[obj.pk]) + "#keys")

    def _page(
        self, request: HttpRequest, template: str, title: str, obj: Model, **more: Any
    ) -> HttpResponse:
        context = self.admin_site.each_context(request)
        context |= {"title": title, "opts": self.opts, "original": obj, **more}
        return TemplateResponse(request, template, context)
