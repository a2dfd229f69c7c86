"""What can go wrong, named by what the caller should do. A docstring is the default message."""


class CountersignError(Exception):
    """Something went wrong."""

    def __init__(self, message: str = "") -> None:
        super().__init__(message or " ".join((type(self).__doc__ or "").split()))


class SecretUnreadable(CountersignError):
    """None of this installation's TOKEN_KEYS opens it. Put the key that is missing back."""


# --- message in ---------------------------------------------------------------------------------


class MessageNotUnderstood(CountersignError):
    """No task can be made of this message.

    `code` is a short stable word for the quarantine (`not_json`, `no_token`, `unknown_gate`, …).
    """

    def __init__(self, code: str, message: str) -> None:
        super().__init__(message)
        self.code = code


# --- decision -----------------------------------------------------------------------------------


class CannotDecide(CountersignError):
    """This decision can't be taken."""


class AlreadySettled(CannotDecide):
    """This task is already settled."""


# --- policy -------------------------------------------------------------------------------------


class BadDocument(CountersignError):
    """This document of gates can't be applied. `problems`: one line for each that was found."""

    def __init__(self, problems: list[str]) -> None:
        super().__init__("\n".join(problems))
        self.problems = problems


# --- outside jobs -------------------------------------------------------------------------------


class CannotReport(CountersignError):
    """What the job says can't be taken."""


class ReportTooLarge(CannotReport):
    """The workflow takes no answer as long as this."""


class AlreadyReported(CannotReport):
    """This job is already settled, and otherwise."""


class JobEnded(CannotReport):
    """Nobody waits for this job any more."""


class KeyNotLive(CannotReport):
    """This key is not known, or not any more."""


# --- engines ------------------------------------------------------------------------------------


class EngineError(CountersignError):
    """An engine did not take a call. `code` is the engine's own word for it."""

    def __init__(self, message: str = "", *, code: str = "") -> None:
        super().__init__(message)
        self.code = code


class EngineUnavailable(EngineError):
    """The engine did not take the call, for now: try again later."""


class OutcomeUnknown(EngineError):
    """The call was sent and its answer was lost: it may or may not have been taken."""


class TaskGone(EngineError):
    """The token is dead: the step was closed, timed out or stopped. Stop."""


class CallbackRefused(EngineError):
    """The engine refuses this call for good: stop and show an operator."""
