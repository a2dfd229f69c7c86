"""The tally, with every order of verdicts."""

from hypothesis import given, strategies as st

from approvals.people.quorum import Rule, Seats, Voice, tally
from approvals.states import TaskStatus, Verdict

verdicts = st.lists(st.sampled_from(list(Verdict)), max_size=8)
quorums = st.integers(min_value=1, max_value=6)


def outcome(said: list[Verdict], quorum: int) -> TaskStatus:
    return tally(Rule(quorum=quorum), [Voice(one) for one in said], lambda: Seats(99)).outcome


@given(verdicts, quorums)
def test_a_rejection_is_a_veto_whenever_it_comes(said, quorum):
    assert (outcome(said, quorum) == TaskStatus.REJECTED) == (Verdict.REJECT in said)


@given(quorums)
def test_approvals_pass_at_the_quorum_and_not_before(quorum):
    assert outcome([Verdict.APPROVE] * (quorum - 1), quorum) == TaskStatus.PENDING
    assert outcome([Verdict.APPROVE] * quorum, quorum) == TaskStatus.APPROVED


@given(verdicts, quorums, st.randoms())
def test_the_order_does_not_matter(said, quorum, random):
    shuffled = list(said)
    random.shuffle(shuffled)
    assert outcome(shuffled, quorum) == outcome(said, quorum)
