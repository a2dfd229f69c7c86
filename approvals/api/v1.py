"""The API for outside jobs: /api/v1/. A key in the Authorization header is all that lets in.

Sessions of signed-in people open nothing here, so forms of other sites can do nothing either.
"""

from typing import Any
from uuid import UUID

from django.http import HttpRequest, HttpResponse
from ninja import NinjaAPI, Status
from ninja.security import HttpBearer

from approvals.api import refusals, schemas as said
from approvals.api.body import StrictParser
from approvals.api.refusals import NO_LENGTH, NO_TASK, Refused
from approvals.models import ApprovalTask, JobKey, OutsideJob
from approvals.outside_jobs import claim as claims, keys, report
from approvals.states import TaskStatus


class Key(HttpBearer):
    """A runner's key or a job's; what each may do, its operation asks."""

    def authenticate(self, request: HttpRequest, token: str) -> JobKey:
        key = keys.find(token)
        # Django reads nothing of a body in chunks, and a report would lose what it says.
        if "Transfer-Encoding" in request.headers:
            raise NO_LENGTH
        return key


class Request(HttpRequest):
    auth: JobKey


class API(NinjaAPI):
    _schema: Any = None

    def get_openapi_schema(self, **kwargs: Any) -> Any:
        """Made once: it takes 25 ms, and anybody may ask for it."""
        self._schema = self._schema or super().get_openapi_schema(**kwargs)
        return self._schema

    def create_response(self, *args: Any, **kwargs: Any) -> HttpResponse:
        """Never kept by anybody on the way: answers hold keys."""
        response = super().create_response(*args, **kwargs)
        response.headers["Cache-Control"] = "no-store"
        return response


api = API(
    title="Countersign",
    version="1",
    description="For outside jobs: claim what waits at a gate, report how it goes and ended.",
    urls_namespace="api",
    docs_url=None,
    auth=Key(),
    parser=StrictParser(),
)
refusals.install(api)

_PROBLEMS: dict[Any, Any] = {
    frozenset({400, 401, 403, 404, 409, 410, 411, 413, 415, 422, 503}): said.Problem,
}
_ANSWERS = {200: said.Taken, **_PROBLEMS}


@api.post(
    "/gates/{slug}/claim",
    response={200: said.Claimed, 204: None, **_PROBLEMS},
    by_alias=True,
    summary="Take the oldest job that waits at a gate",
)
def claim(request: Request, slug: str, body: said.Claim | None = None) -> Any:
    """With a runner's key. 204 if no job waits. The job belongs to this runner from now on."""
    key = request.auth
    if key.gate is None:
        raise Refused(403, "wrong_key", "This is a job's key. A runner's key can claim.")
    if key.gate.slug != slug:
        raise Refused(404, "not_found", "There is no such gate, or this key is not for it.")
    issued = claims.claim(key, body.runner if body else "")
    if issued is None:
        return Status(204, None)
    task = issued.key.task
    assert task
    assert issued.key.expires_at
    return said.Claimed(
        task_id=task.pk,
        title=task.title,
        input=task.payload,
        links=[said.Link(**link) for link in task.links],
        requested_by=task.requested_by,
        deadline=task.deadline,
        job_key=issued.secret,
        job_key_expires_at=issued.key.expires_at,
    )


@api.post("/tasks/{task_id}/success", response=_ANSWERS, by_alias=True, summary="The job is done")
def success(request: Request, task_id: UUID, body: said.Success | None = None) -> Any:
    """With the job's key. The same report again is fine; another one after it is not (409)."""
    output = body.output if body else None
    return _taken(report.success(_own(request, task_id), request.auth, output))


@api.post("/tasks/{task_id}/failure", response=_ANSWERS, by_alias=True, summary="The job failed")
def failure(request: Request, task_id: UUID, body: said.Failure | None = None) -> Any:
    """With the job's key; likewise."""
    how = body or said.Failure()
    return _taken(report.failure(_own(request, task_id), request.auth, how.error, how.cause))


@api.post("/tasks/{task_id}/heartbeat", response=_ANSWERS, by_alias=True, summary="It still runs")
def heartbeat(request: Request, task_id: UUID, body: said.Heartbeat | None = None) -> Any:
    """With the job's key. 410 once nobody waits for the job any more: it can stop."""
    return _taken(report.heartbeat(_own(request, task_id), request.auth))


@api.post("/tasks/{task_id}/progress", response=_ANSWERS, by_alias=True, summary="How far it is")
def progress(request: Request, task_id: UUID, body: said.Progress) -> Any:
    """With the job's key. Counts as a heartbeat; what is left out stays as it was."""
    task = report.heartbeat(_own(request, task_id), request.auth, body.percent, body.note)
    return _taken(task)


@api.get(
    "/tasks/{task_id}",
    response={200: said.Task, **_PROBLEMS},
    by_alias=True,
    summary="How the job stands",
)
def task(request: Request, task_id: UUID) -> Any:
    """With the job's key."""
    found = ApprovalTask.objects.without_secrets().get(pk=_own(request, task_id))
    job = OutsideJob.objects.filter(task=found).first() or OutsideJob(task=found)
    return said.Task(
        task_id=found.pk,
        status=TaskStatus(found.status),
        title=found.title,
        deadline=found.deadline,
        settled_at=found.settled_at,
        claimed_by=job.claimed_by,
        claimed_at=job.claimed_at,
        heard_at=job.heard_at,
        percent=job.percent,
        note=job.note,
    )


def _own(request: Request, task_id: UUID) -> UUID:
    """The task, if the key is for it; whether any other exists is not told."""
    if request.auth.gate_id:
        raise Refused(403, "wrong_key", "This is a runner's key. The job's own key can report.")
    if request.auth.task_id != task_id:
        raise NO_TASK
    return task_id


def _taken(task: ApprovalTask) -> said.Taken:
    return said.Taken(task_id=task.pk, status=TaskStatus(task.status))
