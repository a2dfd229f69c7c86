"""The tally, with every order of verdicts."""

from hypothesis import given, strategies as st

from approvals.people.quorum import tally
from approvals.states import TaskStatus, Verdict

verdicts = st.lists(st.sampled_from(list(Verdict)), max_size=8)
quorums = st.integers(min_value=1, max_value=6)


@given(verdicts, quorums)
def test_a_rejection_is_a_veto_whenever_it_comes(said, quorum):
    assert (tally(said, quorum) == TaskStatus.REJECTED) == (Verdict.REJECT in said)


@given(quorums)
def test_approvals_pass_at_the_quorum_and_not_before(quorum):
    assert tally([Verdict.APPROVE] * (quorum - 1), quorum) == TaskStatus.PENDING
    assert tally([Verdict.APPROVE] * quorum, quorum) == TaskStatus.APPROVED


@given(verdicts, quorums, st.randoms())
def test_the_order_does_not_matter(said, quorum, random):
    shuffled = list(said)
    random.shuffle(shuffled)
    assert tally(shuffled, quorum) == tally(said, quorum)
