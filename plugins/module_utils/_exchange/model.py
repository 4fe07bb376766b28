# Copyright (c) 2026, petal.hpc contributors
# GNU General Public License v3.0+ (see LICENSE or https://www.gnu.org/licenses/gpl-3.0.txt)
# SPDX-License-Identifier: GPL-3.0-or-later

"""Snapshots of the local provider on their way: what may leave, what a foreign record may say, and one file for all.

The file is a tar of these members, in this order: ``SHA256``, as sha256sum(1) writes and reads it, ``snapshot.json``,
what there is of ``snapshot.json.sig``, ``provenance.json`` and ``provenance.json.sig``, ``volume.tar.zst``. It is read
as exactly that and not as the archive that anybody could write: no other names, kinds of members or extensions of the
format.
"""

from __future__ import annotations

import json
import re
import tarfile
from collections.abc import Iterator, Mapping
from typing import Any

from ansible_collections.petal.hpc.plugins.module_utils._core.tags import SHARING
from ansible_collections.petal.hpc.plugins.module_utils._sharing.verdict import PRIVATE, SharingError, parse
from ansible_collections.petal.hpc.plugins.module_utils._snapshot.model import (
    BESIDE,
    COMPLETED,
    RECORD,
    Snapshot,
    SnapshotError,
    parse_snapshot,
)

SUMS = "SHA256"
ARCHIVE = "volume.tar.zst"
BLOCK = 512
# The end of a tar, two blocks of zeros, filled up to a record as GNU tar has it.
RECORD_SIZE = 20 * BLOCK
SUMS_LIMIT = 1024
RECORD_LIMIT = 1024**2
#: What may be in it in front of the archive, in this order, and how many bytes each may have.
MEMBERS = {RECORD: RECORD_LIMIT, **BESIDE}
# Larger than any that EBS has.
SIZE_GB_LIMIT = 65536
TAGS_LIMIT = 50
PACKAGES_LIMIT = 20_000
_NAME = re.compile(r"[A-Za-z][A-Za-z0-9-]{0,59}")
_WORD = re.compile(r"[a-z0-9_]{1,32}")
_LINE = re.compile(r"([0-9a-f]{64}) [ *](\S+)")
_LENGTHS = {"description": 1000, "owner": 64, "message": 1000}


def leaving(snapshot: Snapshot, unaudited: bool, to_others: bool = False) -> str | None:
    """Why a snapshot may not leave this host; None when it may.

    :param unaudited: somebody has looked at it, and says that it may, whatever the audit says.
    :param to_others: it is for others to use: then a private one stays in any case.
    """
    tag = snapshot.tags.get(SHARING)
    if unaudited and not (to_others and tag):
        return None
    if tag is None:
        return (
            f"{snapshot.snapshot_id} has no tag {SHARING}: nobody has looked for secrets on it. Build it again "
            "(-e force=true), which looks; or look yourself, and say so with -e unaudited=true"
        )
    try:
        verdict = parse(tag)
    except SharingError as error:
        return f"{snapshot.snapshot_id}: the tag {SHARING}: {error}. Build it again (-e force=true)"
    if verdict.level != PRIVATE:
        return None
    reasons = "; ".join(verdict.reasons) or "its tag gives no reasons"
    way_out = "" if to_others else "; or, where it goes to nobody else, say so with -e unaudited=true"
    return f"{snapshot.snapshot_id} has secrets on it: {reasons}. Build it without them{way_out}"


