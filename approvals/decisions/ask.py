"""DECISION, with advice: a reviewer asks a colleague, who may then see the task and answers once.

Nobody decides anything by that.
"""

from uuid import UUID

from django.db import transaction
from django.db.models import QuerySet
from django.db.models.functions import Now

from approvals.audit.record import Action, event, record
from approvals.decisions.decide import lock
from approvals.decisions.hand_over import reviewers
from approvals.decisions.rules import settled_words
from approvals.errors import AlreadySettled, CannotDecide
from approvals.models import ApprovalTask, Gate, Question, User
from approvals.notices.occasions import Kind, happened
from approvals.people.eligibility import Person

LONGEST = 2_000  # characters of a question, and of an answer
_TOLD = 600  # of it, in a mail and on the record


def can_ask(task: ApprovalTask, person: Person) -> bool:
    return task.is_pending and person.takes_part(task)


def colleagues(task: ApprovalTask, asker: User) -> QuerySet[User]:
    """Whom one may ask; by name. Only reviewers where nothing may leave the gate."""
    inside = task.gate.hand_over == Gate.HandOver.NOBODY
    found = reviewers(task.gate) if inside else User.objects.filter(is_active=True)
    return found.exclude(pk=asker.pk).order_by("first_name", "last_name", "username")


@transaction.atomic
def ask(task_id: UUID, person: Person, whom: User, text: str) -> Question:
    """Put a question; `whom` hears of it. Raises `CannotDecide` with the reason."""
    task = lock(task_id)
    text = text.strip()
    if not task.is_pending:
        raise AlreadySettled(settled_words(task))
    if not can_ask(task, person):
        raise CannotDecide("You can look at this task, but you do not review it.")
    if not colleagues(task, person.user).filter(pk=whom.pk).exists():
        raise CannotDecide(f"{whom} can't be asked about this.")
    question = Question.objects.create(task=task, asked_by=person.user, asked=whom, text=text)
    record(event(Action.ASKED, task=task, actor=person.user, to=str(whom), comment=text[:_TOLD]))
    told = {"by": str(person.user), "question": text[:_TOLD]}
    happened(Kind.ASKED, [task], actor=person.user, person=whom, **told)
    return question


@transaction.atomic
def answer(question_id: int, user: User, text: str) -> Question:
    """Answer what `user` was asked; whoever asked hears of it.

    Raises `CannotDecide` where it is answered or too late, and `Question.DoesNotExist` where it
    is not theirs.
    """
    task = lock(Question.objects.get(pk=question_id, asked=user).task_id)
    question = Question.objects.select_for_update(of=("self",)).get(pk=question_id)
    text = text.strip()
    if not task.is_pending:
        raise AlreadySettled(f"Too late to answer: {settled_words(task)}")
    if question.answered_at:
        raise CannotDecide("You have answered this already.")
    question.answer, question.answered_at = text, Now()
    question.save(update_fields=["answer", "answered_at"])
    asker = User.objects.get(pk=question.asked_by_id)
    record(event(Action.ANSWERED, task=task, actor=user, to=str(asker), comment=text[:_TOLD]))
    told = {"by": str(user), "question": question.text[:_TOLD], "answer": text[:_TOLD]}
    happened(Kind.ANSWERED, [task], actor=user, person=asker, **told)
    return question
