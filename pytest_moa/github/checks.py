"""What is told about a commit: check runs and statuses as one list of names. Pure.

Source: docs.github.com, "About status checks" and "Troubleshooting required status checks": where a check and a status
have one name, both have to pass.
"""

from __future__ import annotations

from collections.abc import Iterable, Mapping
from dataclasses import dataclass
from typing import Literal

from pytest_moa.github import wire

State = Literal["pending", "passed", "failed", "neutral"]

_WORST_FIRST: tuple[State, ...] = ("failed", "pending", "neutral", "passed")
_STATUS: Mapping[str, State] = {"success": "passed", "pending": "pending"}
_CONCLUSION: Mapping[str, State] = {"success": "passed", "neutral": "neutral", "skipped": "neutral"}


@dataclass(frozen=True, slots=True, kw_only=True)
class CheckState:
    """`source` is who told it: an App as `slug[bot]`, a person by name; empty where GitHub does not say."""

    state: State
    source: str
    url: str = ""


def united(
    runs: Iterable[wire.CheckRun], statuses: Iterable[wire.Status], source: str | None = None
) -> dict[str, CheckState]:
    """By name, the worst of what was last told by each run's suite and by each status' context."""
    told: dict[tuple[object, ...], tuple[int, str, CheckState]] = {}
    for run in runs:
        state = _of_run(run)
        suite = run.check_suite.id if run.check_suite else None
        _keep_latest(told, ("run", state.source, suite, run.name), run.id, run.name, state)
    for status in statuses:
        state = _of_status(status)
        if source is None:
            # A later word of anybody takes the place of an earlier one, as on GitHub.
            _keep_latest(told, ("status", status.context), status.id, status.context, state)
        else:
            _keep_latest(told, ("status", status.context, state.source), status.id, status.context, state)
    by_name: dict[str, CheckState] = {}
    for _, name, state in told.values():
        if source is not None and state.source.lower() != source.lower():
            continue
        if name not in by_name or _badness(state) < _badness(by_name[name]):
            by_name[name] = state
    return by_name


def _keep_latest(
    told: dict[tuple[object, ...], tuple[int, str, CheckState]],
    key: tuple[object, ...],
    number: int,
    name: str,
    state: CheckState,
) -> None:
    if key not in told or told[key][0] < number:
        told[key] = (number, name, state)


def _badness(state: CheckState) -> int:
    return _WORST_FIRST.index(state.state)


def _of_run(run: wire.CheckRun) -> CheckState:
    # Whatever is neither known to be good nor still under way has failed: new words of GitHub's included.
    state: State = "pending"
    if run.status == "completed":
        state = _CONCLUSION.get(run.conclusion or "", "failed")
    app = run.app.slug if run.app else None
    return CheckState(state=state, source=f"{app}[bot]" if app else "", url=run.html_url or "")


def _of_status(status: wire.Status) -> CheckState:
    return CheckState(
        state=_STATUS.get(status.state, "failed"),
        source=status.creator.login if status.creator else "",
        url=status.target_url or "",
    )
