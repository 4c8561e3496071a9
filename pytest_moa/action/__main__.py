"""`python -I -m pytest_moa.action test|land|finish`: the steps of the composite action, in their order.

Only `land` has a credential in its environment, and it runs nothing of an agent's.
"""

from __future__ import annotations

import json
import os
import shutil
import sys
import tempfile
from collections.abc import Mapping
from dataclasses import replace
from pathlib import Path

from pytest_moa.action import finish, guarded
from pytest_moa.action.inputs import Inputs, read_inputs
from pytest_moa.action.plan import child_environment, landing, plan, without_secrets
from pytest_moa.action.report import Report, load, read_answer, save
from pytest_moa.errors import MoaError, RefusedError, UndeterminedError
from pytest_moa.github.commands import annotation, fence, neutral
from pytest_moa.github.context import read_context
from pytest_moa.github.outputs import append, write_outputs
from pytest_moa.github.runner_files import empty_others, untouched
from pytest_moa.render import markdown

SUMMARY_BYTES = 1024 * 1024 - 4096


def test(environ: Mapping[str, str]) -> int:
    """Gate, or integrate up to the landing. The verdict is told by the last step, so this one succeeds."""
    folder = _new_folder(environ)
    try:
        report = _tested(environ, folder)
    except MoaError as error:
        report = _refused(error)
    commit = _staged_commit(report)
    _hand_on(environ, {"folder": str(folder), "digest": save(report, folder / "test.json"), "commit": commit})
    return 0


def _tested(environ: Mapping[str, str], folder: Path) -> Report:
    inputs = read_inputs(environ)
    call = plan(inputs, read_context(environ), python=_python(inputs), folder=str(folder))
    with fence(sys.stdout), untouched(environ) as touched:
        answer = guarded.run(_moa(*call.words), child_environment(environ), sys.stdout)
    report = read_answer(call.verb, call.agent, answer.status, answer.stdout, _written(folder / "summary.md"))
    if report.kind == "no-agent" and inputs.agent == "auto":
        report = replace(report, notice=report.problem, problem="", remedy="")
    return replace(report, touched=tuple(touched))


def land(environ: Mapping[str, str]) -> int:
    """Land the staged candidate. The token is in this process's environment and its children's alone."""
    folder = Path(environ["MOA_ACTION_FOLDER"])
    try:
        tested = load(folder / "test.json", environ["MOA_ACTION_DIGEST"])
        report = _landed(environ, folder, tested)
    except MoaError as error:
        report = _refused(error, "integrate")
    _hand_on(environ, {"digest": save(report, folder / "land.json")})
    return 0


def _landed(environ: Mapping[str, str], folder: Path, tested: Report) -> Report:
    commit = environ["MOA_ACTION_COMMIT"]
    if commit != _staged_commit(tested):
        raise UndeterminedError(
            "The staged candidate is not the tested one", remedy="Run again in a fresh job."
        )
    agent = _staged_agent(tested)
    (folder / "summary.md").unlink(missing_ok=True)
    environment = child_environment(environ)
    if environ.get("MOA_TOKEN"):
        # git asks this program for user and password; neither an argument nor a file ever holds the token.
        asking = str(Path(environ["MOA_ACTION_PATH"]) / "action" / "askpass.sh")
        environment |= {"MOA_TOKEN": environ["MOA_TOKEN"], "GIT_ASKPASS": asking, "GIT_TERMINAL_PROMPT": "0"}
    with fence(sys.stdout), untouched(environ):
        answer = guarded.run(_moa(*landing(agent, commit, folder=str(folder))), environment, sys.stdout)
    return read_answer("integrate", agent, answer.status, answer.stdout, _written(folder / "summary.md"))


