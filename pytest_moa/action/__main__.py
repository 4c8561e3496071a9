"""`python -I -m pytest_moa.action test|merge|land|comment|finish`: the steps of the composite action, in their order.

Only `land` and `comment` have a credential in their environment, and they run nothing of an agent's.
"""

from __future__ import annotations

import json
import os
import shutil
import sys
import tempfile
from collections.abc import Mapping, Sequence
from dataclasses import replace
from pathlib import Path

from pytest_moa.action import finish, guarded
from pytest_moa.action.calls import Calls
from pytest_moa.action.comment import texts_of, write_comments
from pytest_moa.action.inputs import Inputs, read_inputs
from pytest_moa.action.plan import Words, child_environment, decide, without_secrets
from pytest_moa.action.report import GATES, Report, load, refused, save
from pytest_moa.action.whereabouts import facts_of
from pytest_moa.errors import MoaError, RefusedError, UndeterminedError
from pytest_moa.github.commands import annotation, fence, neutral
from pytest_moa.github.context import read_context
from pytest_moa.github.outputs import append, write_outputs
from pytest_moa.github.runner_files import empty_others, untouched
from pytest_moa.render import markdown
from pytest_moa.testing.process import RUN_NOTHING

SUMMARY_BYTES = 1024 * 1024 - 4096


def test(environ: Mapping[str, str]) -> int:
    """All that may run agents' code, up to the landing. The verdict is told by the last step, so this one succeeds."""
    folder = Path(tempfile.mkdtemp(prefix="moa-action-", dir=environ.get("RUNNER_TEMP") or None))
    try:
        report = _tested(environ, folder)
    except MoaError as error:
        report = refused(error)
    passed = report.result is not None and report.result.get("verdict") == "passed"
    following = "land" if report.pending else "merge" if report.merge and passed else ""
    handed = {"folder": str(folder), "digest": save(report, folder / "test.json"), "next": following}
    _hand_on(environ, {**handed, "commit": report.staged_commit})
    return 0


def _tested(environ: Mapping[str, str], folder: Path) -> Report:
    inputs, context = read_inputs(environ), read_context(environ)
    clean = child_environment(environ)
    facts = facts_of(inputs, context, clean)
    decision = decide(inputs, context, facts, token=environ.get("MOA_ACTION_HAS_TOKEN") == "true")
    if decision.doing == "nothing":
        return Report(doing="nothing", notices=decision.notices)
    words = Words(inputs=inputs, context=context, python=_python(inputs), folder=str(folder))
    with fence(sys.stdout), untouched(environ) as touched:
        calls = Calls(words=words, environment=clean, run=_run)
        if decision.here:
            report = calls.beside(Report(doing=decision.doing, agent=decision.agent, pending=True))
        else:
            report = calls.all_of(decision)
    return replace(
        report,
        merge=decision.merge,
        notices=decision.notices,
        branches=facts.branches,
        touched=tuple(touched),
    )


def merge(environ: Mapping[str, str]) -> int:
    """After a gate that passed: the integration of that agent, up to the landing. Runs agents' code, as the gate did."""
    folder = Path(environ["MOA_ACTION_FOLDER"])
    try:
        report = _merged(environ, folder)
    except MoaError as error:
        report = refused(error, "integrate")
    _hand_on(environ, {"digest": save(report, folder / "merge.json"), "commit": report.staged_commit})
    return 0


def _merged(environ: Mapping[str, str], folder: Path) -> Report:
    gated = load(folder / "test.json", environ["MOA_ACTION_DIGEST"])
    if gated.doing not in GATES or not gated.merge or (gated.result or {}).get("verdict") != "passed":
        raise UndeterminedError("Nothing was gated that could be merged", remedy="Run again in a fresh job.")
    inputs = read_inputs(environ)
    words = Words(inputs=inputs, context=read_context(environ), python=_python(inputs), folder=str(folder))
    with fence(sys.stdout), untouched(environ) as touched:
        calls = Calls(words=words, environment=child_environment(environ), run=_run)
        report = calls.one("integrate", gated.agent, words.integrate(gated.agent, f"--stage={folder}/staged"))
    return replace(report, touched=tuple(touched), branches=gated.branches)


def land(environ: Mapping[str, str]) -> int:
    """Land. The token is in this process's environment and its children's alone."""
    folder = Path(environ["MOA_ACTION_FOLDER"])
    try:
        report = _landed(environ, folder)
    except MoaError as error:
        report = refused(error, "integrate")
    _hand_on(environ, {"digest": save(report, folder / "land.json")})
    return 0


