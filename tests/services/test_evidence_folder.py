"""The evidence folder comes into being whole, replaces only evidence, and is read back as untrusted input."""

from __future__ import annotations

import json
import shutil
import subprocess
from collections.abc import Callable
from pathlib import Path

import pytest

from pytest_moa.errors import RefusedError, UndeterminedError
from pytest_moa.services import evidence_folder
from pytest_moa.services.evidence_folder import (
    End,
    Manifest,
    Run,
    encoded,
    read_folder,
    require_place,
    write_folder,
)

END = End(status=0, signal=None, timed_out=False, seconds=1.5, survivors=(), output="")
MANIFEST = Manifest(
    schema=1,
    moa="1",
    agent="03",
    branch="agent-03-ü",
    head="a" * 40,
    target_branch="develop",
    target="b" * 40,
    candidate="c" * 40,
    threshold=None,
    allow=(),
    python="3.12.1",
    environment=None,
    work="/tmp/moa-x/repo",
    runs=(Run(name="main", end=END, problems=()),),
    not_run=None,
    doubts=(),
    touched=(),
    around=(),
    notes=(),
    seconds=2.0,
    files=("record.jsonl", "result.json"),
)
FILES: dict[str, Path | bytes] = {"record.jsonl": b'{"kind": "begin"}\n', "result.json": b"{}\n"}


@pytest.fixture
def folder(tmp_path: Path) -> Path:
    place = tmp_path / "deep" / "evidence"
    write_folder(place, MANIFEST, FILES)
    return place


def read(folder: Path, tmp_path: Path) -> Manifest:
    copies = tmp_path / "copies"
    shutil.rmtree(copies, ignore_errors=True)
    return read_folder(folder, copies).manifest


def refused(folder: Path, tmp_path: Path) -> str:
    with pytest.raises(UndeterminedError) as caught:
        read(folder, tmp_path)
    return caught.value.reason


def mend_sums(folder: Path) -> None:
    names = sorted(path.name for path in folder.iterdir() if path.name != "SHA256SUMS")
    done = subprocess.run(["sha256sum", *names], cwd=folder, capture_output=True, check=True)
    (folder / "SHA256SUMS").write_bytes(done.stdout)


def test_what_was_written_is_read_and_sha256sum_agrees(folder: Path, tmp_path: Path) -> None:
    assert read(folder, tmp_path) == MANIFEST
    assert (
        subprocess.run(["sha256sum", "--quiet", "-c", "SHA256SUMS"], cwd=folder, check=False).returncode == 0
    )
    assert [path.name for path in folder.parent.iterdir()] == ["evidence"]


def test_evidence_of_before_is_replaced_as_a_whole(folder: Path, tmp_path: Path) -> None:
    (folder / "coverage.0003").write_bytes(b"of before")
    write_folder(folder, MANIFEST, FILES)
    assert read(folder, tmp_path) == MANIFEST
    assert not (folder / "coverage.0003").exists()
    assert [path.name for path in folder.parent.iterdir()] == ["evidence"]


def test_an_empty_folder_is_taken(tmp_path: Path) -> None:
    (tmp_path / "empty").mkdir()
    write_folder(tmp_path / "empty", MANIFEST, FILES)
    assert read(tmp_path / "empty", tmp_path) == MANIFEST


@pytest.mark.parametrize(
    ("make", "reason"),
    [
        (lambda place: place.write_text("mine"), "Not a directory"),
        (lambda place: place.symlink_to("/tmp"), "it is a link"),
        (lambda place: [place.mkdir(), (place / "thesis.tex").write_text("mine")], "'thesis.tex', which is not evidence"),
        (lambda place: [place.mkdir(), (place / "report").write_text("mine")], "holds no whole evidence"),
        (lambda place: [place.mkdir(), (place / "evidence.json").mkdir()], "holds no whole evidence"),
    ],
)  # fmt: skip
def test_a_place_that_holds_something_else_is_refused_and_kept(
    tmp_path: Path, make: Callable[[Path], object], reason: str
) -> None:
    place = tmp_path / "place"
    make(place)
    before = sorted(str(path) for path in tmp_path.rglob("*"))
    with pytest.raises(RefusedError) as caught:
        write_folder(place, MANIFEST, FILES)
    assert reason in caught.value.reason
    assert str(place) in caught.value.message
    assert caught.value.remedy
    assert sorted(str(path) for path in tmp_path.rglob("*")) == before


def test_a_place_below_a_file_is_refused_before_anything_runs(tmp_path: Path) -> None:
    (tmp_path / "file").touch()
    with pytest.raises(RefusedError):
        require_place(tmp_path / "file" / "evidence")