def foreign_snapshot(value: Any) -> Snapshot:
    """A record that somebody else wrote, with everything in it checked and bounded. Raises SnapshotError."""
    snapshot = parse_snapshot(value)
    for what, text, pattern in (
        ("name", snapshot.name, _NAME),
        ("os", snapshot.os, _WORD),
        ("architecture", snapshot.architecture, _WORD),
    ):
        if not pattern.fullmatch(text):
            raise SnapshotError(f"{what} is not of the form {pattern.pattern}")
    for what, limit in _LENGTHS.items():
        _check_text(what, getattr(snapshot, what), limit)
    if (snapshot.state, snapshot.provider) != (COMPLETED, "local"):
        raise SnapshotError("it is no completed snapshot of provider local")
    if snapshot.size_gb > SIZE_GB_LIMIT:
        raise SnapshotError(f"size_gb is more than {SIZE_GB_LIMIT}")
    if not snapshot.stored_bytes or snapshot.stored_bytes > snapshot.size_gb * 2 * 1024**3:
        raise SnapshotError("stored_bytes is missing, or more than a volume of that size can have")
    if len(snapshot.tags) > TAGS_LIMIT or len(snapshot.packages) > PACKAGES_LIMIT:
        raise SnapshotError(f"it has more than {TAGS_LIMIT} tags or {PACKAGES_LIMIT} packages")
    for key, text in snapshot.tags.items():
        _check_text("a tag's name", key, 128)
        _check_text(f"tag {key}", text, 256)
    for text in snapshot.packages:
        _check_text("a package", text, 256)
    return snapshot


def _check_text(what: str, text: str, limit: int) -> None:
    if len(text) > limit or not text.isprintable():
        raise SnapshotError(f"{what} is no line of at most {limit} printable characters")


def parse_record(data: bytes) -> Snapshot:
    """The record in ``snapshot.json`` of somebody else. Raises SnapshotError."""
    try:
        return foreign_snapshot(json.loads(data))
    except (ValueError, RecursionError) as error:
        raise SnapshotError(f"{RECORD} is not JSON ({error})") from error


def sums(digests: Mapping[str, str]) -> bytes:
    """The text of ``SHA256`` for digests in hex, by the names of the members and in their order."""
    return "".join(f"{digest}  {name}\n" for name, digest in digests.items()).encode()


def parse_sums(data: bytes) -> dict[str, str]:
    """The digests by the names of the members, in their order. Raises SnapshotError."""
    found = [match.groups() for match in map(_LINE.fullmatch, data.decode("ascii", "replace").splitlines()) if match]
    names = [name for _digest, name in found]
    if names != [name for name in (*MEMBERS, ARCHIVE) if name in names or name in (RECORD, ARCHIVE)]:
        raise SnapshotError(f"{SUMS} does not name {RECORD} and {ARCHIVE}, with what may stand between them")
    return {name: digest for digest, name in found}


def header(name: str, size: int) -> bytes:
    """The block that stands before a member. Nothing in it depends on who writes it, or when."""
    member = tarfile.TarInfo(name)
    member.size, member.mode = size, 0o444
    member.uname = member.gname = "root"
    return member.tobuf(tarfile.GNU_FORMAT)


def parse_header(block: bytes, expected: str) -> int:
    """The size of the member that has to follow. Raises SnapshotError for anything but a plain file of that name."""
    if len(block) < BLOCK:
        raise SnapshotError(f"it ends before {expected}")
    try:
        member = tarfile.TarInfo.frombuf(block, "utf-8", "strict")
    except (tarfile.TarError, ValueError) as error:
        raise SnapshotError(f"there is no {expected} where it has to be ({error})") from error
    if not member.type == tarfile.REGTYPE or member.name != expected or member.size < 0:
        raise SnapshotError(f"{member.name[:60]!r} stands where the file {expected} has to be")
    return member.size


def padding(size: int) -> int:
    """Zeros behind a member of that size.

    >>> padding(1), padding(512)
    (511, 0)
    """
    return -size % BLOCK


def ending(size: int) -> bytes:
    """What ends a tar of that size so far."""
    return bytes(2 * BLOCK + -(size + 2 * BLOCK) % RECORD_SIZE)


def problems(snapshot: Snapshot, archive_size: int, digest: str) -> Iterator[str]:
    """What does not agree between a record and the archive that came with it."""
    if archive_size != snapshot.stored_bytes:
        yield f"{ARCHIVE} has {archive_size} bytes, its record says {snapshot.stored_bytes}"
    if digest != snapshot.sha256:
        yield f"{ARCHIVE} has the sha256 {digest}, its record says {snapshot.sha256}"
