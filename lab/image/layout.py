"""Which layers make an image: by an OCI layout (image-layout.md), or by what ``docker save`` writes."""

from __future__ import annotations

import hashlib
import json
import posixpath
from collections.abc import Iterator
from dataclasses import dataclass
from typing import IO, Any

from lab.errors import UsageError
from lab.image.blobs import Blobs
from lab.image.compression import AGAIN
from lab.image.config import ImageConfig, check_platform, here

_INDEX = "index.json"
_MANIFEST = "manifest.json"
_REF_NAME = "org.opencontainers.image.ref.name"
_FULL_NAME = "io.containerd.image.name"
_NESTED = ("image.index", "manifest.list")
"""In the media type of an index that stands in another one, as of an image for several platforms."""
_DEEPEST = 4


@dataclass(frozen=True, slots=True, kw_only=True)
class ImageParts:
    """An image in its blobs."""

    digest: str
    """The image's ID: the digest of its configuration, which names every layer's."""
    config: ImageConfig
    layers: tuple[str, ...]
    """Names of blobs, the lowest first."""


def parts_of(blobs: Blobs, name: str, tag: str) -> ImageParts | None:
    """The image with a tag, or the only one; None if what the blobs are is no image at all.

    Raises UsageError for one that is not whole, or not for this machine.
    """
    reader = _LayoutReader(blobs, name)
    if (saved := reader.json(_MANIFEST)) is not None:
        return reader.saved(saved, tag)
    if (index := reader.json(_INDEX)) is not None:
        return reader.laid_out(index, tag)
    return None


class _LayoutReader:
    def __init__(self, blobs: Blobs, name: str) -> None:
        self._blobs = blobs
        self._name = name

    def json(self, blob: str) -> Any:
        """What a blob says; None if it is not there."""
        file = self._blobs.open(blob)
        return None if file is None else self._parse(file, blob)[0]

    def saved(self, told: Any, tag: str) -> ImageParts:
        """By ``manifest.json`` of ``docker save``."""
        try:
            images = [(each.get("RepoTags") or [], each) for each in told]
            tagged = [each for tags, each in images if not tag or _named(tag, tags)]
            chosen = self._only(tagged, tag, [t for tags, _ in images for t in tags])
            return self._parts(chosen["Config"], tuple(chosen["Layers"]))
        except (AttributeError, KeyError, TypeError) as error:
            raise self._senseless(_MANIFEST) from error

    def laid_out(self, index: Any, tag: str) -> ImageParts:
        """By ``index.json`` of an OCI layout."""
        try:
            entries = list(index["manifests"])
            tagged = [each for each in entries if not tag or _named(tag, _tags(each))]
            fitting = [*dict.fromkeys(self._fitting(tagged))]
            manifest = self._only(fitting, tag, [t for each in entries for t in _tags(each)])
            told = self._needed(_blob(manifest))
            return self._parts(
                _blob(told["config"]["digest"]),
                tuple(_blob(each["digest"]) for each in told["layers"]),
            )
        except (AttributeError, KeyError, TypeError) as error:
            raise self._senseless(_INDEX) from error

    def _fitting(self, entries: list[Any]) -> Iterator[str]:
        """The digests of the manifests that are for this machine."""
        flat = list(self._flattened(entries, _DEEPEST))
        told = [(each, each.get("platform") or {}) for each in flat]
        platforms = [
            (str(platform.get("os", "linux")), str(platform.get("architecture", "")))
            for _, platform in told
        ]
        # What a builder says of an image lies beside it, for no platform.
        known = [pair for pair in platforms if pair != ("unknown", "unknown")]
        if known:
            check_platform(self._name, known)
        for (each, _), pair in zip(told, platforms, strict=True):
            if pair in (here(), ("linux", "")):
                yield each["digest"]

    def _flattened(self, entries: list[Any], deepest: int) -> Iterator[Any]:
        for each in entries:
            if deepest and any(kind in each.get("mediaType", "") for kind in _NESTED):
                nested = self._needed(_blob(each["digest"]))["manifests"]
                yield from self._flattened(nested, deepest - 1)
            else:
                yield each

    def _only(self, found: list[Any], tag: str, tags: list[str]) -> Any:
        if len(found) == 1:
            return found[0]
        there = ", ".join(dict.fromkeys(tags)) or "none has a name"
        if tag:
            raise UsageError(f"{self._name} has no image {tag}", hint=f"there are: {there}")
        raise UsageError(
            f"{self._name} holds {len(found)} images",
            hint=f"name one by --image {self._name}:TAG; there are: {there}" if found else AGAIN,
        )

    def _parts(self, config: str, layers: tuple[str, ...]) -> ImageParts:
        file = self._blobs.open(config)
        if file is None:
            raise self._absent(config)
        told, digest = self._parse(file, config)
        return ImageParts(
            digest=f"sha256:{digest}", config=ImageConfig.parse(told, self._name), layers=layers
        )

    def _needed(self, blob: str) -> Any:
        told = self.json(blob)
        if told is None:
            raise self._absent(blob)
        return told

    def _parse(self, file: IO[bytes], blob: str) -> tuple[Any, str]:
        with file:
            data = file.read()
        try:
            return json.loads(data), hashlib.sha256(data).hexdigest()
        except ValueError as error:
            raise UsageError(
                f"{blob} of the image {self._name} is no JSON: {error}", hint=AGAIN
            ) from error

    def _absent(self, blob: str) -> UsageError:
        return UsageError(f"the image {self._name} is not whole: {blob} is not in it", hint=AGAIN)

    def _senseless(self, blob: str) -> UsageError:
        return UsageError(f"{blob} of the image {self._name} makes no sense", hint=AGAIN)


def _blob(digest: str) -> str:
    kind, _, value = digest.partition(":")
    return f"blobs/{kind}/{value}"


def _tags(entry: Any) -> list[str]:
    notes = entry.get("annotations") or {}
    return [notes[key] for key in (_FULL_NAME, _REF_NAME) if key in notes]


def _named(tag: str, tags: list[str]) -> bool:
    """Whether one of an image's names is meant: ``1.2``, ``agent:1.2`` or all of it."""
    ends = {tag, posixpath.basename(tag)}
    return any(
        tag in (each, each.rpartition(":")[2]) or posixpath.basename(each) in ends for each in tags
    )
