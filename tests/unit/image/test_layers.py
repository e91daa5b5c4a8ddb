"""Layers over layers: what a container engine would show of them, by the rules of OCI's layer.md."""

from __future__ import annotations

import io
import subprocess
import tarfile
from collections.abc import Callable
from pathlib import Path

import pytest

from lab.errors import UsageError
from lab.image import flat
from lab.image.layers import LayerTree
from tests.images import Item, folder, hard_link, layer, link


def stacked(*layers: bytes) -> LayerTree:
    tree = LayerTree()
    for data in layers:
        tree.add_layer(tarfile.open(fileobj=io.BytesIO(data)), "layer 1 of the image i")  # noqa: SIM115
    return tree


def shown(tree: LayerTree) -> dict[str, str]:
    """Path to what is there: a file's text, ``-> target`` or ``/``."""
    found = {}
    for path, inode in tree.paths():
        with inode.open() or io.BytesIO() as file:
            text = file.read().decode()
        link_to = f"-> {inode.target}" if inode.target else ""
        found[path] = "/" if inode.children is not None else link_to or text
    del found["."]
    return found


LOWER = layer(
    [
        folder("etc"),
        Item(path="etc/a", data=b"lower"),
        Item(path="etc/b", data=b"lower"),
        folder("opt"),
        folder("opt/deep"),
        Item(path="opt/deep/c", data=b"lower"),
        folder("usr"),
        folder("usr/lib"),
        link("lib", "usr/lib"),
        link("abs", "/opt/deep"),
    ]
)


def test_a_layer_alone() -> None:
    assert shown(stacked(LOWER)) == {
        "etc": "/",
        "etc/a": "lower",
        "etc/b": "lower",
        "opt": "/",
        "opt/deep": "/",
        "opt/deep/c": "lower",
        "usr": "/",
        "usr/lib": "/",
        "lib": "-> usr/lib",
        "abs": "-> /opt/deep",
    }


@pytest.mark.parametrize(
    ("upper", "changes"),
    [
        pytest.param([Item(path="etc/a", data=b"new")], {"etc/a": "new"}, id="file over file"),
        pytest.param([Item(path="etc/.wh.a")], {"etc/a": None}, id="whiteout of a file"),
        pytest.param(
            [Item(path=".wh.opt")],
            {"opt": None, "opt/deep": None, "opt/deep/c": None},
            id="whiteout of a folder",
        ),
        pytest.param(
            [Item(path="opt/deep/d", data=b"new"), Item(path="opt/deep/.wh..wh..opq")],
            {"opt/deep/c": None, "opt/deep/d": "new"},
            id="opaque, said after what is new in the folder",
        ),
        pytest.param(
            [Item(path="opt/.wh.deep"), folder("opt/deep"), Item(path="opt/deep/d", data=b"new")],
            {"opt/deep/c": None, "opt/deep/d": "new"},
            id="whiteout and new in one layer",
        ),
        pytest.param([folder("opt/deep", 0o700)], {}, id="folder over folder keeps what is in it"),
        pytest.param(
            [Item(path="opt/deep", data=b"file")],
            {"opt/deep": "file", "opt/deep/c": None},
            id="file over folder",
        ),
        pytest.param(
            [folder("etc/a"), Item(path="etc/a/x", data=b"new")],
            {"etc/a": "/", "etc/a/x": "new"},
            id="folder over file",
        ),
        pytest.param(
            [Item(path="lib/x.so", data=b"new")], {"usr/lib/x.so": "new"}, id="through a link"
        ),
        pytest.param([Item(path="abs/../d", data=b"new")], UsageError, id="entry with two dots"),
        pytest.param(
            [Item(path="abs/d", data=b"new")], {"opt/deep/d": "new"}, id="through an absolute link"
        ),
        pytest.param(
            [link("out", "../../../../etc"), Item(path="out/d", data=b"new")],
            {"out": "-> ../../../../etc", "etc/d": "new"},
            id="a link that leads up ends at the root",
        ),
        pytest.param(
            [link("opt/up", "/etc"), Item(path="opt/up/d", data=b"new")],
            {"opt/up": "-> /etc", "etc/d": "new"},
            id="through an absolute link in a folder",
        ),
        pytest.param(
            [link("loop", "loop"), Item(path="loop/x", data=b"new")],
            {"loop": "/", "loop/x": "new"},
            id="a link to itself is replaced",
        ),
        pytest.param(
            [folder("usr/lib"), link("lib", "usr/other")],
            {"lib": "-> usr/other"},
            id="link over link",
        ),
        pytest.param([hard_link("etc/h", "etc/a")], {"etc/h": "lower"}, id="hard link to below"),
        pytest.param([hard_link("etc/h", "etc/none")], UsageError, id="hard link to nothing"),
        pytest.param([Item(path="./etc/./a", data=b"new")], {"etc/a": "new"}, id="dots in a path"),
        pytest.param([Item(path="/etc/a", data=b"new")], {"etc/a": "new"}, id="absolute path"),
        pytest.param([Item(path="../etc/a")], UsageError, id="out of the image"),
        pytest.param([Item(path="dev/null", kind=tarfile.CHRTYPE)], {}, id="a device is left out"),
    ],
)
def test_a_second_layer(
    upper: list[Item], changes: dict[str, str | None] | type[UsageError]
) -> None:
    if not isinstance(changes, dict):
        with pytest.raises(changes, match="layer 1 of the image i"):
            stacked(LOWER, layer(upper))
        return
    expected = {**shown(stacked(LOWER)), **changes}
    assert shown(stacked(LOWER, layer(upper))) == {
        k: v for k, v in expected.items() if v is not None
    }


