"""The host's files as the guest sees them: today's, whatever was done to them on the host meanwhile.

One lab stands; a program inside does what it is told and answers (``Inside``). Each check is a function:
it changes files on the host, and asks what the program sees. Most hold below the guest's root, where an
overlay is over the host's files, and in the run directory, which is shared for writing, too.
"""

from __future__ import annotations

import json
import mmap
import os
import shutil
import sqlite3
import subprocess
from collections.abc import Callable, Iterator
from pathlib import Path
from typing import Any

import pytest

from tests.integration.labs import SYSTEM_PYTHON
from tests.integration.users import User, kernel

pytestmark = pytest.mark.kernel

AGENT = """
import json, mmap, os, sqlite3, subprocess, sys
from pathlib import Path
names = dict(globals())
for line in sys.stdin:
    code, words = json.loads(line)
    names["at"] = [Path(word) for word in words]
    try:
        try:
            answer = eval(code, names)
        except SyntaxError:
            answer = exec(code, names)
        print(json.dumps({"answer": answer}), flush=True)
    except OSError as error:
        print(json.dumps({"answer": type(error).__name__}), flush=True)
"""


class Inside:
    """A program in the lab that computes what it is asked."""

    def __init__(self, process: subprocess.Popen[bytes]) -> None:
        self._process = process

    def __call__(self, code: str, *paths: Path) -> Any:
        """The value of an expression there, in which ``at`` are the paths; None of statements.

        An OSError is answered by the name of the class.
        """
        assert self._process.stdin is not None
        assert self._process.stdout is not None
        question = json.dumps([code, [os.fspath(path) for path in paths]])
        self._process.stdin.write(question.encode() + b"\n")
        self._process.stdin.flush()
        return json.loads(self._process.stdout.readline())["answer"]

    def read(self, path: Path) -> Any:
        return self("at[0].read_text()", path)


@pytest.fixture(scope="module")
def user(tmp_path_factory: pytest.TempPathFactory) -> Iterator[User]:
    with User.visiting(tmp_path_factory.mktemp("home")) as made:
        yield made


@pytest.fixture(scope="module")
def inside(user: User) -> Iterator[Inside]:
    with user.standing("direct", "--out", "out"):
        process = user.start(
            "exec", "hmc", "--", SYSTEM_PYTHON, "-u", "-c", AGENT, stdin=subprocess.PIPE
        )
        yield Inside(process)
        process.communicate()
        assert process.returncode == 0


@pytest.fixture(params=["below the root", "in the run directory"])
def folder(request: pytest.FixtureRequest, user: User, inside: Inside, tmp_path: Path) -> Path:
    """A folder for one test, seen by both sides."""
    if request.param == "below the root":
        return tmp_path
    path = user.home / "out" / tmp_path.name
    path.mkdir()
    return path


@pytest.fixture
def file(folder: Path, inside: Inside) -> Path:
    """A file that the guest has read before."""
    path = folder / "file"
    path.write_text("first")
    assert inside.read(path) == "first"
    return path


def _replace(path: Path, text: str) -> None:
    new = path.with_name("new")
    new.write_text(text)
    new.replace(path)


# A file by its name.


def longer(inside: Inside, file: Path) -> None:
    file.write_text("the second, longer")
    assert inside.read(file) == "the second, longer"


def as_long(inside: Inside, file: Path) -> None:
    file.write_text("other")
    assert inside.read(file) == "other"


def as_long_many_times_at_once(inside: Inside, file: Path) -> None:
    for number in range(100, 150):
        file.write_text(str(number))
        assert inside.read(file) == str(number)


def shorter(inside: Inside, file: Path) -> None:
    file.write_text("2")
    assert inside.read(file) == "2"


def emptied(inside: Inside, file: Path) -> None:
    os.truncate(file, 0)
    assert inside.read(file) == ""


def emptied_and_filled(inside: Inside, file: Path) -> None:
    os.truncate(file, 0)
    os.truncate(file, 5)
    assert inside.read(file) == "\0" * 5


