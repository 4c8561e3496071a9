"""The main job on the example team, as a person would type it; `make demo` runs this.

Standard library only. Exits 1 where an outcome is not the one that README.md tells: the demo is a test, too.
"""

from __future__ import annotations

import os
import re
import shlex
import subprocess
import sys
import tempfile
import time
from collections.abc import Sequence
from dataclasses import dataclass
from pathlib import Path

import build

SECOND_TRY = build.HERE / "fixes" / "agent-06-workload.patch"
# Another system's variables of these names would configure moa, git, pytest or coverage.
FOREIGN = ("GIT_", "MOA_", "AGENT_", "GITHUB_", "PYTEST_", "COVERAGE_", "COV_")


@dataclass(frozen=True, slots=True, kw_only=True)
class Step:
    """A command as typed, why it is typed, and what has to come of it: exit status and words of the output."""

    words: tuple[str, ...]
    about: str = ""
    exits: int = 0
    says: tuple[str, ...] = ()


@dataclass(frozen=True, slots=True, kw_only=True)
class Done:
    step: Step
    status: int
    output: str
    seconds: float

    @property
    def differences(self) -> tuple[str, ...]:
        typed = shlex.join(self.step.words)
        wrong = (
            ()
            if self.status == self.step.exits
            else (f"`{typed}` exited {self.status}, not {self.step.exits}",)
        )
        unsaid = (
            f"`{typed}` did not say {said!r}" for said in self.step.says if not re.search(said, self.output)
        )
        return (*wrong, *unsaid)


def moa(*words: str, about: str = "", exits: int = 0, says: Sequence[str] = ()) -> Step:
    return Step(words=("moa", *words), about=about, exits=exits, says=tuple(says))


def git(*words: str, about: str = "", says: Sequence[str] = ()) -> Step:
    return Step(words=("git", *words), about=about, says=tuple(says))


LEAP_DAY = r"test_a_birthday_on_a_leap_day_returns_to_the_29th"
SEVEN_DAYS = r"test_a_week_has_seven_days_from_monday_to_sunday"

FIRST_LOOK = (
    moa("bootstrap", about="Is everything there?"),
    moa("status", about="Who works here, and how far are they?", says=["Periods", "Workload"]),
)
GATES = (
    moa("gate", "01", about="Each agent says that it is done. The gate looks for itself."),
    moa("gate", "02"),
    moa(
        "gate",
        "03",
        about="All green, but the command itself was never called.",
        exits=1,
        says=["90", r"search\.py"],
    ),
    moa("gate", "04", about="'Leap days are taken care of', it says.", exits=1, says=[LEAP_DAY]),
    moa("gate", "05"),
    moa("gate", "06"),
    moa(
        "gate",
        "07",
        about="Green, covered, and an expectation of another's test was 'out of date'. The old test says otherwise.",
        exits=1,
        says=["old-tests-fail", r"date\(2028, 2, 29\)"],
    ),
    moa(
        "gate",
        "08",
        about="100 % coverage. Does any test notice when this code is wrong?",
        exits=1,
        says=["100.00%", "probe-blind"],
    ),
)
LANDINGS = (
    moa("integrate", "01", about="What passes is merged, the merge is tested, and what was tested lands."),
    moa("integrate", "02"),
    moa(
        "integrate",
        "03",
        about="Green in the whole suite, too; still refused for its coverage.",
        exits=1,
        says=["90"],
    ),
    moa("integrate", "04", about="Refused for its red test.", exits=1, says=[LEAP_DAY]),
    moa(
        "integrate",
        "05",
        about="Passed alone, but 02 wrote at the same place and was first.",
        exits=4,
        says=[r"src/taskboard/formats\.py"],
    ),
    moa(
        "integrate",
        "06",
        about="Passed alone and merges without a conflict, but 01 changed what week_of() means.",
        exits=1,
        says=[SEVEN_DAYS],
    ),
    moa("integrate", "07", about="Refused in the queue, too.", exits=1, says=["old-tests-fail"]),
    moa("integrate", "08", exits=1, says=["probe-blind"]),
)
SECOND_ROUND = (
    git(
        "switch",
        "--quiet",
        "agent-06-workload",
        about="Agent 06 reads that, takes develop in, and repairs its caller.",
    ),
    git("merge", "--quiet", "--no-edit", "develop"),
    git("am", "--quiet", str(SECOND_TRY)),
    git("switch", "--quiet", "develop"),
    moa("integrate", "06", about="Again:"),
)
LAST_LOOK = (
    moa("status", about="Where does the team stand now?", says=["Periods", "completed"]),
    git("log", "--graph", "--oneline", "develop", says=["half-open", "second day"]),
)
TITLES = {
    "A first look": FIRST_LOOK,
    "The gate, for each branch alone": GATES,
    "Integration, one after the other": LANDINGS,
    "A second try": SECOND_ROUND,
    "A last look": LAST_LOOK,
}


def environment(folder: Path) -> dict[str, str]:
    """What the typed commands see: `moa` of this interpreter first, a cache of the demo's own, a fixed identity."""
    kept = {name: value for name, value in os.environ.items() if not name.startswith(FOREIGN)}
    ours = build.environment()
    settings = {name: ours[name] for name in ours if name.startswith("GIT_") and not name.endswith("_DATE")}
    return (
        kept
        | settings
        | {
            "PATH": os.pathsep.join([str(Path(sys.executable).parent), os.environ.get("PATH", os.defpath)]),
            "XDG_CACHE_HOME": str(folder / "cache"),
            "PYTHONIOENCODING": "utf-8",
        }
    )