def test_a_hard_link_outlives_the_name_that_it_was_linked_to() -> None:
    upper = layer([Item(path="etc/.wh.a"), Item(path="etc/b", data=b"new")])
    tree = stacked(LOWER, layer([hard_link("h", "etc/a"), hard_link("g", "etc/b")]), upper)
    found = shown(tree)
    assert (found["h"], found["g"], found["etc/b"]) == ("lower", "lower", "new")
    assert "etc/a" not in found


def listed(data: bytes) -> dict[str, tarfile.TarInfo]:
    with tarfile.open(fileobj=io.BytesIO(data)) as tar:
        return {info.name: info for info in tar}


def flattened(tree: LayerTree) -> bytes:
    target = io.BytesIO()
    flat.write(tree, target)
    return target.getvalue()


def test_owner_rights_times_and_attributes_are_kept() -> None:
    raw = b"\x01\x00\x00\x02\x00\x20\x00\x00\xff\xfe".decode("utf-8", "surrogateescape")
    pax = {"SCHILY.xattr.security.capability": raw, "mtime": "12.5", "comment": "x"}
    (entry,) = [
        info
        for name, info in listed(
            flattened(stacked(layer([Item(path="ping", mode=0o4711, uid=12, gid=34, pax=pax)])))
        ).items()
        if name == "ping"
    ]
    assert (entry.mode, entry.uid, entry.gid, entry.mtime) == (0o4711, 12, 34, 12)
    assert entry.pax_headers["SCHILY.xattr.security.capability"] == raw
    assert "comment" not in entry.pax_headers


def test_two_names_of_a_file_are_so_in_the_tar() -> None:
    told = listed(flattened(stacked(layer([Item(path="a", data=b"x"), hard_link("b", "a")]))))
    assert told["b"].islnk()
    assert told["b"].linkname == "a"


def test_the_same_layers_give_the_same_bytes() -> None:
    assert flattened(stacked(LOWER)) == flattened(stacked(LOWER))
    assert flattened(stacked(LOWER)) != flattened(stacked(LOWER, layer([Item(path="x")])))


def test_tar_unpacks_what_is_written(tmp_path: Path) -> None:
    """GNU tar, which does it in a node, against what the tree says."""
    tree = stacked(
        LOWER,
        layer(
            [Item(path="etc/.wh.a"), hard_link("h", "etc/b"), Item(path="big", data=b"b" * 70000)]
        ),
    )
    (tmp_path / "image.tar").write_bytes(flattened(tree))
    root = tmp_path / "root"
    root.mkdir()
    subprocess.run(["tar", "-xf", "../image.tar"], cwd=root, check=True)
    found = {}
    for path in root.rglob("*"):
        text = (
            f"-> {path.readlink()}"
            if path.is_symlink()
            else "/"
            if path.is_dir()
            else path.read_text()
        )
        found[path.relative_to(root).as_posix()] = text
    assert found == shown(tree)
    assert (root / "h").stat().st_ino == (root / "etc/b").stat().st_ino


@pytest.mark.parametrize(
    "damage",
    [
        pytest.param(lambda data: data[:700], id="cut in a file"),
        pytest.param(lambda data: data[: data.rindex(b"abs") + 512], id="cut behind a member"),
        pytest.param(lambda data: data[:1536] + b"?" * 512 + data[2048:], id="a header is none"),
        pytest.param(lambda _: b"no tar", id="no tar"),
    ],
)
def test_a_layer_that_is_not_whole(damage: Callable[[bytes], bytes]) -> None:
    from lab.image.blobs import open_tar

    with (
        pytest.raises(UsageError, match="layer 7 is not a whole tar"),
        open_tar(io.BytesIO(damage(LOWER)), "layer 7") as tar,
    ):
        LayerTree().add_layer(tar, "layer 7")


def test_a_folder_of_this_machine(tmp_path: Path) -> None:
    for path in ("bin", "dev", "proc/1"):
        (tmp_path / path).mkdir(parents=True)
    (tmp_path / "bin/prog").write_text("x")
    (tmp_path / "bin/prog").chmod(0o4755)
    (tmp_path / "bin/again").hardlink_to(tmp_path / "bin/prog")
    (tmp_path / "sh").symlink_to("bin/prog")
    (tmp_path / "dev/null").write_text("")
    tree = flat.tree_of(tmp_path)
    assert shown(tree) == {
        "bin": "/", "bin/again": "x", "bin/prog": "x", "dev": "/", "proc": "/", "sh": "-> bin/prog",
    }  # fmt: skip
    told = listed(flattened(tree))
    assert told["bin/prog"].islnk() or told["bin/again"].islnk()
    assert told["bin/again"].mode == 0o4755
    assert {info.uid for info in told.values()} == {0}
