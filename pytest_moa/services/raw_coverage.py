"""The raw coverage data of a run, made clean before anything is concluded from them. Decides nothing."""

from __future__ import annotations

from dataclasses import replace
from pathlib import Path

from pytest_moa.git import repository as git
from pytest_moa.git.quarantine import Quarantine
from pytest_moa.model.evidence import Evidence
from pytest_moa.rules.gate import Doubt
from pytest_moa.services.subject import Subject
from pytest_moa.testing.raw_data import clean_data
from pytest_moa.testing.request import ChildRequest


def cleaned(
    quarantine: Quarantine,
    subject: Subject,
    request: ChildRequest,
    *,
    raw: Path,
    work: str,
    evidence: Evidence,
) -> tuple[ChildRequest, tuple[Doubt, ...]]:
    """The request with its `run_dir` turned to a folder of clean data, made from those in `raw` that name files below `work`.

    A doubt where they name other files, lines that the candidate's files do not have, or tests that the record does not
    know; then the folder holds none.
    """
    folder = request.run_dir / "clean"
    (folder / "tmp").mkdir(parents=True, exist_ok=True)
    turned = replace(request, run_dir=folder)
    if not subject.own:
        return turned, ()
    texts = git.read_blobs(quarantine.repository, subject.candidate, list(subject.own))
    lengths = {path: len(data.splitlines()) for path, data in texts.items()}
    reason = clean_data(
        raw,
        folder,
        work=work,
        to=str(request.work.resolve()),
        lengths=lengths,
        tests=evidence.collected,
    )
    if reason is None:
        return turned, ()
    for path in folder.glob("coverage.*"):
        path.unlink()
    remedy = "Look for code that writes or patches coverage's data; `moa gate` again shows whether it stays."
    return turned, (Doubt(reason=f"the coverage data cannot be believed: {reason}", remedy=remedy),)
