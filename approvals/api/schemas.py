"""The API, its vocabulary: what is sent and what comes back, as the OpenAPI document shows it."""

import datetime as dt
from typing import Annotated, Any
from uuid import UUID

from pydantic import AfterValidator, BaseModel, ConfigDict, Field, StringConstraints
from pydantic.alias_generators import to_camel

from approvals.states import TaskStatus


def _storable(text: str) -> str:
    if "\0" in text:
        raise ValueError("NUL characters can't be stored")
    return text


Text = Annotated[str, StringConstraints(strip_whitespace=True), AfterValidator(_storable)]


class Said(BaseModel):
    """A body; what it may not hold is refused, so that a slip of the pen is noticed."""

    model_config = ConfigDict(extra="forbid", strict=True)


class Claim(Said):
    runner: Annotated[Text, Field(max_length=100)] = Field(
        default="", description="What the inbox says the job runs on."
    )


class Success(Said):
    output: Any = Field(default=None, description="The result, any JSON value.")


class Failure(Said):
    error: Annotated[Text, Field(min_length=1, max_length=256)] = Field(
        default="JobFailed", description="A name that the workflow can catch."
    )
    cause: Text = Field(
        default="", description="What went wrong; cut where the workflow takes less."
    )


class Heartbeat(Said):
    pass


class Progress(Said):
    percent: Annotated[int, Field(ge=0, le=100)] | None = None
    note: Annotated[Text, Field(max_length=300)] | None = None


class Answer(BaseModel):
    model_config = ConfigDict(alias_generator=to_camel, populate_by_name=True)


class Link(Answer):
    title: str
    url: str


class Claimed(Answer):
    task_id: UUID
    title: str
    input: Any
    links: list[Link]
    requested_by: str
    deadline: dt.datetime | None
    job_key: str = Field(description="Reports on this task, until it expires. Shown once.")
    job_key_expires_at: dt.datetime


class Taken(Answer):
    task_id: UUID
    status: TaskStatus


class Task(Taken):
    title: str
    deadline: dt.datetime | None
    settled_at: dt.datetime | None
    claimed_by: str
    claimed_at: dt.datetime | None
    heard_at: dt.datetime | None
    percent: int | None
    note: str


class Problem(BaseModel):
    error: str = Field(description="A short stable word.")
    message: str = Field(description="A sentence for people.")
