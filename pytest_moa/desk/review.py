"""The integrity rules on the work tree, asked in a process beside the tests: their time is not the tests' time."""

from __future__ import annotations

import json
import re
import subprocess
import sys
from collections.abc import Mapping
from contextlib import suppress
from dataclasses import dataclass
from typing import Any

from pytest_moa.desk.own import Changes
from pytest_moa.desk.place import Place
from pytest_moa.model.results import Allowed, Finding
from pytest_moa.rules.gate import Doubt

_LEFT_BY_RUNS = re.compile(r"(^|/)(\.coverage(\.[^/]*)?|[^/]*\.pyc)$|(^|/)(__pycache__|\.pytest_cache)/")
PATIENCE = 30.0
"""Seconds that the end of a run waits for the rules; they have had the whole run's time."""


@dataclass(frozen=True, slots=True, kw_only=True)
class Seen:
    """What the rules see in the work tree, after the work tree's policy; `doubt` where they could not be asked."""

    findings: tuple[Finding, ...] = ()
    allowed: tuple[Allowed, ...] = ()
    doubt: Doubt | None = None


class Review:
    """A running review of one agent's changes. `seen` waits for its end; `stop` ends it unasked."""

    def __init__(self, agent: str, order: Mapping[str, Any]) -> None:
        self.agent = agent
        self._process = subprocess.Popen(
            [sys.executable, "-P", "-m", "pytest_moa.desk.reviewer"],
            stdin=subprocess.PIPE,
            stdout=subprocess.PIPE,
            stderr=subprocess.DEVNULL,
            cwd=order["root"],
        )
        if self._process.stdin is not None:
            with suppress(BrokenPipeError), self._process.stdin as pipe:
                pipe.write(json.dumps(order).encode())
            self._process.stdin = None

    def seen(self) -> Seen:
        """Its answer; a doubt where there is none."""
        try:
            told, _ = self._process.communicate(timeout=PATIENCE)
            answer = json.loads(told)
            return Seen(
                findings=tuple(Finding(**facts) for facts in answer["findings"]),
                allowed=tuple(Allowed(**facts) for facts in answer["allowed"]),
            )
        except (subprocess.TimeoutExpired, ValueError, KeyError, TypeError):
            reason = "the integrity rules gave no answer"
            return Seen(doubt=Doubt(reason=reason, remedy=f"`moa gate {self.agent}` asks them again."))
        finally:
            self.stop()

    def stop(self) -> None:
        if self._process.poll() is None:
            self._process.kill()
        self._process.wait()
        if self._process.stdout is not None:
            self._process.stdout.close()


def review_here(place: Place, changes: Changes, agent: str | None, order: Mapping[str, Any]) -> Review | None:
    """A review of what the checked-out branch changed, where it is the agent's own work; None where it is not.

    `agent` is the one of `--moa-agent`; `order` says how the place was found, so that the other process finds it again.
    """
    mine = changes.owner or agent
    if mine is None or (agent is not None and agent != mine) or changes.base is None or changes.doubt:
        return None
    # Named before the run, which leaves files of its own; those of earlier runs are nobody's work either.
    paths = [path for path in changes.paths if not _LEFT_BY_RUNS.search(path)]
    facts = {"root": str(place.root), "agent": mine, "base": changes.base, "paths": paths}
    return Review(mine, {**order, **facts})
