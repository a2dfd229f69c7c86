"""POLICY, in a document: what the gates are now, and the one transaction that makes them so.

Gates and calendars that the document does not name are left alone. Everything that changes is on
the record.
"""

from collections.abc import Iterable
from dataclasses import dataclass
from difflib import get_close_matches
from typing import Any

from django.contrib.auth.models import Group
from django.core.exceptions import ValidationError
from django.db import connection, models, transaction

from approvals.audit.record import Action, event, record
from approvals.decisions.retally import retally_later
from approvals.errors import BadDocument
from approvals.gates.check import check_gate, check_stage, check_stages, check_unused
from approvals.gates.document import STAGES, Document, changed, written
from approvals.gates.keys import Values, keys_of
from approvals.models import Calendar, Gate, Stage, User
from approvals.timers.business import check_calendar

# What decides whether the approvals that are there suffice.
COUNTED = frozenset({"groups", "users", "needs", "quorum", "veto", "exclude_requester", STAGES})
# Higher than any position, for as long as stages change places.
ASIDE = 10_000


@dataclass(frozen=True)
class Change:
    """One gate, calendar or team; `keys`: by the document's keys, what was and what is now."""

    noun: str  # gate, calendar, group
    name: str
    is_new: bool
    keys: dict[str, list[Any]]


def export(slugs: Iterable[str] = ()) -> Document:
    """All gates or those of `slugs`, with the calendars that they use (all, where all are)."""
    wanted = list(slugs)
    gates = Gate.objects.order_by("slug")
    if wanted:
        gates = gates.filter(slug__in=wanted)
        if missing := sorted(set(wanted) - set(gates.values_list("slug", flat=True))):
            raise BadDocument([f"There is no gate “{slug}”." for slug in missing])
    calendars = Calendar.objects.filter(gate__in=gates).distinct() if wanted else Calendar.objects
    return Document(
        calendars={one.name: values_of(one) for one in calendars.order_by("name")},
        gates={gate.slug: values_of(gate) for gate in gates},
    )


def values_of(obj: models.Model) -> Values:
    """A stored gate with its stages, a stage, or a calendar."""
    values: Values = {}
    for name, key in keys_of(type(obj)).items():
        value = getattr(obj, name)
        if key.is_many:
            value = sorted(getattr(one, _name_of(type(one))) for one in value.all())
        elif isinstance(value, Calendar):
            value = value.name
        values[name] = value
    if isinstance(obj, Gate):
        values[STAGES] = [values_of(stage) for stage in obj.stages.order_by("position")]
    return values


@transaction.atomic
def apply(document: Document, *, by: str, file: str, creates_teams: bool = False) -> list[Change]:
    """Make it so; what had to change. Raises `BadDocument`, and then nothing has.

    `by` and `file` say on the record what did it, since nobody is signed in.
    """
    _alone()
    problems: list[str] = []
    changes = _teams(document, creates_teams, problems)
    for name, values in document.calendars.items():
        changes += _calendar(name, values, problems)
    recounted: list[Gate] = []
    for slug in sorted(document.gates):
        changes += _gate(slug, document.gates[slug], recounted, problems)
    if problems:
        raise BadDocument(problems)
    retally_later(*recounted)
    record(
        *(
            event(
                Action.CONFIGURED,
                model=change.noun,
                object=change.name,
                change="added" if change.is_new else "changed",
                changes=change.keys,
                by=by,
                file=file,
            )
            for change in changes
        )
    )
    return changes


def _alone() -> None:
    """Nobody else writes gates until the end of the transaction; messages come in meanwhile.

    The rows first: an administrator who saves one has it in hand before they write.
    """
    for model in (Gate, Calendar):
        list(model.objects.select_for_update(no_key=True).order_by("pk").values_list("pk"))
    with connection.cursor() as cursor:
        cursor.execute("LOCK TABLE approvals_gate, approvals_calendar IN SHARE ROW EXCLUSIVE MODE")


def _teams(document: Document, creates: bool, problems: list[str]) -> list[Change]:
    """Every team and person that is named is there, or said to be missing."""
    rules = [rule for gate in document.gates.values() for rule in (gate, *gate[STAGES])]
    teams = {name for rule in rules for name in (*rule["groups"], *rule.get("escalate_to", ()))}
    missing = _missing(Group, teams)
    if creates:
        Group.objects.bulk_create(Group(name=name) for name in missing)
    else:
        problems += [
            f"There is no team “{name}”.{_close(Group, name)} Make it first, or add --create-teams."
            for name in missing
        ]
    people = _missing(User, {name for rule in rules for name in rule["users"]})
    problems += [f"There is no person “{name}”.{_close(User, name)}" for name in people]
    return [Change("group", name, True, {}) for name in missing] if creates else []


