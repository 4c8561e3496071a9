"""What a run of the action does: inputs, event and what git says to the words of calls of `moa`, or a refusal. Pure."""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import dataclass, replace
from pathlib import Path
from typing import Literal

from pytest_moa.action.inputs import Inputs
from pytest_moa.action.whereabouts import Facts
from pytest_moa.errors import RefusedError
from pytest_moa.github.context import Context

Doing = Literal["nothing", "gate", "group", "integrate", "queue", "look", "plan", "land", "report"]
"""`integrate` is one agent's, `queue` everybody's; `group` is a merge queue's; `look` tells and tests nothing."""

_PULL_REQUESTS = frozenset({"pull_request", "pull_request_target"})
_QUEUE_EVENTS = frozenset({"schedule", "workflow_dispatch", "workflow_run"})

# What a child may know of the job. Everything else that GitHub sets is a secret, a file that the runner
# obeys, or a path that leads to one.
_TOLD = frozenset(
    f"GITHUB_{name}"
    for name in (
        "ACTIONS",
        "ACTOR",
        "API_URL",
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
class Decision:
    """`agent` is an id, empty where the run is about no single one. `merge`: what passes is integrated after the gate.

    `here`: nothing of an agent's is run by what it does, so that it is done in the landing step, with the token.
    """

    doing: Doing
    agent: str = ""
    merge: bool = False
    here: bool = False
    notices: tuple[str, ...] = ()


def decide(inputs: Inputs, context: Context, facts: Facts, *, token: bool) -> Decision:
    """What is to be done. Raises RefusedError for what must not be."""
    decided = _decided(inputs, context, facts, token=token)
    gates = decided.doing == "gate" and _is_about_an_agent(context, facts)
    if not inputs.merge or decided.doing == "nothing":
        return decided
    if not gates:
        told = f"`merge: true` has no effect here: it goes with the gate of an agent's branch, and this is {context.event or 'no event'}"
        return replace(decided, notices=(*decided.notices, told))
    _require_trust(inputs, context, facts)
    _require_token(facts, token=token)
    return replace(decided, merge=True)


def _decided(inputs: Inputs, context: Context, facts: Facts, *, token: bool) -> Decision:
    asked = "" if inputs.agent == "auto" else inputs.agent
    match inputs.command:
        case "auto":
            return _by_event(inputs, context, facts, asked, token=token)
        case "gate":
            return _gate(context, facts, asked)
        case "integrate":
            about = facts.agent if _is_about_an_agent(context, facts) else None
            return _integrate(inputs, context, facts, asked or about or "", token=token)
        case "land":
            _refuse_forks(context)
            _require_evidence(inputs)
            _require_token(facts, token=token)
            return Decision(doing="land", here=True)
        case "plan" | "report":
            return Decision(doing=inputs.command, agent=asked)


def _by_event(inputs: Inputs, context: Context, facts: Facts, asked: str, *, token: bool) -> Decision:
    if context.event in _PULL_REQUESTS:
        return _gate(context, facts, asked)
    if context.event == "push" and not facts.at_target:
        return _gate(context, facts, asked)
    if context.event == "merge_group":
        return Decision(doing="group")
    if context.event in _QUEUE_EVENTS or context.event == "push":
        return _queue(inputs, context, facts, asked, token=token)
    raise RefusedError(
        f"`command: auto` has no answer to the event {context.event or 'without a name'!r}",
        reason="it knows pull_request, push, merge_group, schedule, workflow_dispatch and workflow_run",
        remedy="Say what to do: `command: gate`, and `agent:`; or another command.",
    )


def _gate(context: Context, facts: Facts, asked: str) -> Decision:
    if context.event == "pull_request_target" and context.fork:
        raise RefusedError(
            "Work from a fork is not gated on pull_request_target",
            reason="such a job holds this repository's secrets, and the gate runs the fork's code",
            remedy="Gate it on pull_request, whose job may only read.",
        )
    agent = asked or facts.agent
    if agent is None:
        return Decision(doing="nothing", notices=(facts.nobody,))
    return Decision(doing="gate", agent=agent)


def _queue(inputs: Inputs, context: Context, facts: Facts, asked: str, *, token: bool) -> Decision:
    if facts.checks:
        why = _no_token(facts, token=token)
        done = Decision(doing="integrate" if asked else "queue", agent=asked, here=True)
    else:
        why = _not_trusted(inputs, context) or _no_token(facts, token=token)
        done = Decision(doing="integrate" if asked else "queue", agent=asked)
    if not why:
        return done
    return Decision(doing="look", agent=asked, notices=(f"Nothing is tested or landed in this job: {why}",))


def _integrate(inputs: Inputs, context: Context, facts: Facts, agent: str, *, token: bool) -> Decision:
    if not facts.checks:
        _require_trust(inputs, context, facts)
    elif context.event != "workflow_run":  # there it is only told that somebody's CI has ended
        _refuse_forks(context)
    _require_token(facts, token=token)
    return Decision(doing="integrate" if agent else "queue", agent=agent, here=facts.checks)


def _is_about_an_agent(context: Context, facts: Facts) -> bool:
    return context.event in {*_PULL_REQUESTS, "push"} and facts.agent is not None


def _not_trusted(inputs: Inputs, context: Context) -> str:
    if context.fork:
        return "it was started by work from a fork"
    return (
        "" if inputs.trusted_agents else "that takes `trusted-agents: true` (or the jobs plan, gate and land)"
    )


def _no_token(facts: Facts, *, token: bool) -> str:
    return "without the input `token` nothing can be pushed" if facts.pushes and not token else ""


def _refuse_forks(context: Context) -> None:
    if context.fork:
        raise RefusedError(
            "Integration is refused for work from a fork",
            reason="a job that a stranger's work has started must not land anything",
            remedy="Gate it here; let a person take it in from a branch of this repository.",
        )


def _require_trust(inputs: Inputs, context: Context, facts: Facts) -> None:
    _refuse_forks(context)
    if not inputs.trusted_agents and not facts.checks:
        raise RefusedError(
            "Integration in one job needs `trusted-agents: true`",
            reason="the job that lands runs the agents' code, and one job is no boundary",
            remedy="Say `trusted-agents: true` if you trust whoever writes these branches; read docs/security.md first.",
        )


def _require_token(facts: Facts, *, token: bool) -> None:
    if _no_token(facts, token=token):
        raise RefusedError(
            "Nothing can be landed without the input `token`",
            reason=f"{facts.target} is on a remote, and only a landing that has a token pushes there",
            remedy="Give `token: ${{ github.token }}` with `contents: write`, or an App's token where the target is protected.",
        )


def _require_evidence(inputs: Inputs) -> None:
    if inputs.artifacts is None or not inputs.artifacts.is_dir():
        raise RefusedError(
            "There is no evidence to land from",
            reason=f"{inputs.artifacts} is no folder" if inputs.artifacts else "`artifacts` names no folder",
            remedy="Download what the gate jobs left, and name that folder as `artifacts`.",
        )


# The words of the calls.


@dataclass(frozen=True, slots=True, kw_only=True)
class Words:
    """What every call is told. `folder` is this run's own, outside of the work tree; `python` runs the tests."""

    inputs: Inputs
    context: Context
    python: str
    folder: str

    def of(self, decision: Decision) -> tuple[str, ...]:
        """The one call that the run is about."""
        doing, agent = decision.doing, decision.agent
        if doing == "gate":
            return self._call("gate", *self._judging(), *self._evidence(agent), *self._head(), agent=agent)
        if doing == "group":
            return self._call("group", *self._judging(), *self._group())
        if doing in {"plan", "look"}:
            listed = (f"--agents={agent}",) if agent else ()
            return ("plan", *self._common(), *self._allowances(), *listed)
        if doing == "report":
            return ("report", *self._common(), f"--summary={self.folder}/summary.md")
        if doing == "land":
            return self._call("land", *self._judging_again(), agent=str(self.inputs.artifacts))
        return self.integrate(agent, *(() if decision.here else (f"--stage={self.folder}/staged",)))

    def pending(self, doing: Doing, agent: str) -> tuple[str, ...]:
        """What runs nothing of an agent's, and is done in the landing step."""
        return self.of(Decision(doing=doing, agent=agent, here=True))

    def integrate(self, agent: str, *more: str) -> tuple[str, ...]:
        """An agent's integration, or everybody's."""
        everybody = () if agent else ("--all",)
        return self._call("integrate", *self._judging(), *everybody, *more, agent=agent)

    def landing(self, agent: str, commit: str) -> tuple[str, ...]:
        """Lands a staged candidate; `commit` is the tested one."""
        staged = (f"--staged={self.folder}/staged", f"--commit={commit}", *(() if agent else ("--all",)))
        return self._call("integrate", *staged, agent=agent, fetch=True)

    def conflicts(self) -> tuple[str, ...]:
        return ("conflicts", *self._common())

    def judging(self, place: Path) -> tuple[str, ...]:
        """Judges again what a gate left, of the commit that the other workflow ran on."""
        run = self.context.run
        head = (f"--head={run.head}",) if run is not None else ()
        return self._call("judge", *self._judging_again(), *head, agent=str(place))

    def report(self) -> tuple[str, ...]:
        return ("report", *self._common(), f"--summary={self.folder}/report.md")

    def _call(self, verb: str, *words: str, agent: str = "", fetch: bool = False) -> tuple[str, ...]:
        told = (f"--summary={self.folder}/summary.md", f"--comments={self.folder}/comments")
        return (verb, *self._common(fetch=fetch), *told, *words, *(("--", agent) if agent else ()))

    def _common(self, *, fetch: bool = False) -> tuple[str, ...]:
        said = {"--config": self.inputs.config, "--target": self.inputs.target}
        given = tuple(f"{name}={value}" for name, value in said.items() if value)
        return ("--json", "-C", str(self.inputs.directory), *(() if fetch else ("--no-fetch",)), *given)

    def _allowances(self) -> tuple[str, ...]:
        allow = tuple(f"--allow={word}" for word in self.inputs.allow)
        return (*allow, *(f"--because={word}" for word in self.inputs.because)) if allow else ()

    def _judging(self) -> tuple[str, ...]:
        args = self.inputs.pytest_args
        return (f"--python={self.python}", *((f"--pytest-args={args}",) if args else ()), *self._terms())

    def _judging_again(self) -> tuple[str, ...]:
        """The interpreter that analyses coverage data is moa's own, which has what that takes, unless one is named."""
        return (*((f"--python={self.python}",) if self.inputs.python else ()), *self._terms())

    def _terms(self) -> tuple[str, ...]:
        threshold = self.inputs.threshold
        return (*((f"--threshold={threshold}",) if threshold else ()), *self._allowances())

    def _evidence(self, agent: str) -> tuple[str, ...]:
        """Evidence for a landing costs a run of the whole suite: it is left where somebody can take it from."""
        place = self.inputs.artifacts
        return (f"--evidence={place}/evidence-{agent}",) if place is not None else ()

    def _head(self) -> tuple[str, ...]:
        is_named = self.context.event in _PULL_REQUESTS and self.context.head
        return (f"--head={self.context.head}",) if is_named else ()

    def _group(self) -> tuple[str, ...]:
        if not self.context.head or not self.context.base_head:
            raise RefusedError(
                "The merge group cannot be told",
                reason="the event names no head_sha and base_sha",
                remedy="Run this on the event merge_group.",
            )
        return (f"--base={self.context.base_head}", "--", self.context.head)


def without_secrets(environ: Mapping[str, str]) -> dict[str, str]:
    """What the testing step itself may hold: a test can read the environment of the processes above it."""
    return {n: v for n, v in environ.items() if not (n in _SECRETS or n.startswith(_SECRET_PREFIXES))}


def child_environment(environ: Mapping[str, str]) -> dict[str, str]:
    """The environment without tokens, inputs and the runner's files."""
    return {n: v for n, v in environ.items() if n in _TOLD or not _hidden(n)}


def _hidden(name: str) -> bool:
    return name in _SECRETS or name.startswith(_HIDDEN_PREFIXES)
