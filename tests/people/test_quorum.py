"""The tally, with every order of verdicts and against every way in which it could go on."""

from itertools import product

from hypothesis import given, settings, strategies as st

from approvals.people.quorum import Needs, Rule, Seats, Voice, tally
from approvals.states import TaskStatus, Verdict

APPROVED, REJECTED, PENDING = TaskStatus.APPROVED, TaskStatus.REJECTED, TaskStatus.PENDING
YES, NO = Verdict.APPROVE, Verdict.REJECT
TEAMS = (1, 2)

# Each reviewer of a small stage: the teams for which their place counts.
places = st.lists(st.frozensets(st.sampled_from(TEAMS), min_size=1), min_size=1, max_size=4)
rules = st.builds(
    Rule,
    needs=st.sampled_from(Needs),
    quorum=st.integers(1, 3),
    veto=st.booleans(),
    groups=st.just(frozenset(TEAMS)),
)
said = st.sampled_from([None, (YES, "a"), (YES, "b"), (NO, "")])


@st.composite
def stages(draw):
    """A rule, its reviewers, and what each of them has said so far (None: nothing yet)."""
    found = draw(places)
    return draw(rules), found, [draw(said) for _ in found]


def seats(found):
    return Seats(len(found), {team: sum(team in one for one in found) for team in TEAMS})


def voices(found, words):
    return [Voice(*word, groups) for groups, word in zip(found, words, strict=True) if word]


def outcome(rule, found, words):
    return tally(rule, voices(found, words), lambda: seats(found)).outcome


def completions(words):
    """Every way in which those who have said nothing yet could decide."""
    for rest in product([(YES, "a"), (YES, "b"), (YES, "c"), (NO, "")], repeat=words.count(None)):
        left = iter(rest)
        yield [word or next(left) for word in words]


def passes(rule, found, words):
    """What the rule says in plain words, by counting: enough approvals of one choice."""
    for choice in {word[1] for word in words if word and word[0] == YES}:
        mine = [of for of, word in zip(found, words, strict=True) if word == (YES, choice)]
        enough = {
            Needs.COUNT: len(mine) >= rule.quorum,
            Needs.MAJORITY: len(mine) * 2 > len(found),
            Needs.EACH_GROUP: all(
                sum(team in of for of in mine) >= rule.quorum for team in rule.groups
            ),
        }
        if enough[rule.needs]:
            return True
    return False


@given(stages())
def test_it_is_approved_exactly_when_one_choice_has_enough(stage):
    rule, found, words = stage
    vetoed = rule.veto and (NO, "") in words
    assert (outcome(*stage) == APPROVED) == (passes(rule, found, words) and not vetoed)


@given(stages())
def test_with_a_veto_one_rejection_rejects_whenever_it_comes(stage):
    rule, _, words = stage
    if rule.veto and (NO, "") in words:
        assert outcome(*stage) == REJECTED


@settings(deadline=None)
@given(stages())
def test_it_is_rejected_exactly_when_no_way_to_go_on_could_approve(stage):
    """Where there is somebody to outvote: a stage that was never within reach waits for people."""
    rule, found, words = stage
    if rule.veto and (NO, "") in words:
        return
    split = len({word for word in words if word and word[0] == YES}) > 1
    in_reach = any(passes(rule, found, one) for one in completions([None] * len(found)))
    spoken_against = split or (NO, "") in words
    lost = not any(passes(rule, found, one) for one in completions(words))
    assert (outcome(*stage) == REJECTED) == (in_reach and spoken_against and lost)


@given(stages(), st.randoms())
def test_the_order_does_not_matter_for_the_outcome(stage, random):
    rule, found, words = stage
    order = list(range(len(found)))
    random.shuffle(order)
    shuffled = [found[at] for at in order], [words[at] for at in order]
    assert outcome(rule, *shuffled) == outcome(*stage)


@given(stages())
def test_one_more_approval_of_what_leads_takes_nothing_back(stage):
    rule, found, words = stage
    before = tally(rule, voices(found, words), lambda: seats(found))
    if None not in words:
        return
    more = list(words)
    more[words.index(None)] = (YES, before.choice)
    after = tally(rule, voices(found, more), lambda: seats(found))
    if before.outcome != PENDING:
        assert after.outcome == before.outcome
    if before.choice:  # somebody has chosen it
        assert after.got >= before.got


@given(stages())
def test_what_it_has_and_needs_agrees_with_its_outcome(stage):
    rule, found, words = stage
    now = tally(rule, voices(found, words), lambda: seats(found))
    assert now.got >= 0
    assert now.required >= 1
    if now.outcome == APPROVED:
        assert now.got >= now.required
    if now.outcome == PENDING:
        assert now.got < now.required


@given(stages())
def test_a_majority_never_passes_with_half(stage):
    rule, found, words = stage
    rule = Rule(Needs.MAJORITY, rule.quorum, rule.veto)
    approvals = sum(word is not None and word[0] == YES for word in words)
    if approvals * 2 <= len(found):
        assert outcome(rule, found, words) != APPROVED


@given(st.integers(1, 6))
def test_a_voice_for_all_teams_counts_for_each(quorum):
    rule = Rule(Needs.EACH_GROUP, quorum, groups=frozenset(TEAMS))
    everywhere = [Voice(YES, "", None)] * quorum
    assert tally(rule, everywhere, lambda: Seats(0)).outcome == APPROVED
    assert tally(rule, everywhere[1:], lambda: Seats(0)).outcome == PENDING


@given(stages())
def test_nothing_is_lost_while_others_may_still_join(stage):
    rule, found, words = stage
    if rule.veto and (NO, "") in words:
        return
    is_open = Seats(len(found), seats(found).of_group, is_open=True)
    assert tally(rule, voices(found, words), lambda: is_open).outcome != REJECTED
