"""DEMO, the local CloudFlow: its flows and their executions, by the vendor's own SDK.

Knows no models.
"""

import json
from collections.abc import Mapping
from datetime import datetime
from functools import cached_property
from pathlib import Path
from typing import Any
from uuid import uuid4

from demo.aws_resources import MACHINES
from demo.execution import Execution, NotReached
from demo.servers import ALIBABA_QUEUE

FOLDER = MACHINES / "cloudflow"
REGION = "cn-hangzhou"
STATUSES = {"Running": "RUNNING", "Succeeded": "SUCCEEDED", "Failed": "FAILED"}


class CloudFlowResources:
    label = "CloudFlow (local)"

    def __init__(self, url: str, key_id: str, secret: str) -> None:
        self.url, self.key_id, self.secret = url, key_id, secret

    @cached_property
    def _client(self) -> Any:
        """Loaded when first asked: the seed mostly needs the address alone."""
        from alibabacloud_fnf20190315.client import Client
        from alibabacloud_tea_openapi.utils_models import Config

        return Client(
            Config(
                access_key_id=self.key_id,
                access_key_secret=self.secret,
                endpoint=self.url.removeprefix("http://"),
                protocol="HTTP",
                connect_timeout=3_000,
                read_timeout=10_000,
            )
        )

    def _ask(self, call: str, **given: Any) -> Any:
        """The body of the answer to an operation of the API, as the SDK's client names it."""
        from alibabacloud_fnf20190315 import models
        from darabonba.exceptions import DaraException

        request = getattr(models, f"{call.title().replace('_', '')}Request")(**given)
        try:
            return getattr(self._client, call)(request).body
        except (DaraException, OSError) as error:
            code = str(getattr(error, "code", ""))
            refusal = NotReached(f"CloudFlow can't be asked ({code or error}).", code)
        raise refusal

    @property
    def queue_url(self) -> str:
        return f"{self.url}/queues/{ALIBABA_QUEUE}"

    def make_flows(self, given: Mapping[str, str]) -> None:
        """Create or update every definition of `machines/cloudflow`, `${Name}` replaced."""
        for file in _files():
            definition = file.read_text()
            for name, value in given.items():
                definition = definition.replace(f"${{{name}}}", value)
            about = {"name": file.stem, "definition": definition, "type": "FDL"}
            try:
                self._ask("create_flow", **about)
            except NotReached as error:
                if error.code != "FlowAlreadyExists":
                    raise
                self._ask("update_flow", **about)

    def start(self, flow: str, name: str, data: dict[str, Any]) -> str:
        """Its id, as its messages say it. `names` in the input are for flows of the older kind."""
        name = f"{name}-{uuid4().hex[:6]}"
        names = {"Flow": {"Name": flow}, "Execution": {"Name": name}}
        self._ask(
            "start_execution",
            flow_name=flow,
            execution_name=name,
            input=json.dumps({**data, "names": names}),
        )
        return _id(flow, name)

    def knows(self, execution_id: str) -> bool:
        return any(execution.id == execution_id for execution in self.executions())

    def executions(self) -> list[Execution]:
        found = []
        for file in _files():
            try:
                answer = self._ask("list_executions", flow_name=file.stem)
            except NotReached as error:
                if error.code == "FlowNotExists":
                    continue
                raise
            found += [self._execution(run) for run in answer.executions]
        return found

    def _execution(self, run: Any) -> Execution:
        history = self._ask(
            "get_execution_history", flow_name=run.flow_name, execution_name=run.name
        )
        entered = [one for one in history.events if one.type == "StepEntered"]
        return Execution(
            id=_id(run.flow_name, run.name),
            name=run.name,
            workflow=run.flow_name,
            status=STATUSES.get(run.status, run.status.upper()),
            started_at=datetime.fromisoformat(run.started_time),
            stopped_at=datetime.fromisoformat(run.stopped_time) if run.stopped_time else None,
            step=entered[-1].step_name if entered else "",
            result=run.output or "",
            engine=self.label,
        )


def _files() -> list[Path]:
    return sorted(FOLDER.glob("*.yaml"))


def _id(flow: str, name: str) -> str:
    return f"flow/{flow}/execution/{name}"