def _landed(environ: Mapping[str, str], folder: Path) -> Report:
    tested = load(folder / "test.json", environ["MOA_ACTION_DIGEST"])
    if environ.get("MOA_ACTION_MERGE_DIGEST"):
        tested = load(folder / "merge.json", environ["MOA_ACTION_MERGE_DIGEST"])
    commit = environ.get("MOA_ACTION_COMMIT", "")
    if commit != tested.staged_commit or not (commit or tested.pending):
        raise UndeterminedError(
            "The staged candidate is not the tested one", remedy="Run again in a fresh job."
        )
    inputs = read_inputs(environ)
    words = Words(inputs=inputs, context=read_context(environ), python=_python(inputs), folder=str(folder))
    environment = child_environment(environ) | _credential(environ) | {RUN_NOTHING: "1"}
    said = words.landing(tested.agent, commit) if commit else words.pending(tested.doing, tested.agent)
    with fence(sys.stdout), untouched(environ):
        calls = Calls(words=words, environment=environment, run=_run)
        report = calls.one(tested.doing, tested.agent, said)
    return replace(report, branches=tested.branches)


def _credential(environ: Mapping[str, str]) -> dict[str, str]:
    """How git gets at the token: it asks a program. Neither an argument nor a file ever holds it, and no helper keeps it."""
    token = environ.get("MOA_TOKEN")
    if not token:
        return {}
    number = environ.get("GIT_CONFIG_COUNT", "")
    last = int(number) if number.isdecimal() else 0
    return {
        "MOA_TOKEN": token,
        "GIT_ASKPASS": str(Path(environ["MOA_ACTION_PATH"]) / "action" / "askpass.sh"),
        "GIT_TERMINAL_PROMPT": "0",
        "GIT_CONFIG_COUNT": str(last + 1),
        f"GIT_CONFIG_KEY_{last}": "credential.helper",
        f"GIT_CONFIG_VALUE_{last}": "",
    }


def comment(environ: Mapping[str, str]) -> int:
    """Comments on pull requests. The token is in this process's environment; nothing is started."""
    try:
        wanted = read_inputs(environ).comment
    except MoaError:
        return 0  # the first step has told what is wrong with the inputs
    told = write_comments(_reports(environ), read_context(environ), environ) if wanted else []
    _hand_on(environ, {"notices": json.dumps(told)})
    return 0


def conclude(environ: Mapping[str, str]) -> int:
    """Outputs, summary, annotations; the status is the job's end."""
    reports = _reports(environ)
    believed = _ended(environ, "")
    if not believed:
        # The testing step was killed and could not put the runner's files back.
        reports = [replace(reports[0], touched=empty_others(environ)), *reports[1:]]
    try:
        inputs = read_inputs(environ)
    except MoaError:
        inputs = Inputs()  # the first step has told what is wrong with them; that report fails in any case
    reports[-1] = replace(
        reports[-1], notices=(*reports[-1].notices, *_of_comments(environ, inputs, reports))
    )
    why = finish.failure(reports, inputs.fail_on)
    folder = Path(tempfile.mkdtemp(prefix="moa-report-", dir=environ.get("RUNNER_TEMP") or None))
    text = _summary_within(finish.summary(reports))
    summary_path, report_path = folder / "summary.md", folder / "report.json"
    summary_path.write_text(text, encoding="utf-8")
    if (whole := finish.whole(reports)) is not None:
        report_path.write_text(json.dumps(whole, indent=2), encoding="utf-8")
    _leave(inputs, folder, reports)
    if inputs.summary and environ.get("GITHUB_STEP_SUMMARY"):
        append(Path(environ["GITHUB_STEP_SUMMARY"]), text)
    lines = finish.told(reports, why) if inputs.annotations else [neutral(why)] if why else []
    sys.stdout.write("".join(f"{line}\n" for line in lines))
    _hand_on(environ, finish.outputs(reports, summary_path=str(summary_path), report_path=str(report_path)))
    return 1 if why else 0


def _of_comments(environ: Mapping[str, str], inputs: Inputs, reports: Sequence[Report]) -> list[str]:
    """What the step before has to tell, or why there was none."""
    said = environ.get("MOA_ACTION_COMMENT_NOTICES", "")
    if said:
        return [str(notice) for notice in json.loads(said)]
    wanted = inputs.comment and texts_of(reports)
    return ["No comment was written: there is no input `token`"] if wanted else []


