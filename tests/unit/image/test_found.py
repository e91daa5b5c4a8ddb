"""Images as users have them: each form, what is wrong with it, and what is told of that."""

from __future__ import annotations

import dataclasses
import gzip
import json
import os
import re
import shutil
import stat
import subprocess
import tarfile
from pathlib import Path

import pytest

from lab.engine import gc
from lab.errors import LabError, PrerequisiteError, UsageError
from lab.image import cache
from lab.image.found import found
from lab.image.plan import ImagePlan
from tests.images import Image, Item, archive, folder, layer, put

RUNS = {
    "Entrypoint": ["/bin/agent"],
    "Cmd": ["once"],
    "Env": ["A=1", "B=x=y", "C"],
    "WorkingDir": "/srv",
    "User": "agent:adm",
}
LOWER = layer([folder("bin"), Item(path="bin/agent", data=b"old"), Item(path="gone")])
UPPER = layer([Item(path="bin/agent", data=b"new"), Item(path=".wh.gone")])
IMAGE = Image((LOWER, UPPER, LOWER, UPPER), RUNS)
GIB = 1 << 30


@pytest.fixture(autouse=True)
def images(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> Path:
    """The cache's folder of images."""
    monkeypatch.setenv("XDG_CACHE_HOME", os.fspath(tmp_path / "cache"))
    monkeypatch.setenv("XDG_RUNTIME_DIR", os.fspath(tmp_path))
    monkeypatch.chdir(tmp_path)
    return tmp_path / "cache/callhome-lab/images"


def planned(name: object, **given: str) -> ImagePlan:
    with found(str(name)) as image:
        return image.plan(given, GIB)


def holds(plan: ImagePlan) -> dict[str, bytes]:
    with tarfile.open(plan.rootfs) as tar:
        return {
            info.name: file.read() for info in tar if (file := tar.extractfile(info)) is not None
        }


def refused(name: object) -> str:
    """What is told of an image that cannot be had."""
    with pytest.raises(LabError) as told:
        planned(name)
    return str(told.value)


def changed(path: Path, **changes: object) -> Path:
    """A JSON file with other values in it."""
    path.write_text(json.dumps({**json.loads(path.read_text()), **changes}))
    return path


FORMS = ["oci", "saved", "packed", "archive", "unpacked"]


@pytest.fixture(params=FORMS)
def form(request: pytest.FixtureRequest, tmp_path: Path) -> Path:
    """The same image in one of the forms."""
    saved = IMAGE.saved(tmp_path / "saved.tar", "agent:1.0", "registry.test:5000/agent:latest")
    oci = IMAGE.oci(tmp_path / "oci", "1.0")
    if request.param == "packed":
        (tmp_path / "saved.tar.gz").write_bytes(gzip.compress(saved.read_bytes()))
        return tmp_path / "saved.tar.gz"
    if request.param == "archive":
        return archive(oci, tmp_path / "oci.tar")
    if request.param == "unpacked":
        with tarfile.open(saved) as tar:
            tar.extractall(tmp_path / "unpacked")
        return tmp_path / "unpacked"
    return {"oci": oci, "saved": saved}[request.param]


def test_every_form_is_the_same_image(form: Path, images: Path) -> None:
    plan = planned(form, GIVEN="me")
    assert (plan.env, plan.given) == ({"A": "1", "B": "x=y", "C": ""}, {"GIVEN": "me"})
    assert (plan.workdir, plan.user) == ("/srv", "agent:adm")
    assert plan.digest == planned(IMAGE.saved(Path("again.tar"))).digest
    assert holds(plan) == {"bin/agent": b"new"}
    assert [path.name for path in images.iterdir()] == [Path(plan.rootfs).name]


def test_a_tag_says_which(form: Path) -> None:
    assert planned(f"{form}:1.0").digest == planned(form).digest
    assert "has no image 2.0\n  there are: " in refused(f"{form}:2.0")
    if "oci" not in form.name:
        assert planned(f"{form}:latest").digest == planned(f"{form}:agent:1.0").digest


def test_two_images_in_a_layout_need_a_tag(tmp_path: Path) -> None:
    other = Image((LOWER,), {"Cmd": ["other"]})
    layout = other.oci(IMAGE.oci(tmp_path / "oci", "1"), "2")
    assert "holds 2 images" in refused(layout)
    assert f"--image {layout}:TAG; there are: 1, 2" in refused(layout)
    assert planned(f"{layout}:2").digest == planned(other.saved(tmp_path / "o.tar")).digest


def test_what_is_run() -> None:
    with found(str(IMAGE.saved(Path("i.tar")))) as image:
        assert image.command(()) == ("/bin/agent", "once")
        assert image.command(("twice", "-v")) == ("/bin/agent", "twice", "-v")
        assert image.command(("ls",), "") == ("ls",)
        assert image.command((), "/bin/sh") == ("/bin/sh",)
    with found(str(Image((LOWER,), {"Cmd": "exec agent"}).saved(Path("s.tar")))) as image:
        assert image.command(()) == ("/bin/sh", "-c", "exec agent")
    with (
        found(str(Image((LOWER,)).saved(Path("n.tar")))) as image,
        pytest.raises(UsageError, match=r"the image n\.tar does not say what to run\n  end with"),
    ):
        image.command(())


def test_a_file_system_alone(tmp_path: Path, images: Path) -> None:
    (tmp_path / "rootfs.tar").write_bytes(LOWER)
    (tmp_path / "rootfs.tgz").write_bytes(gzip.compress(LOWER))
    plan = planned("rootfs.tar")
    assert holds(plan) == {"bin/agent": b"old", "gone": b""}
    assert (plan.workdir, plan.user, plan.env) == ("/", "", {})
    assert planned("rootfs.tgz") == dataclasses.replace(plan, name="rootfs.tgz")
    (tmp_path / "rootfs/bin").mkdir(parents=True)
    (tmp_path / "rootfs/bin/agent").write_text("one")
    with found("rootfs") as image:
        first = image.plan({}, GIB)
        assert holds(first) == {"bin/agent": b"one"}
    # A folder may be another one the next time: nothing is kept of it.
    assert not Path(first.rootfs).exists()
    (tmp_path / "rootfs/bin/agent").write_text("two")
    with found("rootfs") as image:
        assert holds(image.plan({}, GIB)) == {"bin/agent": b"two"}
    assert len([*images.iterdir()]) == 1
    assert "rootfs is no image, so that it has no image latest" in refused("rootfs:latest")


def test_an_image_for_several_machines_gives_this_ones(tmp_path: Path) -> None:
    layout = Image((LOWER,), {}, architecture="s390x").oci(tmp_path / "oci", "a")
    assert refused(layout) == (
        f"the image {layout} is for linux/s390x, and this machine is linux/amd64\n"
        "  build or fetch it for this machine: docker build --platform linux/amd64"
    )
    alone = json.loads((layout / "index.json").read_text())["manifests"]
    beside = {**alone[0], "platform": {"os": "unknown", "architecture": "unknown"}}
    changed(layout / "index.json", manifests=[*alone, beside])
    assert "is for linux/s390x, and this machine" in refused(layout)
    changed(layout / "index.json", manifests=alone)
    IMAGE.oci(layout, "b")
    # As an index in the index, with what the builder says of them beside it.
    told = json.loads((layout / "index.json").read_text())["manifests"]
    noise = {**told[0], "platform": {"os": "unknown", "architecture": "unknown"}}
    nested = json.dumps({"manifests": [*told, noise]}).encode()
    kind = "application/vnd.oci.image.index.v1+json"
    changed(layout / "index.json", manifests=[put(layout, nested, kind)])
    assert planned(layout).digest == planned(IMAGE.saved(tmp_path / "i.tar")).digest


def test_a_configuration_for_another_machine(tmp_path: Path) -> None:
    saved = Image((LOWER,), {}, architecture="arm64").saved(tmp_path / "arm.tar")
    assert f"the image {saved} is for linux/arm64, and this machine is" in refused(saved)


# What is broken.


def test_blobs_that_are_not_there(tmp_path: Path) -> None:
    for number, path in enumerate(sorted(IMAGE.oci(tmp_path / "oci").glob("blobs/*/*"))):
        layout = IMAGE.oci(tmp_path / f"oci{number}")
        (layout / path.relative_to(tmp_path / "oci")).unlink()
        told = refused(layout)
        assert path.name in told
        assert "is not in it" in told or re.search(r"layer \d of 4 .* is missing", told)
        assert told.endswith("\n  save, build or fetch it again")


def test_a_layer_that_is_another_one(tmp_path: Path, images: Path) -> None:
    layout = IMAGE.oci(tmp_path / "oci")
    for blob in layout.glob("blobs/*/*"):
        if gzip.compress(UPPER, 1, mtime=0) == blob.read_bytes():
            blob.write_bytes(gzip.compress(LOWER, 1))
    assert "layer 2 of 4 of the image" in refused(layout)
    assert "is not what the image was built with: sha256:" in refused(layout)
    assert not [*images.iterdir()]


def test_a_layer_that_ends_too_early(tmp_path: Path) -> None:
    layout = IMAGE.oci(tmp_path / "oci")
    for blob in layout.glob("blobs/*/*"):
        if blob.read_bytes()[:2] == b"\x1f\x8b":
            blob.write_bytes(blob.read_bytes()[:-20])
    assert f"layer 1 of 4 of the image {layout} is not whole: " in refused(layout)


@pytest.mark.parametrize("name", ["index.json", "manifest.json"])
@pytest.mark.parametrize("text", ["{", "[]", "{}", '{"manifests": [1]}', "[{}]", '[{"Layers": 1}]'])
def test_json_that_makes_no_sense(tmp_path: Path, name: str, text: str) -> None:
    (tmp_path / "image").mkdir()
    (tmp_path / "image" / name).write_text(text)
    assert "the image image" in refused("image") or "image holds 0 images" in refused("image")


def test_files_that_are_no_images(tmp_path: Path) -> None:
    (tmp_path / "text").write_text("hello, this is no image at all")
    assert refused("text").startswith("text is not a whole tar: ")
    saved = IMAGE.saved(tmp_path / "saved.tar")
    saved.write_bytes(saved.read_bytes()[:-12000])
    assert refused(saved).startswith(f"{saved} is not a whole tar: ")
    (tmp_path / "empty").mkdir()
    assert "the image empty is empty" in refused("empty")
    assert refused("nosuch").startswith("there is no image nosuch: no such file or folder\n")


def test_zstd_is_unpacked_by_its_program(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    """A program in the place of zstd, as that need not be installed: what it is given, and what it says."""
    magic = b"\x28\xb5\x2f\xfd"
    (tmp_path / "rootfs.tar.zst").write_bytes(magic + LOWER)
    monkeypatch.setenv("PATH", f"{tmp_path}")
    if shutil.which("zstd", path="/usr/local/sbin:/usr/local/bin:/usr/sbin:/usr/bin:/sbin:/bin"):
        assert "rootfs.tar.zst is not whole: " in refused("rootfs.tar.zst")
        return
    told = refused("rootfs.tar.zst")
    assert told.startswith("rootfs.tar.zst is packed by zstd, and the program zstd is not inst")
    assert told.endswith("sudo apt-get install zstd")


# What is fetched.


@pytest.fixture
def programs(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> Path:
    """A folder whose programs are found first, and before which there are no docker and no skopeo."""
    place = tmp_path / "programs"
    place.mkdir()
    for name in ("cp", "sh"):
        (place / name).symlink_to(shutil.which(name) or "")
    monkeypatch.setenv("PATH", os.fspath(place))
    return place


def program(place: Path, text: str) -> None:
    place.write_text(f"#!/bin/sh\n{text}\n")
    place.chmod(place.stat().st_mode | stat.S_IXUSR)


def test_an_image_of_dockers(tmp_path: Path, programs: Path) -> None:
    IMAGE.saved(tmp_path / "saved.tar")
    assert "docker:agent is an image of Docker's, and the program docker is not" in refused(
        "docker:agent"
    )
    program(programs / "docker", f'[ "$1$4$5" = save--agent ] && exec cp {tmp_path}/saved.tar "$3"')
    assert planned("docker:agent").digest == planned("saved.tar").digest
    program(programs / "docker", 'echo "No such image: $5" >&2; exit 1')
    assert refused("docker:agent:2").startswith(
        "the image docker:agent:2 cannot be had: No such image: agent:2\n"
    )


def test_a_reference_is_fetched_by_skopeo(tmp_path: Path, programs: Path) -> None:
    archive(IMAGE.oci(tmp_path / "oci"), tmp_path / "oci.tar")
    name = "docker://registry.test/agent:1"
    with pytest.raises(PrerequisiteError, match="reference that skopeo fetches, and skopeo is not"):
        planned(name)
    script = f'[ "$1$3" = copy{name} ] && exec cp {tmp_path}/oci.tar "${{4#oci-archive:}}"'
    program(programs / "skopeo", script)
    assert planned(name).digest == planned("oci.tar").digest
    program(programs / "skopeo", "echo unauthorized >&2; exit 2")
    assert f"the image {name} cannot be had: unauthorized" in refused(name)


# What is kept, and what is not.


def test_an_image_is_made_one_file_once(images: Path) -> None:
    IMAGE.saved(Path("i.tar"))
    first = Path(planned("i.tar").rootfs)
    made = first.stat()
    assert Path(planned("i.tar").rootfs).stat() == made
    assert [*images.iterdir()] == [first]


def test_what_a_killed_one_left_is_removed_and_nothing_else(images: Path) -> None:
    kept = planned(IMAGE.saved(Path("i.tar"))).rootfs
    (images / ".part-killed").mkdir()
    (images / ".part-killed/made.tar").write_bytes(b"x")
    with cache.working() as part:
        assert list(gc.collect([])) == [
            f"{images}/.part-killed, of an image that was being unpacked"
        ]
        assert part.exists()
    assert [os.fspath(path) for path in images.iterdir()] == [kept]


def test_the_lab_says_so_where_it_cannot_read_the_cache(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setenv("XDG_CACHE_HOME", "/run/nowhere")
    with pytest.raises(PrerequisiteError, match="which a lab cannot read\n  name another cache"):
        planned("any")
    assert not Path("/run/nowhere").exists()


def test_the_authority_has_the_name_by_which_openssl_looks_for_it(tmp_path: Path) -> None:
    """What an image is given at /etc/ssl/certs, against openssl's own reckoning."""
    from lab.ibm import authority
    from lab.image.root import AUTHORITY_HASH
    from lab.topology.load import load
    from lab.topology.resolve import resolve

    for name in ("direct", "upload"):
        authority.issue(resolve(load(name), b"images"), tmp_path / name)
        told = subprocess.run(
            ["openssl", "x509", "-noout", "-hash", "-in", tmp_path / name / "ca.pem"],
            capture_output=True, text=True, check=True,
        )  # fmt: skip
        assert told.stdout.strip() == AUTHORITY_HASH


def test_an_image_that_is_too_big_is_not_even_written(tmp_path: Path, images: Path) -> None:
    (tmp_path / "rootfs").mkdir()
    (tmp_path / "rootfs/big").touch()
    os.truncate(tmp_path / "rootfs/big", GIB)
    told = "the image rootfs takes 1024 MiB of memory, and the lab has 768 MiB for it\n"
    with found("rootfs") as image:
        with pytest.raises(PrerequisiteError, match=told):
            image.plan({}, GIB)
        assert not [path for path in images.rglob("*") if path.is_file()]


def test_an_image_that_was_kept_is_too_big_for_a_smaller_lab(tmp_path: Path) -> None:
    planned(IMAGE.saved(tmp_path / "i.tar"))
    with found("i.tar") as image, pytest.raises(PrerequisiteError, match="has 0 MiB for it"):
        image.plan({}, 4096)