def appended(inside: Inside, file: Path) -> None:
    with file.open("a") as log:
        log.write(" and more")
    assert inside.read(file) == "first and more"


def replaced(inside: Inside, file: Path) -> None:
    _replace(file, "the second, longer")
    assert inside.read(file) == "the second, longer"


def replaced_as_long(inside: Inside, file: Path) -> None:
    _replace(file, "other")
    assert inside.read(file) == "other"


def replaced_with_the_same_times(inside: Inside, file: Path) -> None:
    before = file.stat()
    _replace(file, "other")
    os.utime(file, ns=(before.st_atime_ns, before.st_mtime_ns))
    assert inside.read(file) == "other"


def rewritten_with_the_same_time(inside: Inside, file: Path) -> None:
    before = file.stat()
    file.write_text("other")
    os.utime(file, ns=(before.st_atime_ns, before.st_mtime_ns))
    assert inside.read(file) == "other"


def removed(inside: Inside, file: Path) -> None:
    file.unlink()
    assert inside.read(file) == "FileNotFoundError"
    assert inside("at[0].exists()", file) is False


def removed_and_made_anew(inside: Inside, file: Path) -> None:
    file.unlink()
    assert inside.read(file) == "FileNotFoundError"
    file.write_text("again")
    assert inside.read(file) == "again"


def made_after_it_was_missed(inside: Inside, file: Path) -> None:
    path = file.with_name("later")
    assert inside.read(path) == "FileNotFoundError"
    path.write_text("here")
    assert inside.read(path) == "here"
    assert sorted(inside("os.listdir(at[0])", file.parent)) == ["file", "later"]


def moved(inside: Inside, file: Path) -> None:
    path = file.rename(file.with_name("moved"))
    assert inside.read(path) == "first"
    assert inside.read(file) == "FileNotFoundError"


def moved_there_and_back(inside: Inside, file: Path) -> None:
    path = file.rename(file.with_name("moved"))
    assert inside.read(path) == "first"
    path.rename(file)
    assert inside.read(file) == "first"
    assert inside.read(path) == "FileNotFoundError"
    assert inside("os.access(at[0], os.R_OK)", file) is True


def swapped(inside: Inside, file: Path) -> None:
    second, third = file.with_name("second"), file.with_name("third")
    second.write_text("second")
    assert inside.read(second) == "second"
    file.rename(third)
    second.rename(file)
    third.rename(second)
    assert (inside.read(file), inside.read(second)) == ("second", "first")


def by_its_other_name(inside: Inside, file: Path) -> None:
    other = file.with_name("other")
    other.hardlink_to(file)
    assert inside.read(other) == "first"
    other.write_text("second")
    assert inside.read(file) == "second"
    assert inside("at[0].stat().st_nlink", file) == 2


def made_a_directory(inside: Inside, file: Path) -> None:
    file.unlink()
    file.mkdir()
    (file / "below").write_text("deep")
    assert inside.read(file / "below") == "deep"
    assert inside("at[0].is_dir()", file) is True


def made_a_link(inside: Inside, file: Path) -> None:
    target = file.rename(file.with_name("target"))
    file.symlink_to(target.name)
    assert inside.read(file) == "first"
    assert inside("os.readlink(at[0])", file) == "target"


def only_the_end_of_a_large_file(inside: Inside, file: Path) -> None:
    file.write_bytes(b"a" * 1_000_000)
    assert inside("at[0].read_bytes() == b'a' * 1_000_000", file) is True
    with file.open("r+b") as large:
        large.seek(-1, os.SEEK_END)
        large.write(b"b")
    assert inside("at[0].read_bytes() == b'a' * 999_999 + b'b'", file) is True


# What is known of a file without opening it.


def its_size(inside: Inside, file: Path) -> None:
    file.write_text("the second, longer")
    assert inside("at[0].stat().st_size", file) == 18


def its_times(inside: Inside, file: Path) -> None:
    os.utime(file, ns=(10**18, 10**18))
    assert inside("at[0].stat().st_mtime_ns", file) == 10**18


