"""Whoever manages people can't rise above themselves by it."""

import pytest
from django.contrib.auth.models import Group, Permission
from django.urls import reverse

from approvals.decisions.decide import decide
from approvals.models import AuditEvent, Decision, Gate, Stage, Timer, User
from approvals.states import TaskStatus, Verdict
from approvals.timers import fire
from tests.admin.conftest import form
from tests.admin.test_configuration import change, configured
from tests.conftest import OTHER_TEAM, TEAM, person
from tests.factories import GateFactory, UserFactory, task_for

STRONG = "a much longer horse battery"


def url(page, *args):
    return reverse(f"admin:approvals_user_{page}", args=args)


def password_url(user):
    return reverse("admin:auth_user_password_change", args=[user.pk])


@pytest.fixture
def mighty(db):
    """A group that may delete gates, which Administrators may not."""
    group = Group.objects.create(name="Mighty")
    group.permissions.add(Permission.objects.get(codename="delete_gate"))
    return group


def test_an_account_is_made_and_recorded_without_its_password(administrator):
    administrator.post(
        url("add"),
        {
            "username": "newbie",
            "email": "newbie@example.com",
            "usable_password": "true",
            "password1": STRONG,
            "password2": STRONG,
        },
    )
    assert User.objects.get(username="newbie").check_password(STRONG)
    line = configured()
    assert line.data["change"] == "added"
    assert line.data["changes"]["username"] == [None, "newbie"]
    assert "password" not in str(line.data)


@pytest.mark.parametrize("name", ["Operators", "Auditors", "Administrators"])
def test_an_administrator_gives_roles_on_the_record(administrator, alice, name):
    groups = [*alice.groups.all(), Group.objects.get(name=name)]
    change(administrator, alice, groups=[group.pk for group in groups])
    assert alice.groups.filter(name=name).exists()
    assert configured().data["changes"] == {"groups": [["Payments"], sorted(["Payments", name])]}


def test_an_administrator_does_not_become_a_superuser(administrator, ada):
    every = list(Permission.objects.values_list("pk", flat=True))
    html = change(administrator, ada, is_superuser="on", user_permissions=every).content.decode()
    ada.refresh_from_db()
    assert not ada.is_superuser
    assert not ada.user_permissions.exists()
    assert 'name="is_superuser"' not in html


def test_nor_joins_a_group_that_may_do_more(administrator, ada, mighty):
    change(administrator, ada, groups=[*ada.groups.values_list("pk", flat=True), mighty.pk])
    assert not ada.groups.filter(pk=mighty.pk).exists()


@pytest.mark.parametrize("active", [True, False])
def test_nor_takes_over_somebody_who_may_do_more(administrator, root, mighty, active):
    above = UserFactory(groups=[mighty], is_active=active)
    root.is_active = active
    root.save()
    for user in (root, above):
        before = user.password
        assert administrator.post(url("change", user.pk), {"username": "x"}).status_code == 403
        data = {"password1": STRONG, "password2": STRONG, "usable_password": "true"}
        assert administrator.post(password_url(user), data).status_code == 403
        user.refresh_from_db()
        assert user.password == before


def test_nor_gives_a_group_more(administrator, alice):
    team = alice.groups.get()
    change(administrator, team, permissions=[Permission.objects.get(codename="delete_gate").pk])
    assert not team.permissions.exists()


def test_nor_does_an_operator_with_access_to_the_admin(signed_in, olive, alice):
    olive.is_staff = True
    olive.save()
    client = signed_in(olive)
    assert client.get(url("changelist")).status_code == 403
    assert client.get(reverse("admin:auth_group_changelist")).status_code == 403
    assert client.post(url("change", alice.pk), {}).status_code == 403


def test_a_superuser_does_all_of_it(superuser, alice, mighty):
    change(superuser, alice, is_superuser="on", groups=[mighty.pk])
    alice.refresh_from_db()
    assert alice.is_superuser
    assert configured().data["changes"]["superuser status"] == [False, True]


def test_setting_a_password_is_recorded_without_it(administrator, alice, ada):
    data = {"password1": STRONG, "password2": STRONG, "usable_password": "true"}
    assert administrator.post(password_url(alice), data).status_code == 302
    alice.refresh_from_db()
    assert alice.check_password(STRONG)
    line = configured()
    assert (line.actor, line.data["object"]) == (ada, "Alice")
    assert line.data["changes"] == {"password": [None, "set"]}


def test_a_password_that_is_refused_is_not_recorded(administrator, alice):
    administrator.post(
        password_url(alice), {"password1": "a", "password2": "b", "usable_password": "true"}
    )
    assert not AuditEvent.objects.filter(action="configured").exists()