def _leave(inputs: Inputs, folder: Path, reports: Sequence[Report]) -> None:
    """Copies for whoever takes the artifacts; of a landing that folder holds what it was made from, and stays as it is."""
    place = inputs.artifacts
    if place is None or any(report.doing == "land" for report in reports):
        return
    target = place / "moa"
    try:
        if target.is_symlink():
            target.unlink()
        shutil.rmtree(target, ignore_errors=True)
        shutil.copytree(folder, target)
        for report in reports:
            for name, text in report.comments.items():
                (target / name).write_text(text, encoding="utf-8")
    except OSError as error:
        raise RefusedError(
            f"The reports could not be left in {place}",
            reason=str(error),
            remedy="Name a folder as `artifacts` that can be written.",
        ) from error


def _reports(environ: Mapping[str, str]) -> list[Report]:
    """The reports of all steps that had something to do, in their order; an error in place of one that is missing."""
    folder = Path(environ.get("MOA_ACTION_FOLDER") or "/nonexistent")
    found: list[Report] = []
    try:
        if not _ended(environ, ""):
            raise UndeterminedError(
                "The step that runs the tests ended before it could answer",
                remedy="Look into its log; something may have killed it.",
            )
        found.append(load(folder / "test.json", environ["MOA_ACTION_DIGEST"]))
        following = environ.get("MOA_ACTION_NEXT", "")
        if following == "merge":
            found.append(_of_step(environ, folder, "merge"))
        if following == "land" or environ.get("MOA_ACTION_COMMIT"):
            found.append(_of_step(environ, folder, "land"))
    except MoaError as error:
        found.append(replace(refused(error), status=70))
    return found


def _of_step(environ: Mapping[str, str], folder: Path, name: str) -> Report:
    if not _ended(environ, f"{name.upper()}_"):
        raise UndeterminedError(
            f"The step that should {name} ended before it could answer",
            remedy="Look into its log; run again.",
        )
    return load(folder / f"{name}.json", environ[f"MOA_ACTION_{name.upper()}_DIGEST"])


def _ended(environ: Mapping[str, str], step: str) -> bool:
    """A step that was killed may have left outputs of a test's making; the runner's own word on its end counts."""
    outcome = environ.get(f"MOA_ACTION_{step}OUTCOME")
    return bool(environ.get(f"MOA_ACTION_{step}DIGEST")) and outcome == "success"


def _python(inputs: Inputs) -> str:
    """The tests' interpreter: the input, else what the caller's PATH calls Python. Links are kept: they mean a venv."""
    asked = inputs.python
    found = shutil.which(asked) if asked else shutil.which("python3") or shutil.which("python")
    if found is None:
        raise RefusedError(
            f"There is no interpreter {asked or 'python3 or python'!r} for the tests",
            reason="it is neither a program nor on PATH",
            remedy="Set Python up before this action (actions/setup-python), or name it with the input `python`.",
        )
    return str(Path(found).absolute())


def _run(words: Sequence[str], environment: Mapping[str, str]) -> guarded.Answer:
    return guarded.run(_moa(*words), environment, sys.stdout)


def _moa(*words: str) -> list[str]:
    return [sys.executable, "-I", "-m", "pytest_moa", *words]


def _summary_within(text: str) -> str:
    return markdown.cut(text, SUMMARY_BYTES, "_Cut to the size that GitHub takes._")


def _hand_on(environ: Mapping[str, str], values: Mapping[str, str]) -> None:
    if environ.get("GITHUB_OUTPUT"):
        write_outputs(Path(environ["GITHUB_OUTPUT"]), values)


STEPS = {"test": test, "merge": merge, "land": land, "comment": comment, "finish": conclude}
_RUN_AGENTS_CODE = frozenset({"test", "merge"})


def _start_again_without_secrets(arguments: list[str]) -> None:
    """A caller's `env:` may hold tokens; a process's first environment stays readable in /proc until it ends."""
    clean = without_secrets(os.environ)
    if len(clean) != len(os.environ):
        os.execve(sys.executable, [sys.executable, "-I", "-m", "pytest_moa.action", *arguments], clean)  # noqa: S606 - this very program again, no shell wanted


def main(arguments: list[str]) -> int:
    if arguments and arguments[0] in _RUN_AGENTS_CODE:
        _start_again_without_secrets(arguments)
    try:
        return STEPS[arguments[0]](os.environ)
    except MoaError as error:
        sys.stdout.write(annotation("error", f"{error}. {error.remedy}", title="moa") + "\n")
        return error.exit_code


if __name__ == "__main__":
    sys.exit(main(sys.argv[1:]))
