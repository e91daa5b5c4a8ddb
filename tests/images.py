"""Container images for tests, made of this machine's programs, by no tool for images. No assertions."""

from __future__ import annotations

import gzip
import hashlib
import io
import json
import re
import shutil
import subprocess
import tarfile
from collections.abc import Iterable, Mapping
from dataclasses import dataclass, field
from functools import cache
from pathlib import Path
from typing import Any

from lab.image.config import here

PROGRAMS = (
    "sh",
    "cat",
    "curl",
    "env",
    "id",
    "ls",
    "pwd",
    "readlink",
    "rm",
    "sleep",
    "stat",
    "touch",
    "uname",
)
MERGED = {"bin": "usr/bin", "sbin": "usr/sbin", "lib": "usr/lib", "lib64": "usr/lib64"}


@dataclass(frozen=True, kw_only=True)
class Item:
    """One entry of a layer."""

    path: str
    data: bytes = b""
    kind: bytes = tarfile.REGTYPE
    mode: int = 0o755
    uid: int = 0
    gid: int = 0
    target: str = ""
    pax: Mapping[str, str] = field(default_factory=dict)


def folder(path: str, mode: int = 0o755, uid: int = 0) -> Item:
    return Item(path=path, kind=tarfile.DIRTYPE, mode=mode, uid=uid, gid=uid)


def link(path: str, target: str) -> Item:
    return Item(path=path, kind=tarfile.SYMTYPE, target=target)


def hard_link(path: str, target: str) -> Item:
    return Item(path=path, kind=tarfile.LNKTYPE, target=target)


def layer(items: Iterable[Item]) -> bytes:
    """A layer as a tar that is not compressed."""
    packed = io.BytesIO()
    with tarfile.open(fileobj=packed, mode="w", format=tarfile.PAX_FORMAT) as tar:
        for item in items:
            info = tarfile.TarInfo(item.path)
            info.type, info.mode, info.uid, info.gid = item.kind, item.mode, item.uid, item.gid
            info.linkname, info.size, info.pax_headers = item.target, len(item.data), dict(item.pax)
            tar.addfile(info, io.BytesIO(item.data))
    return packed.getvalue()


@cache
def base(programs: tuple[str, ...] = PROGRAMS) -> tuple[Item, ...]:
    """Programs of this machine, and the libraries that they need."""
    items = [folder("usr"), *(folder(each) for each in sorted(MERGED.values()))]
    items += [link(path, target) for path, target in MERGED.items()]
    items += [folder("etc"), folder("tmp", 0o1777), folder("root", 0o700)]
    files: dict[str, Path] = {}
    for name in programs:
        found = shutil.which(name, path="/usr/bin:/bin:/usr/sbin:/sbin")
        if found is None:
            raise RuntimeError(f"this machine has no program {name}")
        files[f"usr/bin/{name}"] = Path(found).resolve()
        told = subprocess.run(["ldd", found], capture_output=True, text=True, check=True).stdout
        for path in re.findall(r"(/\S+) \(0x", told):
            inside = path.lstrip("/")
            first = inside.partition("/")[0]
            files[inside.replace(first, MERGED.get(first, first), 1)] = Path(path).resolve()
    folders = {str(parent) for path in files for parent in Path(path).parents} - {".", "usr"}
    items += [folder(path) for path in sorted(folders - set(MERGED.values()))]
    items += [Item(path=path, data=file.read_bytes()) for path, file in files.items()]
    return tuple(items)


@dataclass(frozen=True)
class Image:
    """Layers and a configuration, which can be written in each of the forms that tools know."""

    layers: tuple[bytes, ...]
    runs: Mapping[str, Any] = field(default_factory=dict)
    architecture: str = here()[1]

    @property
    def config(self) -> bytes:
        return json.dumps(
            {
                "architecture": self.architecture,
                "os": "linux",
                "config": dict(self.runs),
                "rootfs": {"type": "layers", "diff_ids": [_digest(each) for each in self.layers]},
            }
        ).encode()

    def oci(self, place: Path, tag: str = "latest") -> Path:
        """An OCI layout, each layer compressed."""
        packed = [gzip.compress(each, 1, mtime=0) for each in self.layers]
        config = put(place, self.config, "application/vnd.oci.image.config.v1+json")
        kind = "application/vnd.oci.image.layer.v1.tar+gzip"
        manifest = {
            "schemaVersion": 2,
            "mediaType": "application/vnd.oci.image.manifest.v1+json",
            "config": config,
            "layers": [put(place, each, kind) for each in packed],
        }
        entry = put(place, json.dumps(manifest).encode(), str(manifest["mediaType"]))
        entry["platform"] = {"os": "linux", "architecture": self.architecture}
        entry["annotations"] = {"org.opencontainers.image.ref.name": tag}
        index = place / "index.json"
        former = json.loads(index.read_text())["manifests"] if index.exists() else []
        index.write_text(json.dumps({"schemaVersion": 2, "manifests": [*former, entry]}))
        (place / "oci-layout").write_text('{"imageLayoutVersion": "1.0.0"}')
        return place

    def saved(self, place: Path, *tags: str) -> Path:
        """As ``docker save`` wrote it before version 25: a layer that is there twice is a link then."""
        names: dict[str, str] = {}
        with tarfile.open(place, "w") as tar:
            layers = []
            for number, data in enumerate(self.layers):
                name, digest = f"{number}/layer.tar", _digest(data)
                if digest in names:
                    info = tarfile.TarInfo(name)
                    info.type, info.linkname = tarfile.SYMTYPE, f"../{names[digest]}"
                    tar.addfile(info)
                else:
                    names[digest] = name
                    _member(tar, name, data)
                layers.append(name)
            config = f"{_digest(self.config).partition(':')[2]}.json"
            _member(tar, config, self.config)
            told = [{"Config": config, "RepoTags": list(tags), "Layers": layers}]
            _member(tar, "manifest.json", json.dumps(told).encode())
        return place


def archive(folder_: Path, place: Path) -> Path:
    """All of a folder as a tar."""
    with tarfile.open(place, "w") as tar:
        tar.add(folder_, arcname=".")
    return place


def _digest(data: bytes) -> str:
    return f"sha256:{hashlib.sha256(data).hexdigest()}"


def put(place: Path, data: bytes, kind: str) -> dict[str, Any]:
    digest = _digest(data)
    path = place / "blobs" / digest.replace(":", "/")
    path.parent.mkdir(parents=True, exist_ok=True)
    path.write_bytes(data)
    return {"mediaType": kind, "digest": digest, "size": len(data)}


def _member(tar: tarfile.TarFile, name: str, data: bytes) -> None:
    info = tarfile.TarInfo(name)
    info.size = len(data)
    tar.addfile(info, io.BytesIO(data))
