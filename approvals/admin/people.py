"""ADMIN, configuration: people and teams, without a way up for whoever manages them.

Managing people is powerful: whoever may, can make an account and name it at a gate. All of it is
on the record, and it stays within the manager's own permissions:

- only a superuser makes superusers, gives single permissions, or sets those of a group;
- nobody changes a person, sets a password, or gives a group that holds more than they do
  themselves. The roles of `people.roles` are all within what Administrators hold, so those may
  give and take them.
"""

from typing import Any

from django.contrib import admin
from django.contrib.admin.utils import unquote
from django.contrib.auth.admin import GroupAdmin as DjangoGroupAdmin, UserAdmin as DjangoUserAdmin
from django.contrib.auth.forms import UserChangeForm
from django.contrib.auth.models import AnonymousUser, Group, Permission
from django.db import transaction
from django.db.models import Model, Q
from django.http import HttpRequest, HttpResponse

from approvals.admin.on_the_record import OnTheRecord, write
from approvals.decisions.retally import retally_where_they_review
from approvals.models import Gate, User
from approvals.people.absence import FIELDS, check_absence

MANAGE_PEOPLE = "approvals.change_user"
SUPERUSERS_ONLY = ("is_superuser", "user_permissions")
LISTED = 200


def permissions_of(user: User) -> set[int]:
    """What a person may do, or could again once active."""
    held = Permission.objects.filter(Q(user=user) | Q(group__user=user))
    return set(held.values_list("pk", flat=True))


def may_manage(manager: User | AnonymousUser, other: User) -> bool:
    """Whether `other` holds nothing that `manager` lacks."""
    assert isinstance(manager, User)
    if manager.is_superuser:
        return True
    return not other.is_superuser and permissions_of(other) <= permissions_of(manager)


class PersonForm(UserChangeForm):
    def clean(self) -> dict[str, Any]:
        said = super().clean() or self.cleaned_data
        if set(FIELDS) <= said.keys():
            check_absence(self.instance, *(said[name] for name in FIELDS))
        return said


@admin.register(User)
class UserAdmin(OnTheRecord, DjangoUserAdmin):
    form = PersonForm
    list_display = ("username", "display_name", "email", "is_active", "is_staff", "last_login")
    list_filter = ("is_active", "is_staff", "groups")
    filter_horizontal = ("groups", "user_permissions")
    readonly_fields = ("last_login", "date_joined")
    fieldsets = (
        (None, {"fields": ("username", "password")}),
        ("Person", {"fields": ("first_name", "last_name", "email", "time_zone")}),
        ("Mails", {"fields": ("language", "mails")}),
        (
            "Absence",
            {
                "fields": FIELDS,
                "description": "Meanwhile the delegate decides in their place, where a gate "
                "allows that. Mind who else is away then: nobody stands in for a stand-in.",
            },
        ),
        (
            "Roles and teams",
            {"fields": ("is_active", "is_staff", "groups", *SUPERUSERS_ONLY)},
        ),
        ("Dates", {"fields": readonly_fields}),
    )
    add_fieldsets = (
        (
            None,
            {
                "classes": ("wide",),
                "fields": ("username", "email", "usable_password", "password1", "password2"),
            },
        ),
    )

    def save_model(self, request: HttpRequest, obj: User, form: Any, change: bool) -> None:
        if "email" in form.changed_data:
            obj.mail_refused_at = None  # that was the old address
        super().save_model(request, obj, form, change)

    def save_related(self, request: HttpRequest, form: Any, formsets: Any, change: bool) -> None:
        person: User = form.instance
        before = _teams_of(person)
        super().save_related(request, form, formsets, change)
        after = _teams_of(person)
        if "is_active" in form.changed_data:
            retally_where_they_review(users=[person.pk], teams=before | after)
        else:
            retally_where_they_review(teams=before ^ after)

    def delete_model(self, request: HttpRequest, obj: User) -> None:
        retally_where_they_review(users=[obj.pk], teams=_teams_of(obj))
        super().delete_model(request, obj)

    def get_fieldsets(self, request: HttpRequest, obj: Any = None) -> Any:
        fieldsets = super().get_fieldsets(request, obj)
        if request.user.is_superuser:
            return fieldsets
        return [
            (
                title,
                {
                    **options,
                    "fields": [name for name in options["fields"] if name not in SUPERUSERS_ONLY],
                },
            )
            for title, options in fieldsets
        ]

    def has_change_permission(self, request: HttpRequest, obj: Any = None) -> bool:
        allowed = super().has_change_permission(request, obj)
        return allowed and (obj is None or may_manage(request.user, obj))

    def has_delete_permission(self, request: HttpRequest, obj: Any = None) -> bool:
        allowed = super().has_delete_permission(request, obj)
        return allowed and (obj is None or may_manage(request.user, obj))

    def formfield_for_manytomany(self, db_field: Any, request: HttpRequest, **kwargs: Any) -> Any:
        if db_field.name == "groups" and not request.user.is_superuser:
            kwargs["queryset"] = _groups_within(request.user)
        return super().formfield_for_manytomany(db_field, request, **kwargs)

    @transaction.atomic
    def user_change_password(
        self, request: HttpRequest, id: str, form_url: str = ""
    ) -> HttpResponse:
        """That a password was set is on the record; nothing of it is."""
        user: Any = self.get_object(request, unquote(id))
        before = user.password if user else ""
        response = super().user_change_password(request, id, form_url)
        user.refresh_from_db(fields=["password"])
        if user.password != before:
            usable = "set" if user.has_usable_password() else "switched off"
            write(request, user, "changed", {"password": [None, usable]})
        return response