def its_mode(inside: Inside, file: Path) -> None:
    assert inside("os.access(at[0], os.X_OK)", file) is False
    file.chmod(0o755)
    assert inside("at[0].stat().st_mode & 0o777", file) == 0o755
    assert inside("os.access(at[0], os.X_OK)", file) is True


def its_number(inside: Inside, file: Path) -> None:
    before = inside("at[0].stat().st_ino", file)
    _replace(file, "other")
    assert inside("at[0].stat().st_ino", file) != before


# Open files.


def read_on_after_the_end(inside: Inside, file: Path) -> None:
    inside("log = open(at[0]); start = log.read()", file)
    with file.open("a") as log:
        log.write(" and more")
    assert inside("log.read()") == " and more"
    assert inside("log.close()") is None


def read_again_after_it_was_rewritten(inside: Inside, file: Path) -> None:
    file.write_bytes(b"a" * 100_000)
    inside("fd = os.open(at[0], os.O_RDONLY); start = os.pread(fd, 10, 0)", file)
    file.write_bytes(b"b" * 100_000)
    assert inside("set(os.pread(fd, 100_000, 0)) == {ord('b')}") is True
    inside("os.close(fd)")


def logs_that_are_rotated(inside: Inside, file: Path) -> None:
    inside("log = open(at[0]); start = log.read()", file)
    old = file.rename(file.with_name("file.1"))
    file.write_text("new log")
    with old.open("a") as log:
        log.write(", last line")
    assert inside("log.read()") == ", last line"
    assert inside.read(file) == "new log"
    assert inside("os.fstat(log.fileno()).st_ino == at[0].stat().st_ino", file) is False
    inside("log.close()")


def whole_though_it_was_replaced(inside: Inside, file: Path) -> None:
    file.write_bytes(b"a" * 4_000_000)
    inside("fd = os.open(at[0], os.O_RDONLY); start = os.read(fd, 100_000)", file)
    new = file.with_name("new")
    new.write_bytes(b"b" * 4_000_000)
    new.replace(file)
    code = "rest = 0\nwhile got := os.read(fd, 1 << 20): rest += got.count(b'a')\nos.close(fd)"
    inside(code)
    assert inside("rest") == 3_900_000
    assert inside("set(at[0].read_bytes()) == {ord('b')}", file) is True


def readable_though_it_was_removed(inside: Inside, file: Path) -> None:
    inside("log = open(at[0])", file)
    file.unlink()
    assert inside("log.read()") == "first"
    inside("log.close()")


def its_end(inside: Inside, file: Path) -> None:
    inside("fd = os.open(at[0], os.O_RDONLY)", file)
    file.write_text("the second, longer")
    assert inside("os.lseek(fd, 0, os.SEEK_END)") == 18
    inside("os.close(fd)")


def mapped_anew(inside: Inside, file: Path) -> None:
    mapped = "m = mmap.mmap(f.fileno(), 0, prot=mmap.PROT_READ); seen = m[:].decode(); m.close()"
    code = f"f = open(at[0]); {mapped}; f.close()"
    inside(code, file)
    file.write_text("other")
    inside(code, file)
    assert inside("seen") == "other"


def sent_by_the_kernel(inside: Inside, file: Path) -> None:
    splice = "n = os.splice(f, b, 100, offset_src=0); got = os.read(a, 100).decode()"
    inside(f"a, b = os.pipe(); f = os.open(at[0], os.O_RDONLY); {splice}", file)
    file.write_text("other")
    inside(splice)
    assert inside("got") == "other"
    inside("[os.close(fd) for fd in (a, b, f)]")


# Programs.


def a_script(inside: Inside, file: Path) -> None:
    run = "subprocess.run(['sh', at[0]], capture_output=True, text=True).stdout"
    file.write_text("echo version 1\n")
    assert inside(run, file) == "version 1\n"
    file.write_text("echo version 2\n")
    assert inside(run, file) == "version 2\n"
    _replace(file, "echo version 3\n")
    assert inside(run, file) == "version 3\n"


