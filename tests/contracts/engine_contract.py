"""What every engine must do. Subclass it with an `engine` and a `steps` fixture.

class TestMyEngine(EngineContract):
    @pytest.fixture
    def steps(self) -> Steps: ...
    @pytest.fixture
    def engine(self, steps) -> Engine: ...
"""

import json
import time
from collections.abc import Callable
from typing import Any, Protocol

import pytest

from approvals.engines.base import Engine, Fate, Step
from approvals.errors import CallbackRefused, EngineError, TaskGone
from approvals.tokens import TaskToken

OUTPUT = json.dumps({"approved": True, "decisionId": "0190-decision"})
CAUSE = "Too expensive, said Alice (decision 0190-decision)"
NOBODYS_TOKEN = TaskToken("nobody+knows/this=token")


class Steps(Protocol):
    """The engine's other side, as its tests reach it."""

    def create(self, heartbeat_seconds: float | None = None) -> tuple[TaskToken, Step]:
        """A step that waits."""

    def stop(self, step: Step) -> None:
        """Stop the execution from outside."""

    def answer(self, token: TaskToken) -> tuple[str, ...]:
        """What the step was told: (), (output,) or (error, cause)."""


def needs(*abilities: str) -> Callable[[Any], Any]:
    """A test for engines that can do this; others' subclasses do not have it."""

    def mark(test: Any) -> Any:
        test.needs = abilities
        return test

    return mark