def conclude(environ: Mapping[str, str]) -> int:
    """Outputs, summary, annotations; the status is the job's end."""
    report = _last_report(environ)
    if not _tested_to_the_end(environ):
        # The testing step was killed and could not put the runner's files back.
        report = replace(report, touched=empty_others(environ))
    try:
        inputs = read_inputs(environ)
    except MoaError:
        inputs = Inputs()  # the first step has told what is wrong with them; that report fails in any case
    why = finish.failure(report, inputs.fail_on)
    folder = Path(environ["MOA_ACTION_FOLDER"]) if _tested_to_the_end(environ) else _new_folder(environ)
    text = _summary_within(finish.summary(report))
    summary_path, report_path = folder / "summary.md", folder / "report.json"
    summary_path.write_text(text, encoding="utf-8")
    if report.result is not None:
        report_path.write_text(json.dumps(report.result, indent=2), encoding="utf-8")
    if inputs.summary and environ.get("GITHUB_STEP_SUMMARY"):
        append(Path(environ["GITHUB_STEP_SUMMARY"]), text)
    lines = finish.told(report, why) if inputs.annotations else [neutral(why)] if why else []
    sys.stdout.write("".join(f"{line}\n" for line in lines))
    _hand_on(environ, finish.outputs(report, summary_path=str(summary_path), report_path=str(report_path)))
    return 1 if why else 0


def _last_report(environ: Mapping[str, str]) -> Report:
    folder = Path(environ.get("MOA_ACTION_FOLDER") or "/nonexistent")
    staged, landed = environ.get("MOA_ACTION_COMMIT", ""), environ.get("MOA_ACTION_LAND_DIGEST", "")
    try:
        if not _tested_to_the_end(environ):
            raise UndeterminedError(
                "The step that runs the tests ended before it could answer",
                remedy="Look into its log; something may have killed it.",
            )
        report = load(folder / "test.json", environ["MOA_ACTION_DIGEST"])
        if not staged:
            return report
        if not landed or environ.get("MOA_ACTION_LAND_OUTCOME") != "success":
            raise UndeterminedError("The landing step ended before it could answer", remedy="Run again.")
        return load(folder / "land.json", landed)
    except MoaError as error:
        return replace(_refused(error), status=70)


def _tested_to_the_end(environ: Mapping[str, str]) -> bool:
    """A step that was killed may have left outputs of a test's making; the runner's own word on its end counts."""
    return bool(environ.get("MOA_ACTION_DIGEST")) and environ.get("MOA_ACTION_OUTCOME") == "success"


def _new_folder(environ: Mapping[str, str]) -> Path:
    return Path(tempfile.mkdtemp(prefix="moa-action-", dir=environ.get("RUNNER_TEMP") or None))


def _staged_commit(report: Report) -> str:
    rows = (report.result or {}).get("staged") if report.verb == "integrate" else None
    return str(rows[0].get("commit", "")) if isinstance(rows, list) and rows else ""


def _staged_agent(report: Report) -> str:
    return str((report.result or {})["staged"][0]["agent"])


def _refused(error: MoaError, verb: str = "gate") -> Report:
    return Report(
        verb="integrate" if verb == "integrate" else "gate",
        agent="",
        status=error.exit_code,
        problem=str(error),
        remedy=error.remedy,
        kind=error.kind,
    )


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


def _moa(*words: str) -> list[str]:
    return [sys.executable, "-I", "-m", "pytest_moa", *words]


def _written(path: Path) -> str:
    if path.is_symlink() or not path.is_file():
        return ""
    with path.open("rb") as stream:
        return _summary_within(stream.read(4 * SUMMARY_BYTES).decode("utf-8", "replace"))


def _summary_within(text: str) -> str:
    return markdown.cut(text, SUMMARY_BYTES, "_Cut to the size that GitHub takes._")


def _hand_on(environ: Mapping[str, str], values: Mapping[str, str]) -> None:
    if environ.get("GITHUB_OUTPUT"):
        write_outputs(Path(environ["GITHUB_OUTPUT"]), values)


STEPS = {"test": test, "land": land, "finish": conclude}


def _start_again_without_secrets(arguments: list[str]) -> None:
    """A caller's `env:` may hold tokens; a process's first environment stays readable in /proc until it ends."""
    clean = without_secrets(os.environ)
    if len(clean) != len(os.environ):
        os.execve(sys.executable, [sys.executable, "-I", "-m", "pytest_moa.action", *arguments], clean)  # noqa: S606 - this very program again, no shell wanted


def main(arguments: list[str]) -> int:
    if arguments[:1] == ["test"]:
        _start_again_without_secrets(arguments)
    try:
        return STEPS[arguments[0]](os.environ)
    except MoaError as error:
        sys.stdout.write(annotation("error", f"{error}. {error.remedy}", title="moa") + "\n")
        return error.exit_code


if __name__ == "__main__":
    sys.exit(main(sys.argv[1:]))
