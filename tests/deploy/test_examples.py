"""What a platform engineer copies is whole and right, as far as can be told without an account.

Every file below deploy/examples has a check; one without fails.
"""

import fnmatch
import json
import re
import subprocess
import sys
from collections.abc import Callable
from functools import cache
from pathlib import Path
from typing import Any

import jsonschema
import pytest
import yaml

from approvals.engines.base import Handle
from approvals.intake.message import IncomingMessage
from approvals.intake.shapes import read
from tests.deploy import definitions, policies, terraform

ROOT = Path(__file__).resolve().parents[2]
EXAMPLES = ROOT / "deploy" / "examples"
FILES = sorted(
    path.relative_to(EXAMPLES).as_posix()
    for path in EXAMPLES.rglob("*")
    if path.is_file() and "__pycache__" not in path.parts
)

WITH_MACHINES = [name for name in FILES if name.endswith(".asl.json")]
TEMPLATES = [name for name in FILES if name.endswith("cloudformation.yaml")]
FOLDERS = [Path(name).parent.name for name in TEMPLATES]


class _CloudFormation(yaml.SafeLoader):
    """YAML with CloudFormation's tags: `!Sub x` becomes `{"!Sub": x}`."""


def _tagged(loader: yaml.SafeLoader, suffix: str, node: yaml.Node) -> dict[str, Any]:
    if isinstance(node, yaml.ScalarNode):
        return {f"!{suffix}": loader.construct_scalar(node)}
    if isinstance(node, yaml.SequenceNode):
        return {f"!{suffix}": loader.construct_sequence(node, deep=True)}
    assert isinstance(node, yaml.MappingNode)
    return {f"!{suffix}": loader.construct_mapping(node, deep=True)}


_CloudFormation.add_multi_constructor("!", _tagged)


def template(path: Path) -> dict[str, Any]:
    """A CloudFormation template as data."""
    loaded: dict[str, Any] = yaml.load(path.read_text(), _CloudFormation)
    return loaded


def tool(name: str, *arguments: str) -> subprocess.CompletedProcess[str]:
    """A tool of the virtual environment."""
    command = [str(Path(sys.executable).with_name(name)), *arguments]
    return subprocess.run(command, cwd=ROOT, capture_output=True, text=True, check=False)


def check_state_machine(path: Path) -> None:
    definition = json.loads(path.read_text())
    assert definitions.reachable(definition) == set(definition["States"])
    [state] = definitions.waiting(definition).values()
    assert definitions.passes_token(state)
    assert 0 < state["HeartbeatSeconds"] < state["TimeoutSeconds"]
    for name, said in definitions.said_seconds(state).items():
        assert said in ([], [state[name[0].upper() + name[1:]]])
    caught = definitions.caught(state)
    assert {"Rejected", "States.Timeout"} <= set(caught)
    if "outside-job" not in path.parts:  # people: the other kind of rejection arrives there as well
        choice = definition["States"][state["Next"]]
        assert "approved" in json.dumps(choice["Choices"])
        assert choice["Default"] == caught["Rejected"]


@cache
def linted() -> list[str]:
    """What the linter has to say of all templates; one run takes hardly longer than one file."""
    done = tool("cfn-lint", "--format", "parseable", *(str(EXAMPLES / name) for name in TEMPLATES))
    assert done.stderr == ""
    return done.stdout.splitlines()


def check_cloudformation(path: Path) -> None:
    assert [line for line in linted() if line.startswith(f"{path}:")] == []


def check_terraform(path: Path) -> None:
    text, tree = path.read_text(), terraform.parsed(path)
    assert terraform.referred(text) - terraform.declared(tree) == set()
    given = {name for name in terraform.declared(tree) if name.startswith(("var.", "local."))}
    assert given - terraform.referred(text) == set()  # nothing is asked for in vain
    for name, filled in terraform.templates(text).items():
        wanted = definitions.PLACEHOLDER.findall((path.parent / name).read_text())
        assert filled == set(wanted)