def a_module(inside: Inside, file: Path) -> None:
    module = file.with_name("agent.py")
    argv = "[sys.executable, '-B', '-c', 'import agent; print(agent.VERSION)']"
    run = f"subprocess.run({argv}, capture_output=True, text=True, cwd=at[0]).stdout"
    for version in (1, 2, 3):
        module.write_text(f"VERSION = {version}\n")
        assert inside(run, file.parent) == f"{version}\n"


def _compile(path: Path, version: int) -> None:
    text = f'#include <stdio.h>\nint main(void) {{ getchar(); puts("{version}"); return 0; }}\n'
    subprocess.run(["gcc", "-x", "c", "-o", path, "-"], input=text.encode(), check=True)


def a_binary_that_is_rebuilt_while_it_runs(inside: Inside, file: Path) -> None:
    program = file.with_name("program")
    start = "running = subprocess.Popen([at[0]], stdin=-1, stdout=-1, text=True)"
    _compile(program, 1)
    inside(start, program)
    _compile(program, 2)
    assert (
        inside("subprocess.run([at[0]], input='', capture_output=True, text=True).stdout", program)
        == "2\n"
    )
    assert inside("running.communicate('')[0]") == "1\n"


# Directories.


def a_new_directory(inside: Inside, file: Path) -> None:
    path = file.with_name("sub")
    assert inside("at[0].is_dir()", path) is False
    path.mkdir()
    (path / "below").write_text("deep")
    assert inside("os.listdir(at[0])", path) == ["below"]
    assert inside.read(path / "below") == "deep"


def a_moved_directory(inside: Inside, file: Path) -> None:
    old, new = file.with_name("old"), file.with_name("new")
    old.mkdir()
    (old / "below").write_text("deep")
    assert inside.read(old / "below") == "deep"
    old.rename(new)
    assert inside.read(new / "below") == "deep"
    assert inside.read(old / "below") == "FileNotFoundError"
    assert inside("at[0].exists()", old) is False
    assert sorted(inside("os.listdir(at[0])", file.parent)) == ["file", "new"]


def a_replaced_directory(inside: Inside, file: Path) -> None:
    path, other = file.with_name("sub"), file.with_name("other")
    for each in (path, other):
        each.mkdir()
        (each / "below").write_text(each.name)
    (path / "old").touch()
    assert inside.read(path / "below") == "sub"
    assert inside.read(path / "old") == ""
    path.rename(file.with_name("gone"))
    other.rename(path)
    assert inside.read(path / "below") == "other"
    assert inside("os.listdir(at[0])", path) == ["below"]
    assert inside.read(path / "old") == "FileNotFoundError"


def a_removed_directory(inside: Inside, file: Path) -> None:
    path = file.with_name("sub")
    path.mkdir()
    (path / "below").write_text("deep")
    assert inside.read(path / "below") == "deep"
    shutil.rmtree(path)
    assert inside.read(path / "below") == "FileNotFoundError"
    assert inside("at[0].exists()", path) is False


def a_directory_that_became_a_file(inside: Inside, file: Path) -> None:
    path = file.with_name("sub")
    path.mkdir()
    assert inside("at[0].is_dir()", path) is True
    path.rmdir()
    path.write_text("a file")
    assert inside.read(path) == "a file"


def the_directory_where_a_program_stands(inside: Inside, file: Path) -> None:
    inside("os.chdir(at[0])", file.parent)
    file.with_name("later").write_text("here")
    assert inside("open('later').read()") == "here"
    file.write_text("second")
    assert inside("open('file').read()") == "second"
    inside("os.chdir('/')")


def a_link_that_leads_elsewhere(inside: Inside, file: Path) -> None:
    link, other = file.with_name("link"), file.with_name("other")
    other.write_text("other")
    link.symlink_to("file")
    assert inside.read(link) == "first"
    link.unlink()
    link.symlink_to("other")
    assert inside.read(link) == "other"


def a_link_that_led_nowhere(inside: Inside, file: Path) -> None:
    link = file.with_name("link")
    link.symlink_to("later")
    assert inside.read(link) == "FileNotFoundError"
    file.with_name("later").write_text("here")
    assert inside.read(link) == "here"