def _teams_of(person: User) -> set[int]:
    return set(person.groups.values_list("pk", flat=True))


def _groups_within(manager: User | AnonymousUser) -> Any:
    """Groups that hold nothing that `manager` lacks."""
    assert isinstance(manager, User)
    beyond = Permission.objects.exclude(pk__in=permissions_of(manager))
    return Group.objects.exclude(permissions__in=beyond)


@admin.register(Group)
class GroupAdmin(OnTheRecord, DjangoGroupAdmin):
    """Teams and roles. Whoever may manage people may manage teams."""

    list_display = ("name",)
    filter_horizontal = ("permissions",)
    readonly_fields = ("members", "named_by")

    def has_module_permission(self, request: HttpRequest) -> bool:
        return request.user.has_perm(MANAGE_PEOPLE)

    def has_view_permission(self, request: HttpRequest, obj: Any = None) -> bool:
        return request.user.has_perm(MANAGE_PEOPLE)

    def has_add_permission(self, request: HttpRequest) -> bool:
        return request.user.has_perm(MANAGE_PEOPLE)

    def has_change_permission(self, request: HttpRequest, obj: Any = None) -> bool:
        return request.user.has_perm(MANAGE_PEOPLE)

    def get_fields(self, request: HttpRequest, obj: Any = None) -> tuple[str, ...]:
        powers = ("permissions",) if request.user.is_superuser else ()
        return ("name", *powers, *(self.readonly_fields if obj else ()))

    def in_use_by(self, obj: Model) -> list[str]:
        named = Q(groups=obj) | Q(stages__groups=obj) | Q(escalate_to=obj)
        gates = Gate.objects.filter(named).values_list("name", flat=True).distinct()[:5]
        return [f"gate “{gate}”" for gate in gates] + super().in_use_by(obj)

    @admin.display(description="members")
    def members(self, obj: Group) -> str:
        """Changed on the page of each person."""
        names = [str(user) for user in obj.user_set.order_by("username")[: LISTED + 1]]
        return ", ".join(names[:LISTED]) + (", …" if len(names) > LISTED else "") or "nobody"

    @admin.display(description="reviews at")
    def named_by(self, obj: Group) -> str:
        gates = obj.gates.all()  # type: ignore[attr-defined]
        return ", ".join(str(gate) for gate in gates) or "no gate"
