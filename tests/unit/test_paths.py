"""A file that is written whole has all of its text, or what it had before."""

from __future__ import annotations

from pathlib import Path

import pytest

from lab.paths import write_whole


def test_the_text_is_there_and_nothing_else(tmp_path: Path) -> None:
    file = tmp_path / "verdict.json"
    write_whole(file, "one\n")
    write_whole(file, "two ✓\n")
    assert file.read_text(encoding="utf-8") == "two ✓\n"
    assert [*tmp_path.iterdir()] == [file]


@pytest.mark.parametrize("error", [OSError, KeyboardInterrupt])
def test_what_is_not_written_to_its_end_changes_nothing(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch, error: type[BaseException]
) -> None:
    file = tmp_path / "verdict.json"
    write_whole(file, "one\n")
    write_text = Path.write_text

    def write_half(path: Path, text: str, encoding: str) -> None:
        write_text(path, text[:2], encoding=encoding)
        raise error

    monkeypatch.setattr(Path, "write_text", write_half)
    with pytest.raises(error):
        write_whole(file, "three\n")
    assert file.read_bytes() == b"one\n"
    assert [*tmp_path.iterdir()] == [file]