def what_is_mounted_stays(inside: Inside, file: Path) -> None:
    path = file.with_name("sub")
    path.mkdir()
    inside("done = subprocess.run(['mount', '-t', 'tmpfs', 'none', at[0]], check=True)", path)
    inside("(at[0] / 'inner').write_text('mounted')", path)
    (path / "outer").touch()
    path.rename(file.with_name("gone"))
    path.mkdir()
    assert inside("(at[0] / 'inner').read_text()", path) == "mounted"
    inside("done = subprocess.run(['umount', at[0]], check=True)", path)
    assert inside("os.listdir(at[0])", path) == []


# Data bases.


COUNT = "select count(*) from t"


def rows_of_a_data_base(inside: Inside, file: Path) -> None:
    path = file.with_name("db")
    # A program that opens a file of the host's for writing has a copy of its own from then on.
    opened = "sqlite3.connect(f'file:{at[0]}?mode=ro', uri=True)"
    with sqlite3.connect(path) as base:
        base.execute("create table t (n)")
    for number in range(1, 4):
        base.execute("insert into t values (1)")
        base.commit()
        assert inside(f"{opened}.execute('{COUNT}').fetchone()[0]", path) == number
    base.close()


EVERYWHERE: tuple[Callable[[Inside, Path], None], ...] = (
    longer, as_long, as_long_many_times_at_once, shorter, emptied, emptied_and_filled, appended,
    replaced, replaced_as_long, replaced_with_the_same_times, rewritten_with_the_same_time, removed,
    removed_and_made_anew, made_after_it_was_missed, moved, moved_there_and_back, swapped,
    by_its_other_name, made_a_directory, made_a_link, only_the_end_of_a_large_file, its_size, its_times,
    its_mode, its_number, read_on_after_the_end, read_again_after_it_was_rewritten,
    logs_that_are_rotated, whole_though_it_was_replaced, readable_though_it_was_removed, its_end,
    mapped_anew, sent_by_the_kernel, a_script, a_module, a_binary_that_is_rebuilt_while_it_runs,
    a_new_directory, a_moved_directory, a_replaced_directory, a_removed_directory,
    a_directory_that_became_a_file, the_directory_where_a_program_stands, a_link_that_leads_elsewhere,
    a_link_that_led_nowhere, what_is_mounted_stays, rows_of_a_data_base,
)  # fmt: skip


@pytest.mark.parametrize("check", EVERYWHERE, ids=lambda check: check.__name__)
def test_todays_file(inside: Inside, file: Path, check: Callable[[Inside, Path], None]) -> None:
    check(inside, file)


# The guest's own writing: below the root into the overlay, in the run directory to the host.


def test_what_the_guest_wrote_over_the_hosts_file_is_the_guests(
    inside: Inside, tmp_path: Path
) -> None:
    path = tmp_path / "file"
    path.write_text("host")
    inside("at[0].write_text('guest')", path)
    path.write_text("host again")
    assert inside.read(path) == "guest"
    assert path.read_text() == "host again"


def test_what_the_guest_removed_stays_removed(inside: Inside, tmp_path: Path) -> None:
    path = tmp_path / "file"
    path.write_text("host")
    inside("at[0].unlink()", path)
    path.write_text("host again")
    assert inside.read(path) == "FileNotFoundError"


@pytest.fixture
def shared(user: User, inside: Inside, tmp_path: Path) -> Path:
    """A file in the run directory."""
    folder = user.home / "out" / tmp_path.name
    folder.mkdir()
    return folder / "file"


def test_both_sides_append_to_one_log(inside: Inside, shared: Path) -> None:
    inside("log = open(at[0], 'a', buffering=1)", shared)
    for number in range(20):
        inside(f"log.write('guest {number}\\n')")
        with shared.open("a") as log:
            log.write(f"host {number}\n")
    inside("log.close()")
    expected = [f"{side} {number}" for number in range(20) for side in ("guest", "host")]
    assert shared.read_text().splitlines() == expected
    assert inside("at[0].read_text().splitlines()", shared) == expected