def check_flow(path: Path) -> None:
    schema = json.loads((EXAMPLES / "cloudflow/flow.schema.json").read_text())
    flow = yaml.safe_load(path.read_text())
    jsonschema.validate(flow, schema)
    if "States" in flow:
        states = {state["Name"]: state for state in flow["States"]}
        goals = re.findall(r"(?:Next|StartAt|Default): (\w+)", path.read_text())
        assert set(goals) == set(states)
        return
    steps = {step["name"] for step in flow["steps"]}
    assert set(re.findall(r"goto: (\w+)", path.read_text())) <= steps


def check_schema(path: Path) -> None:
    jsonschema.Draft202012Validator.check_schema(json.loads(path.read_text()))


def check_ram_policy(path: Path) -> None:
    policy = json.loads(path.read_text())
    assert policy["Version"] == "1"
    assert policies.allowed(policy)
    assert not any("*" in action for action in policies.allowed(policy))


def check_google_workflow(path: Path) -> None:
    steps = {
        name: step
        for one in yaml.safe_load(path.read_text())["main"]["steps"]
        for name, step in one.items()
    }
    assert steps["make_endpoint"]["call"] == "events.create_callback_endpoint"
    assert steps["ask"]["try"]["args"]["body"]["callbackUrl"] == "${callback.url}"
    wait = steps["wait"]["try"]
    assert wait["call"] == "events.await_callback"
    assert wait["args"]["callback"] == "${callback}"
    assert "timeout" in wait["args"]
    assert set(re.findall(r"next: (\w+)", path.read_text())) <= set(steps)


def check_logic_app(path: Path) -> None:
    definition = json.loads(path.read_text())["definition"]
    actions = definition["actions"]
    ask = actions["Ask_Countersign"]
    assert ask["type"] == "HttpWebhook"
    assert ask["inputs"]["subscribe"]["body"]["callbackUrl"] == "@listCallbackUrl()"
    assert ask["limit"]["timeout"]
    assert ask["runtimeConfiguration"]["secureData"]["properties"] == ["inputs"]
    used = set(re.findall(r"parameters\('(\w+)'\)", json.dumps(definition)))
    assert used == set(definition["parameters"])
    assert {name for action in actions.values() for name in action["runAfter"]} <= set(actions)
    assert actions["Nobody_decided"]["runAfter"] == {"Ask_Countersign": ["TimedOut"]}


def check_n8n(path: Path) -> None:
    workflow = json.loads(path.read_text())
    nodes = {node["name"]: node for node in workflow["nodes"]}
    wait = nodes["Wait for the decision"]["parameters"]
    assert (wait["resume"], wait["httpMethod"], wait["limitWaitTime"]) == ("webhook", "POST", True)
    assert "callbackUrl: $execution.resumeUrl" in nodes["Ask Countersign"]["parameters"]["jsonBody"]
    goals = {
        goal["node"]
        for outputs in workflow["connections"].values()
        for branch in outputs["main"]
        for goal in branch
    }
    assert set(workflow["connections"]) | goals == set(nodes)


def check_shell(path: Path) -> None:
    checked = subprocess.run(["bash", "-n", str(path)], capture_output=True, text=True, check=False)
    assert (checked.stderr, checked.returncode) == ("", 0)
    assert "set -euo pipefail" in path.read_text()
    assert path.stat().st_mode & 0o111


def check_python(path: Path) -> None:
    compile(path.read_text(), str(path), "exec")
    linted = tool("ruff", "check", "--no-cache", "--quiet", str(path))
    assert (linted.stdout, linted.returncode) == ("", 0)


def check_message(path: Path) -> None:
    assert isinstance(read(path.read_bytes(), Handle.TOKEN), IncomingMessage)


def check_page(path: Path) -> None:
    """Its links are followed by tests/test_documentation.py."""
    from tests.test_documentation import PAGES

    assert path in PAGES


CHECKS: dict[str, Callable[[Path], None]] = {
    "*.asl.json": check_state_machine,
    "*/cloudformation.yaml": check_cloudformation,
    "*/main.tf": check_terraform,
    "cloudflow/*.yaml": check_flow,
    "cloudflow/flow.schema.json": check_schema,
    "cloudflow/ram-policy-*.json": check_ram_policy,
    "callback-url/google-workflows.yaml": check_google_workflow,
    "callback-url/logic-apps.json": check_logic_app,
    "callback-url/n8n.json": check_n8n,
    "*.sh": check_shell,
    "*.py": check_python,
    "webhook/message.json": check_message,
    "README.md": check_page,
}


