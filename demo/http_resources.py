"""DEMO, the workflows that wait on HTTP (`http_flows`), asked over HTTP. Knows no models."""

import json
import urllib.error
import urllib.request
from datetime import datetime
from typing import Any

from demo.execution import Execution, NotReached

_DIRECT = urllib.request.build_opener(urllib.request.ProxyHandler({}))


class HTTPResources:
    label = "HTTP workflow"

    def __init__(self, url: str) -> None:
        self.url = url

    def start(self, workflow: str, name: str, **given: Any) -> str:
        """`step`, `message`, `webhook` and its `key`; the execution's id."""
        run = self._ask({"workflow": workflow, "name": name, **given})
        if run["status"] == "FAILED":
            raise NotReached(f"The workflow on HTTP: {run['result']}")
        return str(run["name"])

    def knows(self, execution_id: str) -> bool:
        return any(execution.id == execution_id for execution in self.executions())

    def executions(self) -> list[Execution]:
        return [
            Execution(
                id=run["name"],
                name=run["name"],
                workflow=run["workflow"],
                status=run["status"],
                started_at=datetime.fromisoformat(run["started_at"]),
                stopped_at=datetime.fromisoformat(run["stopped_at"]) if run["stopped_at"] else None,
                step=run["step"],
                result=run["result"],
                engine=self.label,
            )
            for run in self._ask()
        ]

    def _ask(self, given: dict[str, Any] | None = None) -> Any:
        data = None if given is None else json.dumps(given).encode()
        headers = {"Content-Type": "application/json"}
        request = urllib.request.Request(f"{self.url}/executions", data, headers)
        try:
            with _DIRECT.open(request, timeout=15) as answer:
                return json.load(answer)
        except OSError as error:
            reason = f"The workflows on HTTP can't be reached: {error}"
        raise NotReached(reason)