@pytest.mark.parametrize("name", ["evidence.json", "record.jsonl", "result.json", "SHA256SUMS"])
def test_no_changed_byte_is_read_over(folder: Path, tmp_path: Path, name: str) -> None:
    data = (folder / name).read_bytes()
    for place in range(0, len(data), max(1, len(data) // 40)):
        changed = bytearray(data)
        changed[place] ^= 1 << place % 8
        (folder / name).write_bytes(bytes(changed))
        assert refused(folder, tmp_path)
    (folder / name).write_bytes(data)
    assert read(folder, tmp_path) == MANIFEST


@pytest.mark.parametrize(
    ("change", "mended", "reason"),
    [
        (lambda f: (f / "record.jsonl").unlink(), False, "record.jsonl is missing"),
        (lambda f: (f / "record.jsonl").unlink(), True, "names other files than there are"),
        (lambda f: (f / "evidence.json").unlink(), True, "it is missing"),
        (lambda f: (f / "SHA256SUMS").unlink(), False, "it is missing"),
        (lambda f: shutil.copy(f / "record.jsonl", f / "record-old.jsonl"), False, "is not named in SHA256SUMS"),
        (lambda f: shutil.copy(f / "record.jsonl", f / "record-old.jsonl"), True, "names other files than there are"),
        (lambda f: (f / ".hidden").touch(), True, "'.hidden' is no file of an evidence folder"),
        (lambda f: (f / "deep").mkdir(), False, "'deep' is no file"),
        (lambda f: (f / "record.jsonl").write_bytes(b""), False, "record.jsonl is not what SHA256SUMS says"),
        (lambda f: [(f / "record.jsonl").unlink(), subprocess.run(["mkfifo", f / "record.jsonl"], check=True)], False, "record.jsonl: it is no regular file"),
        (lambda f: [(f / "record.jsonl").unlink(), (f / "record.jsonl").symlink_to("result.json")], True, "record.jsonl: it is a link"),
        (lambda f: (f / "SHA256SUMS").write_bytes((f / "SHA256SUMS").read_bytes() * 2), False, "SHA256SUMS is not as moa writes it"),
    ],
)  # fmt: skip
def test_a_folder_that_is_not_whole_is_undetermined(
    folder: Path, tmp_path: Path, change: Callable[[Path], object], mended: bool, reason: str
) -> None:
    change(folder)
    if mended:
        mend_sums(folder)
    assert reason in refused(folder, tmp_path)


def test_a_file_beyond_its_limit_is_not_read_on(
    folder: Path, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr(evidence_folder, "_LARGE", 5)
    assert refused(folder, tmp_path) == "record.jsonl: it is larger than 5 bytes"


@pytest.mark.parametrize(
    "change",
    [
        lambda said: said | {"schema": 2},
        lambda said: said | {"schema": True},
        lambda said: said | {"further": 1},
        lambda said: {name: value for name, value in said.items() if name != "head"},
        lambda said: said | {"seconds": "2.0"},
        lambda said: said | {"seconds": 2},
        lambda said: said | {"seconds": float("nan")},
        lambda said: said | {"runs": [{"name": "main"}]},
        lambda said: dict(reversed(said.items())),
        lambda said: [said],
    ],
)
def test_a_manifest_is_taken_only_as_it_is_written(
    folder: Path, tmp_path: Path, change: Callable[[dict[str, object]], object]
) -> None:
    said = json.loads((folder / "evidence.json").read_bytes())
    (folder / "evidence.json").write_text(json.dumps(change(said), indent=2, ensure_ascii=False) + "\n")
    mend_sums(folder)
    assert refused(folder, tmp_path)


@pytest.mark.parametrize(
    "data",
    [
        encoded(MANIFEST).replace(b'"agent": "03"', b'"agent": "04",\n  "agent": "03"'),
        encoded(MANIFEST).replace(b"\xc3\xbc", b"\\u00fc"),
        encoded(MANIFEST).replace(b"\xc3\xbc", b"\xfc"),
        encoded(MANIFEST).replace(b"2.0", b"2.00"),
        b"[" * 100_000,
        b"\xff\xfe" + encoded(MANIFEST).decode().encode("utf-16-le"),
        b"",
    ],
)
def test_another_way_to_write_the_same_is_refused(folder: Path, tmp_path: Path, data: bytes) -> None:
    (folder / "evidence.json").write_bytes(data)
    mend_sums(folder)
    assert "is not as moa writes it" in refused(folder, tmp_path)