@pytest.mark.parametrize("name", FILES)
def test_every_example_is_checked_and_passes(name: str) -> None:
    checks = [check for pattern, check in CHECKS.items() if fnmatch.fnmatch(name, pattern)]
    assert len(checks) == 1, "say in CHECKS how this file is checked"
    checks[0](EXAMPLES / name)


def test_no_check_is_left_without_a_file() -> None:
    assert [pattern for pattern in CHECKS if not fnmatch.filter(FILES, pattern)] == []


@pytest.mark.parametrize("name", TEMPLATES)
def test_a_template_holds_the_very_files_beside_it(name: str) -> None:
    folder = (EXAMPLES / name).parent
    resources = template(EXAMPLES / name)["Resources"].values()
    for resource in resources:
        properties = resource.get("Properties", {})
        if "Definition" in properties:
            definition = properties["Definition"]
            beside = [json.loads(path.read_text()) for path in folder.glob("*.asl.json")]
            assert definition in beside
            wanted = definitions.PLACEHOLDER.findall(json.dumps(definition))
            assert set(properties["DefinitionSubstitutions"]) == set(wanted)
        if "Code" in properties:
            assert properties["Code"]["ZipFile"] == (folder / "index.py").read_text()


@pytest.mark.parametrize("name", WITH_MACHINES)
def test_an_emulator_takes_the_definition(name: str) -> None:
    from moto.stepfunctions.parser.asl.parse.asl_parser import AmazonStateLanguageParser

    AmazonStateLanguageParser.parse((EXAMPLES / name).read_text())


def test_the_linter_looks_into_definitions(tmp_path: Path) -> None:
    text = (EXAMPLES / "sqs/cloudformation.yaml").read_text()
    planted = tmp_path / "planted.yaml"
    planted.write_text(text.replace('"Type": "Choice"', '"Type": "Chioce"'))
    assert "Chioce" in tool("cfn-lint", str(planted)).stdout


def test_the_role_allows_what_the_code_calls_and_nothing_else() -> None:
    role = template(EXAMPLES / "countersign-role/cloudformation.yaml")
    assert policies.allowed(role, to_whom=False) == policies.called() | {"kms:Decrypt"}


def test_the_plain_policy_allows_nothing_that_the_code_does_not_call() -> None:
    policy = json.loads((ROOT / "deploy/iam-policy.json").read_text())
    assert policies.allowed(policy) <= policies.called() | {"kms:Decrypt", "sts:AssumeRole"}


@pytest.mark.parametrize("folder", FOLDERS)
def test_terraform_and_cloudformation_allow_the_same(folder: str) -> None:
    named = terraform.actions((EXAMPLES / folder / "main.tf").read_text())
    stated = {
        action
        for statement in policies.statements(template(EXAMPLES / folder / "cloudformation.yaml"))
        for action in policies.listed(statement["Action"])
    }
    # CloudFormation's function takes AWS's own policy for its logs.
    assert {action for action in named if not action.startswith("logs:")} == stated


@pytest.mark.parametrize("folder", FOLDERS)
def test_a_state_machine_may_call_its_one_service(folder: str) -> None:
    tree = template(EXAMPLES / folder / "cloudformation.yaml")
    if "StateMachineRole" not in tree["Resources"]:
        return
    role = tree["Resources"]["StateMachineRole"]["Properties"]["Policies"]
    [machine] = [
        resource["Properties"]["Definition"]
        for resource in tree["Resources"].values()
        if resource["Type"] == "AWS::StepFunctions::StateMachine"
    ]
    [state] = definitions.waiting(machine).values()
    service, operation = state["Resource"].split(":::")[1].split(".")[0].split(":")
    action = f"{service}:{operation[0].upper()}{operation[1:]}"
    assert policies.allowed(role) == {action.replace("lambda:Invoke", "lambda:InvokeFunction")}


def test_nothing_is_allowed_everywhere() -> None:
    for name in TEMPLATES:
        for statement in policies.statements(template(EXAMPLES / name)):
            if statement["Effect"] == "Allow" and "Principal" not in statement:
                assert statement["Resource"] != "*"