def test_both_sides_write_in_turn(inside: Inside, shared: Path) -> None:
    for number in range(5):
        inside(f"at[0].write_text('guest {number}')", shared)
        assert shared.read_text() == f"guest {number}"
        shared.write_text(f"host {number}")
        assert inside.read(shared) == f"host {number}"


def test_both_sides_write_into_a_data_base_with_a_log(inside: Inside, shared: Path) -> None:
    rows = 0
    for _ in range(3):
        base = sqlite3.connect(shared)
        base.execute("pragma journal_mode=wal")
        base.execute("create table if not exists t (n)")
        base.execute("insert into t values (1)")
        base.commit()
        rows += 1
        assert base.execute(COUNT).fetchone() == (rows,)
        base.close()
        code = "base = sqlite3.connect(at[0]); done = base.execute('insert into t values (2)'); base.commit()"
        inside(code, shared)
        rows += 1
        assert inside(f"base.execute('{COUNT}').fetchone()[0]") == rows
        inside("base.close()")


def test_what_is_written_by_mmap_arrives(inside: Inside, shared: Path) -> None:
    shared.write_bytes(b"0" * 2 * mmap.PAGESIZE)
    inside("f = open(at[0], 'r+b'); m = mmap.mmap(f.fileno(), 0); m[0:5] = b'guest'", shared)
    # Looked at before it was written back: this must not take it away.
    assert inside("at[0].stat().st_size", shared) == 2 * mmap.PAGESIZE
    assert inside("at[0].read_bytes()[:5].decode()", shared) == "guest"
    inside("m.close(); f.close()")
    assert shared.read_bytes()[:6] == b"guest0"


def test_a_file_that_the_guest_made_is_replaced(inside: Inside, shared: Path) -> None:
    inside("at[0].write_text('guest')", shared)
    _replace(shared, "host")
    assert inside.read(shared) == "host"
    inside("at[0].unlink()", shared)
    assert not shared.exists()


# Many at once.


def test_versions_come_in_order_and_whole(inside: Inside, folder: Path) -> None:
    """A reader that never stops, while the file is replaced: each reading is one version."""
    file = folder / "file"
    file.write_text("0 " * 20_000)
    code = """\
def watch(path, last):
    versions, seen = [], ""
    while seen != last:
        words = path.read_text().split()
        versions.append(int(words[0]) if words == words[:1] * 20_000 else "mixed")
        seen = words[-1]
    return versions
"""
    inside(code)
    with subprocess.Popen([SYSTEM_PYTHON, "-c", REPLACER, file]) as replacer:
        versions = inside("watch(at[0], '200')", file)
        assert replacer.wait() == 0
    assert "mixed" not in versions
    assert versions == sorted(versions)
    assert versions[-1] == 200


REPLACER = """
import os, sys
for version in range(1, 201):
    with open(sys.argv[1] + ".new", "w") as file:
        file.write(f"{version} " * 20_000)
    os.replace(sys.argv[1] + ".new", sys.argv[1])
"""


def test_descriptors_are_let_go(user: User, inside: Inside, folder: Path) -> None:
    for number in range(1000):
        (folder / str(number)).write_text(str(number))
    descriptors = Path(f"/proc/{kernel(user.home / 'out')}/fd")
    before = len(list(descriptors.iterdir()))
    assert inside("sum(int(path.read_text()) for path in at[0].iterdir())", folder) == 499_500
    assert len(list(descriptors.iterdir())) < before + 10


def test_what_lab_exec_runs_is_todays_program(user: User, inside: Inside, tmp_path: Path) -> None:
    """A developer's loop: edit on the host, run in the lab."""
    script = tmp_path / "agent.sh"
    run = ("exec", "hmc", "--", "sh", os.fspath(script))
    for version in range(1, 4):
        script.write_text(f"echo version {version}\n")
        assert user.lab(*run).stdout.decode() == f"version {version}\n"
    _replace(script, "echo version 4\n")
    assert user.lab(*run).stdout.decode() == "version 4\n"
