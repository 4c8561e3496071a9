"""What a run of the action does: inputs and event to the words of one call of `moa`, or a refusal. Pure."""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import dataclass
from typing import Literal

from pytest_moa.action.inputs import Inputs
from pytest_moa.errors import RefusedError
from pytest_moa.github.context import Context

Verb = Literal["gate", "integrate"]

_GATED_EVENTS = frozenset({"pull_request", "pull_request_target", "push"})

# What a child may know of the job. Everything else that GitHub sets is a secret, a file that the runner
# obeys, or a path that leads to one.
_TOLD = frozenset(
    f"GITHUB_{name}"
    for name in (
        "ACTIONS",
        "ACTOR",
        "BASE_REF",
        "EVENT_NAME",
        "HEAD_REF",
        "JOB",
        "REF",
        "REF_NAME",
        "REF_TYPE",
        "REPOSITORY",
        "RUN_ATTEMPT",
        "RUN_ID",
        "RUN_NUMBER",
        "SERVER_URL",
        "SHA",
        "WORKFLOW",
    )
) | {"RUNNER_OS", "RUNNER_ARCH", "RUNNER_NAME", "RUNNER_TOOL_CACHE"}
_HIDDEN_PREFIXES = ("GITHUB_", "RUNNER_", "ACTIONS_", "INPUT_", "IN_", "MOA_ACTION_")
_SECRET_PREFIXES = ("ACTIONS_", "INPUT_")
_SECRETS = frozenset(
    {
        "GITHUB_TOKEN",
        "GITHUB_ENTERPRISE_TOKEN",
        "GH_TOKEN",
        "GH_ENTERPRISE_TOKEN",
        "GIT_ASKPASS",
        "MOA_TOKEN",
        "SSH_AUTH_SOCK",
    }
)


@dataclass(frozen=True, slots=True, kw_only=True)
class Plan:
    """`words` follow `python -I -m pytest_moa`; `agent` is as asked for, `auto` included."""

    verb: Verb
    words: tuple[str, ...]
    agent: str


def plan(inputs: Inputs, context: Context, *, python: str, folder: str) -> Plan:
    """The call that tests: a gate, or an integration up to, and without, its landing."""
    verb = _verb(inputs, context)
    words = [verb, "--json", f"--summary={folder}/summary.md", f"--python={python}", "--no-fetch"]
    if inputs.config:
        words.append(f"--config={inputs.config}")
    if inputs.threshold:
        words.append(f"--threshold={inputs.threshold}")
    agent = inputs.agent
    if verb == "integrate":
        words.append(f"--stage={folder}/staged")
        agent = context.branch or agent if agent == "auto" else agent
    elif agent == "auto" and context.branch:
        words.append(f"--branch={context.branch}")
    if verb == "gate" and context.event.startswith("pull_request") and context.head:
        words.append(f"--head={context.head}")
    return Plan(verb=verb, words=(*words, "--", agent), agent=inputs.agent)


def landing(agent: str, commit: str, *, folder: str) -> tuple[str, ...]:
    """The words that land a staged candidate; `commit` is the tested one."""
    return (
        "integrate",
        "--json",
        f"--summary={folder}/summary.md",
        f"--staged={folder}/staged",
        f"--commit={commit}",
        "--",
        agent,
    )


def _verb(inputs: Inputs, context: Context) -> Verb:
    if inputs.command == "gate":
        return "gate"
    if inputs.command == "auto":
        if context.event not in _GATED_EVENTS:
            raise RefusedError(
                f"`command: auto` has no answer to the event {context.event or 'without a name'!r}",
                reason="it gates on pull requests and on pushes to agents' branches",
                remedy="Say `command: gate` or `command: integrate`, and `agent:`.",
            )
        return "gate"
    if context.fork:
        raise RefusedError(
            "Integration is refused for work from a fork",
            reason="a job that tests a stranger's code must not land anything",
            remedy="Gate it here; let a person take it in from a branch of this repository.",
        )
    if not inputs.trusted_agents:
        raise RefusedError(
            "Integration in one job needs `trusted-agents: true`",
            reason="the job that lands runs the agents' code, and one job is no boundary",
            remedy="Say `trusted-agents: true` if you trust whoever writes these branches; read docs/security.md first.",
        )
    return "integrate"


def without_secrets(environ: Mapping[str, str]) -> dict[str, str]:
    """What the testing step itself may hold: a test can read the environment of the processes above it."""
    return {n: v for n, v in environ.items() if not (n in _SECRETS or n.startswith(_SECRET_PREFIXES))}


def child_environment(environ: Mapping[str, str]) -> dict[str, str]:
    """The environment without tokens, inputs and the runner's files."""
    return {n: v for n, v in environ.items() if n in _TOLD or not _hidden(n)}


def _hidden(name: str) -> bool:
    return name in _SECRETS or name.startswith(_HIDDEN_PREFIXES)