class EngineContract:
    has_heartbeats = True  # silence ends a step, a heartbeat keeps it alive
    can_look_up = True  # the engine can be asked what became of a step

    def __init_subclass__(cls) -> None:
        for name, test in vars(EngineContract).items():
            if not all(getattr(cls, ability) for ability in getattr(test, "needs", ())):
                setattr(cls, name, None)

    def test_a_success_hands_the_step_its_output(self, engine: Engine, steps: Steps) -> None:
        token, _ = steps.create()
        engine.succeed(token, OUTPUT)
        assert steps.answer(token) == (OUTPUT,)

    def test_a_failure_hands_the_step_its_error_and_cause(
        self, engine: Engine, steps: Steps
    ) -> None:
        token, _ = steps.create()
        engine.fail(token, "Rejected", CAUSE)
        assert steps.answer(token) == ("Rejected", CAUSE)

    def test_letters_of_every_script_arrive_unchanged(self, engine: Engine, steps: Steps) -> None:
        token, _ = steps.create()
        engine.fail(token, "Rejected", 'zu teuer – 太贵了 🙅\n\t"quoted" \\')
        assert steps.answer(token)[1] == 'zu teuer – 太贵了 🙅\n\t"quoted" \\'

    def test_the_first_answer_wins_and_the_second_finds_the_task_gone(
        self, engine: Engine, steps: Steps
    ) -> None:
        token, _ = steps.create()
        engine.succeed(token, OUTPUT)
        with pytest.raises(TaskGone):
            engine.fail(token, "Rejected", CAUSE)
        assert steps.answer(token) == (OUTPUT,)

    def test_a_stopped_step_is_gone(self, engine: Engine, steps: Steps) -> None:
        token, step = steps.create()
        steps.stop(step)
        with pytest.raises(TaskGone):
            engine.succeed(token, OUTPUT)

    def test_a_token_of_nobody_is_refused(self, engine: Engine, steps: Steps) -> None:
        with pytest.raises(CallbackRefused) as refused:
            engine.succeed(NOBODYS_TOKEN, OUTPUT)
        assert refused.value.code

    def test_output_that_is_not_json_is_refused_and_the_step_still_waits(
        self, engine: Engine, steps: Steps
    ) -> None:
        token, _ = steps.create()
        with pytest.raises(CallbackRefused):
            engine.succeed(token, "{not json")
        engine.succeed(token, OUTPUT)
        assert steps.answer(token) == (OUTPUT,)

    def test_an_answer_as_large_as_the_limits_is_taken(self, engine: Engine, steps: Steps) -> None:
        output = json.dumps("ä" * ((engine.limits.output - 2) // 2), ensure_ascii=False)
        approved, _ = steps.create()
        engine.succeed(approved, output)
        rejected, _ = steps.create()
        engine.fail(rejected, "E" * engine.limits.error, "c" * engine.limits.cause)
        assert steps.answer(approved) == (output,)
        assert len(steps.answer(rejected)[1]) == engine.limits.cause

    def test_an_answer_one_byte_larger_is_refused(self, engine: Engine, steps: Steps) -> None:
        token, _ = steps.create()
        with pytest.raises(CallbackRefused):
            engine.succeed(token, json.dumps("x" * (engine.limits.output - 1)))
        with pytest.raises(CallbackRefused):
            engine.fail(token, "E" * (engine.limits.error + 1), "")
        with pytest.raises(CallbackRefused):
            engine.fail(token, "E", "c" * (engine.limits.cause + 1))
        assert steps.answer(token) == ()

    @needs("has_heartbeats")
    def test_heartbeats_keep_a_step_alive_and_silence_ends_it(
        self, engine: Engine, steps: Steps
    ) -> None:
        token, step = steps.create(heartbeat_seconds=0.8)
        for _ in range(3):  # 0.9 s in all
            time.sleep(0.3)
            engine.heartbeat(step)
        time.sleep(0.9)
        with pytest.raises(TaskGone):
            engine.heartbeat(step)
        with pytest.raises(TaskGone):
            engine.succeed(token, OUTPUT)

    @needs("can_look_up")
    def test_a_heartbeat_to_a_step_without_an_interval_is_taken(
        self, engine: Engine, steps: Steps
    ) -> None:
        token, step = steps.create()
        engine.heartbeat(step)
        assert steps.answer(token) == ()

    @needs("can_look_up")
    def test_a_heartbeat_tells_of_a_closed_step(self, engine: Engine, steps: Steps) -> None:
        token, step = steps.create()
        engine.succeed(token, OUTPUT)
        with pytest.raises(TaskGone):
            engine.heartbeat(step)

    @needs("can_look_up")
    def test_our_success_and_our_failure_are_found_again(
        self, engine: Engine, steps: Steps
    ) -> None:
        approved, approved_step = steps.create()
        engine.succeed(approved, OUTPUT)
        rejected, rejected_step = steps.create()
        engine.fail(rejected, "Rejected", CAUSE)
        assert engine.find_out(approved_step, "0190-decision") is Fate.OURS
        assert engine.find_out(rejected_step, "0190-decision") is Fate.OURS

    @needs("can_look_up")
    def test_an_answer_of_somebody_else_is_not_taken_for_ours(
        self, engine: Engine, steps: Steps
    ) -> None:
        token, step = steps.create()
        engine.succeed(token, OUTPUT)
        assert engine.find_out(step, "another-decision") is Fate.OTHERWISE

    @needs("can_look_up")
    def test_a_step_that_waits_is_found_waiting(self, engine: Engine, steps: Steps) -> None:
        _, step = steps.create()
        assert engine.find_out(step, "0190-decision") is Fate.WAITING
        assert engine.find_out(step, "") is Fate.WAITING

    @needs("can_look_up")
    def test_a_stopped_step_is_found_ended(self, engine: Engine, steps: Steps) -> None:
        _, step = steps.create()
        steps.stop(step)
        assert engine.find_out(step, "0190-decision") is Fate.OTHERWISE
        assert engine.find_out(step, "") is Fate.OTHERWISE

    @needs("can_look_up")
    def test_without_a_decision_an_answered_step_is_merely_over(
        self, engine: Engine, steps: Steps
    ) -> None:
        token, step = steps.create()
        engine.succeed(token, OUTPUT)
        assert engine.find_out(step, "") is Fate.OTHERWISE

    @pytest.mark.parametrize("execution_id", ["", "nonsense", "never:heard:of"])
    def test_an_unknown_execution_tells_nothing(
        self, engine: Engine, steps: Steps, execution_id: str
    ) -> None:
        assert engine.find_out(Step(execution_id), "0190-decision") is Fate.UNKNOWN

    @pytest.mark.parametrize("execution_id", ["", "nonsense", "javascript:alert(1)"])
    def test_an_execution_that_makes_no_sense_has_no_address(
        self, engine: Engine, execution_id: str
    ) -> None:
        assert engine.console_url(Step(execution_id)) == ""

    def test_errors_do_not_tell_the_token(self, engine: Engine, steps: Steps) -> None:
        token, _ = steps.create()
        engine.succeed(token, OUTPUT)
        for secret in (token, NOBODYS_TOKEN, TaskToken(token.reveal() * 20)):
            with pytest.raises(EngineError) as raised:
                engine.succeed(secret, OUTPUT)
            assert_does_not_tell(raised.value, secret)


def assert_does_not_tell(error: BaseException, token: TaskToken) -> None:
    """No message, chained exception, attribute or frame below the test shows the token."""
    shown = []
    chain: BaseException | None = error
    while chain:
        shown += [str(chain), repr(chain), repr(vars(chain))]
        frames = chain.__traceback__
        while frames:
            if not frames.tb_frame.f_globals["__name__"].startswith("tests."):
                shown.append(repr(frames.tb_frame.f_locals))
            frames = frames.tb_next
        chain = chain.__cause__ or chain.__context__
    assert token.reveal()[:16] not in "\n".join(shown)