@pytest.mark.parametrize("who", ["999999", "nobody"])
def test_a_person_who_does_not_exist_is_not_found(administrator, who):
    for page in ("password", "delete"):
        response = administrator.get(f"/admin/approvals/user/{who}/{page}/")
        assert response.status_code in (302, 403, 404)


def test_teams_are_made_by_whoever_manages_people(administrator):
    add = reverse("admin:auth_group_add")
    administrator.post(add, form(administrator.get(add), name="Night shift"))
    assert Group.objects.filter(name="Night shift").exists()
    assert configured().data["object"] == "Night shift"


def test_a_team_that_a_gate_names_is_not_deleted(superuser, gate, alice):
    team = alice.groups.get()
    address = reverse("admin:auth_group_delete", args=[team.pk])
    html = superuser.post(address, {"post": "yes"}, follow=True).content.decode()
    assert "refers to it: gate “Refunds”" in html
    assert Group.objects.filter(pk=team.pk).exists()


# --- what was counted by who is in a team --------------------------------------------------------


@pytest.fixture
def board(alice, bob, dora, charlie):
    """More than half of the team of Alice, Bob and Dora."""
    return GateFactory(groups=[TEAM], needs="majority")


def teams_of(user, *names):
    return [Group.objects.get(name=name).pk for name in names]


def waits_for(task):
    fire.due()
    task.refresh_from_db()
    return task.status, task.approvals, task.required


def approve(task, user):
    decide(task.pk, person(user), Verdict.APPROVE, via=Decision.Via.INBOX)


def test_a_majority_is_counted_again_when_somebody_joins_a_team_or_leaves_it(
    administrator, board, charlie, alice
):
    task, other = task_for(board), task_for(GateFactory(groups=[TEAM]))
    assert waits_for(task) == (TaskStatus.PENDING, 0, 2)
    change(administrator, charlie, groups=teams_of(charlie, TEAM, OTHER_TEAM))
    assert not other.timers.exists()  # one approval is one, whoever may give it
    assert waits_for(task) == (TaskStatus.PENDING, 0, 3)
    change(administrator, charlie, groups=teams_of(charlie, OTHER_TEAM))
    assert waits_for(task) == (TaskStatus.PENDING, 0, 2)
    change(administrator, charlie, first_name="Carl")
    assert not Timer.objects.exists()


def test_what_has_a_majority_once_an_account_is_closed_goes_on(
    administrator, board, alice, bob, dora
):
    extra = UserFactory(groups=[TEAM])
    task = task_for(board)
    approve(task, alice)
    approve(task, bob)
    assert waits_for(task) == (TaskStatus.PENDING, 2, 3)

    change(administrator, extra, is_active="")

    assert waits_for(task) == (TaskStatus.APPROVED, 2, 2)
    settled = AuditEvent.objects.get(task=task, action="settled")
    assert settled.data["reason"].startswith("Its gate was changed, or who reviews there")


def test_so_does_what_waits_at_a_later_stage_when_a_person_named_there_is_deleted(
    administrator, superuser, board, alice, bob, dora
):
    board.needs = "count"
    board.save()
    stage = Stage.objects.create(gate=board, position=1, name="Board", needs="majority")
    people = [UserFactory() for _ in range(4)]
    stage.users.set(people)
    task = task_for(board)
    approve(task, alice)
    for one in people[:2]:
        approve(task, one)
    assert waits_for(task) == (TaskStatus.PENDING, 2, 3)

    superuser.post(url("delete", people[3].pk), {"post": "yes"})

    assert waits_for(task) == (TaskStatus.APPROVED, 2, 2)


def test_without_a_veto_it_is_rejected_once_those_who_are_left_are_too_few(
    administrator, alice, bob, dora
):
    gate = GateFactory(groups=[TEAM], quorum=2, veto=False)
    task = task_for(gate)
    decide(task.pk, person(alice), Verdict.REJECT, comment="No", via=Decision.Via.INBOX)
    assert waits_for(task)[0] == TaskStatus.PENDING
    change(administrator, bob, groups=[])
    assert waits_for(task)[0] == TaskStatus.REJECTED


def test_a_team_that_a_gate_names_anywhere_is_not_deleted(superuser, gate):
    stage, later = Group.objects.create(name="Later"), Group.objects.create(name="Escalation")
    Stage.objects.create(gate=gate, position=1, name="Board").groups.add(stage)
    gate.escalate_to.add(later)
    for group in (stage, later):
        superuser.post(reverse("admin:auth_group_delete", args=[group.pk]), {"post": "yes"})
        assert Group.objects.filter(pk=group.pk).exists()
    assert Gate.objects.filter(escalate_to=later).exists()