def _calendar(name: str, values: Values, problems: list[str]) -> list[Change]:
    found = Calendar.objects.filter(name=name).first()
    before = values_of(found) if found else None
    if before and not changed(before, values, Calendar):
        return []
    calendar = found or Calendar(name=name)
    for field, value in values.items():
        setattr(calendar, field, value)
    where = f"calendars.{name}"
    if _is_right(calendar, where, problems):
        try:
            check_calendar(calendar)
            calendar.save()
        except ValidationError as error:
            problems += _lines(error, where)
    return [_change("calendar", name, Calendar, before, values)]


def _gate(slug: str, values: Values, recounted: list[Gate], problems: list[str]) -> list[Change]:
    """`recounted` gets it where what was approved so far may suffice by now."""
    found = Gate.objects.filter(slug=slug).first()
    before = values_of(found) if found else None
    if before and not changed(before, values, Gate):
        return []
    where = f"gates.{slug}"
    gate = found or Gate(slug=slug)
    _fill(gate, values, where, problems)
    try:
        check_gate(gate, values["groups"], values["escalate_to"])
        check_stages(
            [Stage(name=one["name"], position=at) for at, one in enumerate(values[STAGES])]
        )
    except ValidationError as error:
        problems += _lines(error, where)
    if _is_right(gate, where, problems):
        gate.save()
        _name(gate, values)
        _stages(gate, values[STAGES], where, problems)
        if before and any(before[name] != values[name] for name in COUNTED):
            recounted.append(gate)
    return [_change("gate", slug, Gate, before, values)]


def _stages(gate: Gate, wanted: list[Values], where: str, problems: list[str]) -> None:
    """Stages are known by their names, and keep their positions as long as the order allows."""
    there = {stage.name: stage for stage in gate.stages.all()}
    names = [values["name"] for values in wanted]
    moved: dict[str, int] = {}
    position = 0
    for name in names:
        stage = there.get(name)
        position = stage.position if stage and stage.position > position else position + 1
        moved[name] = position
    for name, stage in there.items():
        if moved.get(name) != stage.position:
            try:
                check_unused(stage)
            except ValidationError as error:
                problems += _lines(error, where)
    if problems:
        return
    gate.stages.exclude(name__in=names).delete()
    gate.stages.update(position=models.F("position") + ASIDE)
    for number, values in enumerate(wanted, 1):
        stage = there.get(values["name"]) or Stage(gate=gate)
        stage.position = moved[values["name"]]
        at = f"{where}.{STAGES}[{number}]"
        _fill(stage, values, at, problems)
        try:
            check_stage(gate, stage, values["groups"])
        except ValidationError as error:
            problems += _lines(error, at)
        if _is_right(stage, at, problems):
            stage.save()
            _name(stage, values)


def _fill(obj: Gate | Stage, values: Values, where: str, problems: list[str]) -> None:
    for name, key in keys_of(type(obj)).items():
        value = values[name]
        if name == "calendar" and value is not None:
            value = Calendar.objects.filter(name=value).first()
            if value is None:
                problems.append(f"{where}.{key.name}: There is no calendar “{values[name]}”.")
        if not key.is_many:
            setattr(obj, name, value)


def _name(obj: Gate | Stage, values: Values) -> None:
    for name, key in keys_of(type(obj)).items():
        if key.is_many:
            of = key.field.related_model
            assert isinstance(of, type)
            getattr(obj, name).set(
                of._default_manager.filter(**{f"{_name_of(of)}__in": values[name]})
            )


def _is_right(obj: models.Model, where: str, problems: list[str]) -> bool:
    try:
        obj.full_clean()
    except ValidationError as error:
        problems += _lines(error, where)
    return not problems


def _lines(error: ValidationError, where: str) -> list[str]:
    """Each of its messages behind the key that it is about."""
    if not hasattr(error, "error_dict"):
        return [f"{where}: {message}" for message in error.messages]
    names = {name: key.name for model in (Gate, Calendar) for name, key in keys_of(model).items()}
    return [
        f"{where}{'.' + names[field] if field in names else ''}: {message}"
        for field, messages in error.message_dict.items()
        for message in messages
    ]


def _change(
    noun: str, name: str, model: type[models.Model], before: Values | None, after: Values
) -> Change:
    was, now = written(before, model) if before else {}, written(after, model)
    keys = changed(before, after, model) if before else list(now)
    return Change(noun, name, before is None, {key: [was.get(key), now.get(key)] for key in keys})


def _name_of(model: type[models.Model]) -> str:
    return "username" if model is User else "name"


def _missing(model: type[models.Model], names: set[str]) -> list[str]:
    field = _name_of(model)
    there = model._default_manager.filter(**{f"{field}__in": names}).values_list(field, flat=True)
    return sorted(names - set(there))


def _close(model: type[models.Model], name: str) -> str:
    names = model._default_manager.values_list(_name_of(model), flat=True)
    close = get_close_matches(name, names, n=1)
    return f" Did you mean “{close[0]}”?" if close else ""