def bold(text: str) -> str:
    return f"\033[1m{text}\033[0m" if sys.stdout.isatty() and "NO_COLOR" not in os.environ else text


def say(text: str = "") -> None:
    print(text, flush=True)


def type_in(step: Step, repository: Path, variables: dict[str, str]) -> Done:
    """Runs a step as a person would see it; its standard output is shown and kept, progress goes past."""
    if step.about:
        say(f"\n# {step.about}")
    say(bold(f"$ {shlex.join(step.words)}"))
    began = time.monotonic()
    lines: list[str] = []
    with subprocess.Popen(
        step.words,
        cwd=repository,
        env=variables,
        stdin=subprocess.DEVNULL,
        stdout=subprocess.PIPE,
        encoding="utf-8",
        errors="replace",
    ) as process:
        assert process.stdout is not None  # noqa: S101 - a pipe was asked for; mypy cannot know
        for line in process.stdout:
            sys.stdout.write(line)
            sys.stdout.flush()
            lines.append(line)
    return Done(step=step, status=process.returncode, output="".join(lines), seconds=time.monotonic() - began)


def landed_in(repository: Path) -> list[str]:
    """The agents' heads that develop's own line of merges names, oldest first."""
    trailer = "--format=%(trailers:key=Moa-Head,valueonly,separator=%x2C)"
    lines = build.git(repository, "log", "--first-parent", "--reverse", trailer, "develop").splitlines()
    return [line.strip() for line in lines if line.strip()]


def facts(repository: Path, first: dict[str, str]) -> tuple[str, ...]:
    """What git itself says differs from the story: who landed, who did not, and a work tree that follows."""
    wanted = [
        first["agent-01-periods"],
        first["agent-02-csv"],
        build.heads(repository)["agent-06-workload"],
    ]
    wrong = []
    if (landed := landed_in(repository)) != wanted:
        wrong.append(f"develop holds the heads {landed}, not {wanted}")
    if dirt := build.git(repository, "status", "--porcelain"):
        wrong.append(f"the work tree is not clean:\n{dirt}")
    return tuple(wrong)


def write_report(path: Path, done: Sequence[Done], repository: Path) -> None:
    """A Markdown page: a line a command, and what each printed, folded."""
    rows = [
        f"| `{shlex.join(d.step.words)}` | {'✅' if d.status == 0 else f'❌ {d.status}'} | {d.seconds:.1f} s |"
        for d in done
        if d.step.words[0] == "moa"
    ]
    log = build.git(repository, "log", "--graph", "--oneline", "develop")
    details = [
        f"<details><summary><code>{shlex.join(d.step.words)}</code></summary>\n\n````text\n{d.output.rstrip()}\n````\n\n</details>"
        for d in done
        if d.step.words[0] == "moa"
    ]
    page = [
        "# The example team: what became of each branch",
        "\n".join(["| command | exit | time |", "| --- | --- | --- |", *rows]),
        f"## develop\n\n````text\n{log}\n````",
        "## What each command said",
        *details,
    ]
    path.write_text("\n\n".join(page) + "\n", encoding="utf-8")


def farewell(folder: Path, repository: Path, seconds: float) -> None:
    say(bold(f"\n=== As expected, in {seconds:.0f} s"))
    say(f"""
Landed: 01 and 02, and 06 with its second try. Refused: 03 (coverage), 04 (a red test), 05 (a conflict with 02),
07 (it changed what an old test expects), 08 (its tests look at nothing).

  repository   {repository}
  report       {folder / "report.md"}

Try next:
  export PATH={shlex.quote(str(Path(sys.executable).parent))}:"$PATH"
  cd {shlex.quote(str(repository))}
  moa gate 03                                      # what is not tested, line by line
  git switch agent-03-search
  pytest --moa-agent 03                            # the same at the agent's own desk
  git switch develop
  moa integrate 05 --json                          # the same, for scripts
  git log -3 --first-parent develop                # each merge names the head that was tested
  git log --stat -1 moa/ledger                     # what moa wrote down

Remove it all:
  rm -rf {shlex.quote(str(folder))}""")


def play(folder: Path) -> tuple[str, ...]:
    """The whole demo. Returns what differed from the story, as sentences."""
    repository, began = folder / "taskboard", time.monotonic()
    say(bold("=== Building the example team"))
    first = build.build(repository)
    say(f"{len(first) - 2} agents' branches on develop, in {repository}")
    variables = environment(folder)
    done = []
    for title, steps in TITLES.items():
        say(bold(f"\n=== {title}"))
        done += [type_in(step, repository, variables) for step in steps]
    write_report(folder / "report.md", done, repository)
    differences = (*(text for d in done for text in d.differences), *facts(repository, first))
    if not differences:
        farewell(folder, repository, time.monotonic() - began)
    return differences


def main() -> int:
    folder = Path(tempfile.mkdtemp(prefix="taskboard-demo-"))
    try:
        differences = play(folder)
    except KeyboardInterrupt:
        say(f"\ninterrupted; remove what is there with: rm -rf {shlex.quote(str(folder))}")
        return 130
    if differences:
        say(bold("\n=== Not as expected"))
        say("\n".join(f"- {text}" for text in differences))
        say(f"\nEverything is kept in {folder}")
        return 1
    return 0


if __name__ == "__main__":
    raise SystemExit(main())
