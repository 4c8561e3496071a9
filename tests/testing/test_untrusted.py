"""Files that code under test may have put there are opened only where they are files."""

from __future__ import annotations

import os
from collections.abc import Callable
from pathlib import Path

import pytest

from pytest_moa.testing.untrusted import OddFileError, contents, entries, strict_json


@pytest.mark.parametrize(
    ("make", "reason"),
    [
        (Path.exists, "it is missing"),
        (os.mkfifo, "it is no regular file"),
        (lambda place: place.mkdir(), "it is no regular file"),
        (lambda place: place.symlink_to("/etc/hostname"), "it is a link"),
        (lambda place: place.symlink_to("/nowhere"), "it is a link"),
        (lambda place: place.write_bytes(b"x" * 11), "it is larger than 10 bytes"),
    ],
)
def test_what_is_no_file_of_a_sane_size_is_refused_and_nothing_stays_open(
    tmp_path: Path, make: Callable[[Path], object], reason: str
) -> None:
    make(tmp_path / "it")
    before = still_open()
    with pytest.raises(OddFileError, match=reason):
        contents(tmp_path / "it", 10)
    assert still_open() == before


def still_open() -> int:
    place = Path("/proc/self/fd")
    return len(list(place.iterdir())) if place.is_dir() else 0


def test_a_device_is_no_file() -> None:
    with pytest.raises(OddFileError, match="no regular file"):
        contents(Path("/dev/zero"), 10)


def test_a_name_that_no_file_can_have_is_refused() -> None:
    with pytest.raises(OddFileError):
        contents(Path("a\0b"), 10)


def test_a_folder_is_listed_up_to_a_bound(tmp_path: Path) -> None:
    for name in "cab":
        (tmp_path / name).touch()
    assert entries(tmp_path, 3) == ["a", "b", "c"]
    with pytest.raises(OddFileError, match="more than 2"):
        entries(tmp_path, 2)
    (tmp_path / "link").symlink_to(tmp_path)
    with pytest.raises(OddFileError, match="a link"):
        entries(tmp_path / "link", 3)


@pytest.mark.parametrize(
    ("data", "reason"),
    [
        (b'{"a": 1, "a": 2}', "said twice"),
        (b'{"b": [{"a": 1, "a": 1}]}', "said twice"),
        (b"NaN", "no number"),
        (b"[-Infinity]", "no number"),
        (b"[" * 200_000, "nests too deeply"),
        (b"\xff", "utf-8"),
        (b"", "Expecting value"),
        (b"{}{}", "Extra data"),
    ],
)
def test_json_that_says_two_things_or_none_is_refused(data: bytes, reason: str) -> None:
    with pytest.raises(ValueError, match=reason):
        strict_json(data)
