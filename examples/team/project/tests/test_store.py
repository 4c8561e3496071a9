import pytest

from taskboard.board import Board
from taskboard.errors import StoreError
from taskboard.store import load, save


def test_a_board_comes_back_as_it_was_saved(board, today, tmp_path):
    board.finish(5, today)
    save(board, tmp_path / "tasks.json")
    again = load(tmp_path / "tasks.json")
    assert list(again) == list(board)
    assert again.next_number == board.next_number


def test_no_file_is_an_empty_board(tmp_path):
    assert len(load(tmp_path / "tasks.json")) == 0


@pytest.mark.parametrize(
    ("text", "reason"),
    [
        ("not json", "cannot be read"),
        ("[]", "holds no tasks"),
        ('{"schema": 2}', "schema 2, not 1"),
        ('{"schema": 1, "tasks": [{"number": 1}], "next_number": 2}', "makes no sense"),
    ],
)
def test_a_file_that_is_not_ours_is_refused(text, reason, tmp_path):
    path = tmp_path / "tasks.json"
    path.write_text(text, encoding="utf-8")
    with pytest.raises(StoreError, match=reason):
        load(path)


def test_a_folder_that_is_not_there_is_told(tmp_path):
    with pytest.raises(StoreError, match="cannot be written"):
        save(Board(), tmp_path / "nowhere" / "tasks.json")


def test_a_crash_in_mid_write_leaves_the_old_board(board, tmp_path, monkeypatch):
    path = tmp_path / "tasks.json"
    save(board, path)

    def full(_handle):
        raise OSError("no space left")

    monkeypatch.setattr("os.fsync", full)
    with pytest.raises(StoreError, match="no space left"):
        save(Board(), path)
    assert len(load(path)) == 5
    assert [entry.name for entry in tmp_path.iterdir()] == ["tasks.json"]
