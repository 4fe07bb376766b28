# Copyright (c) 2026, petal.hpc contributors
# GNU General Public License v3.0+ (see LICENSE or https://www.gnu.org/licenses/gpl-3.0.txt)
# SPDX-License-Identifier: GPL-3.0-or-later

"""Stores of others for snapshots of the provider local: a shared directory, or a bucket in S3.

A directory is laid out as any store, so that one is as good as the other. In a bucket the fingerprint is part of the
key, ``PREFIX/snapshots/FINGERPRINT/ID/{snapshot.json,volume.tar.zst}``: who looks for one lists one prefix, however
many there are. What stands in them is believed as little as a file from anywhere.
"""

from __future__ import annotations

import contextlib
import errno
import os
import secrets
from collections.abc import Callable, Iterable, Iterator
from concurrent.futures import ThreadPoolExecutor
from dataclasses import replace
from pathlib import Path
from typing import Any, Protocol

from ansible.module_utils.common.warnings import warn

from ansible_collections.petal.hpc.plugins.module_utils._aws.errors import explain
from ansible_collections.petal.hpc.plugins.module_utils._aws.needs import INSTALL
from ansible_collections.petal.hpc.plugins.module_utils._host.api import (
    SNAPSHOTS,
    UNFINISHED,
    Host,
    explained,
    try_lock,
)
from ansible_collections.petal.hpc.plugins.module_utils._host.below import api as below
from ansible_collections.petal.hpc.plugins.module_utils._host.parse import human
from ansible_collections.petal.hpc.plugins.module_utils._seed.errors import PetalError
from ansible_collections.petal.hpc.plugins.module_utils._seed.grammar import snapshot_store
from ansible_collections.petal.hpc.plugins.module_utils._snapshot.api import (
    ARCHIVE,
    SPARE,
    SnapshotStore,
    fill,
    judged,
)
from ansible_collections.petal.hpc.plugins.module_utils._snapshot.model import (
    BESIDE,
    FINGERPRINT,
    RECORD,
    SIGNATURES,
    SNAPSHOT_ID,
    Parcel,
    Snapshot,
    SnapshotError,
    check_fingerprint,
    check_snapshot_id,
)
from ansible_collections.petal.hpc.plugins.module_utils._snapshot.portable import model
from ansible_collections.petal.hpc.plugins.module_utils._snapshot.select import Criteria, Refusal, newest_first
from ansible_collections.petal.hpc.plugins.module_utils._snapshot.sources import (
    LOCAL,
    ORGANIZATION,
    Found,
    LookUp,
    Source,
    look_up,
    parse_sources,
)
from ansible_collections.petal.hpc.plugins.module_utils._trust import api as trust
from ansible_collections.petal.hpc.plugins.module_utils._trust.policy import (
    Place,
    Policy,
    Verdict,
)

PIECE = 1 << 20
# Of one store: more entries than that are no store of software.
ENTRIES_LIMIT = 20_000
AT_ONCE = 16
MISSING_CODES = ("404", "NoSuchKey", "NotFound")


class Remote(Protocol):
    """A store of somebody else. Every method raises PetalError."""

    def scan(self, criteria: Criteria) -> tuple[list[Parcel], list[Refusal]]:
        """What may be meant, and what is no snapshot, with the reason."""

    def get(self, snapshot_id: str) -> Parcel:
        """One record, with its signatures."""

    def pieces(self, snapshot: Snapshot) -> Iterator[bytes]:
        """Its archive, and no more of it than its record says."""

    def publish(self, parcel: Parcel, archive: Path, check: bool) -> bool:
        """Put a snapshot there; whether anything changes."""

    def withdraw(self, snapshot_id: str | None, fingerprint: str | None, check: bool) -> list[str]:
        """Take one, or all of a fingerprint, away; those that were there."""


def remote_store(module: Any, text: str) -> Remote:
    """The store that a text names, ``/DIR`` or ``s3://BUCKET/PREFIX``. Raises SnapshotError."""
    flaw = snapshot_store(text)
    if flaw:
        raise SnapshotError(f"the store {text[:100]!r}: {flaw}")
    return Bucket(module, text) if text.startswith("s3://") else Directory(text)


def _refusals(name: str, where: str, error: Exception) -> Refusal:
    shown = name if name.isprintable() else ascii(name)
    return Refusal(shown[:64], f"its entry in {where} is damaged: {error}")


class Directory:
    """A store's directory that others write as well, as on NFS. Nothing in it is opened through a link, nor locked."""

    def __init__(self, path: str) -> None:
        self._path = Path(path)
        self._root = self._path / SNAPSHOTS

    @contextlib.contextmanager
    def _opened(self) -> Iterator[int]:
        """The directory ``snapshots``. Raises FileNotFoundError where there is none."""
        with below.directory(self._path) as top, below.inside(top, SNAPSHOTS) as root:
            yield root

    def scan(self, criteria: Criteria) -> tuple[list[Parcel], list[Refusal]]:
        found: list[Parcel] = []
        refused: list[Refusal] = []
        with explained(f"reading the store {self._path}"):
            if not self._path.is_dir():
                raise SnapshotError(f"there is no directory {self._path} on this host: is it mounted?")
            with contextlib.suppress(FileNotFoundError), self._opened() as root:
                names = below.names(root)
                if len(names) > ENTRIES_LIMIT:
                    raise SnapshotError(f"{self._root} has more than {ENTRIES_LIMIT} entries")
                for name in names:
                    if name.startswith(".") or (criteria.snapshot_ids and name not in criteria.snapshot_ids):
                        continue
                    answer = self._try(root, name)
                    if isinstance(answer, Parcel):
                        found.append(answer)
                    else:
                        refused.append(_refusals(name, str(self._root), answer))
        return found, refused

    def _try(self, root: int, name: str) -> Parcel | PetalError:
        try:
            with explained("reading it"):
                return self._read(root, name)
        except PetalError as error:
            return error

    def get(self, snapshot_id: str) -> Parcel:
        with explained(f"reading {snapshot_id} in {self._root}"), self._opened() as root:
            return self._read(root, check_snapshot_id(snapshot_id), whole=True)

    def _read(self, root: int, name: str, whole: bool = False) -> Parcel:
        """A record with its signatures, or with all that goes with it."""
        if not SNAPSHOT_ID.fullmatch(name):
            raise SnapshotError("its name is no snapshot id")
        with below.inside(root, name) as entry:
            with below.reading(entry, RECORD) as stream:
                data = _limited(RECORD, stream.read(model.RECORD_LIMIT + 1))
            with below.reading(entry, ARCHIVE) as stream:
                size = os.fstat(stream.fileno()).st_size
            beside = {}
            for file in BESIDE if whole else (SIGNATURES,):
                with contextlib.suppress(FileNotFoundError), below.reading(entry, file) as stream:
                    beside[file] = _limited(file, stream.read(BESIDE[file] + 1))
        snapshot = model.parse_record(data)
        if snapshot.snapshot_id != name:
            raise SnapshotError(f"{RECORD} is of {snapshot.snapshot_id}")
        if size != snapshot.stored_bytes:
            raise SnapshotError(f"{ARCHIVE} has {size} bytes, its record says {snapshot.stored_bytes}")
        return Parcel(snapshot, data, beside)

    def pieces(self, snapshot: Snapshot) -> Iterator[bytes]:
        left = snapshot.stored_bytes or 0
        with below.file(self._path, f"{SNAPSHOTS}/{snapshot.snapshot_id}/{ARCHIVE}") as stream:
            while left > 0 and (piece := stream.read(min(PIECE, left))):
                left -= len(piece)
                yield piece

    def publish(self, parcel: Parcel, archive: Path, check: bool) -> bool:
        snapshot = parcel.snapshot
        doing = f"publishing {snapshot.snapshot_id} in {self._path}"
        if not self._path.is_dir():
            raise SnapshotError(f"there is no directory {self._path} on this host: mount it, or make it first")
        with explained(doing):
            if self._has(parcel, doing):
                return False
            free, need = Host.free_bytes(self._path), (snapshot.stored_bytes or 0) + SPARE
            if free < need:
                raise SnapshotError(f"{doing}: it takes {human(need)} in {self._path}, {human(free)} are free")
            if not check:
                with below.directory(self._path) as top, below.made(top, SNAPSHOTS) as root:
                    below.remove_dead(root, UNFINISHED)
                    return self._put(root, parcel, archive, doing)
        return True

    def _has(self, parcel: Parcel, doing: str) -> bool:
        try:
            with self._opened() as root:
                there = self._read(root, parcel.snapshot.snapshot_id, whole=True)
        except FileNotFoundError:
            return False
        except PetalError as error:
            raise SnapshotError(f"{doing}: what is there of that id is damaged: {error}. Withdraw it first.") from error
        return _same(there, parcel, doing)

    def _put(self, root: int, parcel: Parcel, archive: Path, doing: str) -> bool:
        snapshot = parcel.snapshot
        draft = f"{UNFINISHED}{snapshot.snapshot_id}.{secrets.token_hex(8)}"
        with below.made(root, draft, 0o700) as entry:
            try:
                # Nobody else can open it, so that a lock on it says that this one lives.
                try_lock(entry)
                with below.creating(entry, ARCHIVE, 0o444) as stream:
                    fill(stream, snapshot, _file_pieces(archive), doing)
                for name, data in {RECORD: parcel.record, **parcel.beside}.items():
                    with below.creating(entry, name, 0o444) as stream:
                        stream.write(data)
                os.fchmod(entry, 0o755)
                try:
                    os.rename(draft, snapshot.snapshot_id, src_dir_fd=root, dst_dir_fd=root)
                except OSError as error:
                    if error.errno not in (errno.ENOTEMPTY, errno.EEXIST):
                        raise
                    # Another one was faster, with the same or with something else.
                    return not self._has(parcel, doing)
                os.fsync(root)
            finally:
                below.remove(root, draft)
        return True

    def withdraw(self, snapshot_id: str | None, fingerprint: str | None, check: bool) -> list[str]:
        if snapshot_id is not None:
            check_snapshot_id(snapshot_id)
        if fingerprint is not None:
            check_fingerprint(fingerprint)
        if snapshot_id is None and fingerprint is None:
            return []
        withdrawn = []
        with (
            explained(f"withdrawing from {self._path}"),
            contextlib.suppress(FileNotFoundError),
            self._opened() as root,
        ):
            for name in below.names(root):
                if name.startswith(".") or snapshot_id not in (None, name):
                    continue
                answer = self._try(root, name)
                # A damaged one is asked for by its id alone.
                found = answer.snapshot.fingerprint if isinstance(answer, Parcel) else None
                if fingerprint in (None, found):
                    withdrawn.append(name)
                    if not check:
                        self._take_away(root, name)
        return withdrawn

    def _take_away(self, root: int, name: str) -> None:
        """Renamed first, so that nobody finds half of it."""
        gone = f"{UNFINISHED}{name}.{secrets.token_hex(8)}"
        os.rename(name, gone, src_dir_fd=root, dst_dir_fd=root)
        below.remove(root, gone)
        os.fsync(root)


def _same(there: Parcel, parcel: Parcel, doing: str) -> bool:
    """That what is there is what shall come, signatures too. Raises SnapshotError where it is not."""
    if there.record != parcel.record:
        raise SnapshotError(f"{doing}: there is another snapshot of the same id. It is left as it is.")
    if there.beside != parcel.beside:
        raise SnapshotError(f"{doing}: it is there with other signatures. Withdraw it first (unshare_volume).")
    return True


def _limited(name: str, data: bytes) -> bytes:
    """A record, or a document that stands beside it. Raises SnapshotError where it is too large."""
    if len(data) > model.MEMBERS[name]:
        raise SnapshotError(f"{name} has more than {model.MEMBERS[name]} bytes")
    return data


def _file_pieces(path: Path) -> Iterator[bytes]:
    with path.open("rb") as stream:
        while piece := stream.read(PIECE):
            yield piece


class Bucket:
    """A prefix of a bucket.

    :param module: AnsibleAWSModule; its region, endpoint and credentials are used.
    """

    def __init__(self, module: Any, url: str) -> None:
        try:
            # Here, for a directory needs none of them.
            from boto3.exceptions import Boto3Error
            from botocore.exceptions import BotoCoreError, ClientError

            from ansible_collections.amazon.aws.plugins.module_utils.retries import AWSRetry
        except ImportError as error:
            raise SnapshotError(
                f"the store {url} needs boto3 on this host, and amazon.aws on the controller ({error}). {INSTALL}"
            ) from error
        self._refusals: Any = ClientError
        self._troubles: Any = (BotoCoreError, Boto3Error)
        self._url = url.rstrip("/")
        self._bucket, _slash, prefix = self._url[len("s3://") :].partition("/")
        self._root = f"{prefix}/snapshots/" if prefix else "snapshots/"
        config = {"max_pool_connections": AT_ONCE}
        self._client = module.client("s3", retry_decorator=AWSRetry.jittered_backoff(retries=4, delay=1), config=config)

    @contextlib.contextmanager
    def _asking(self, doing: str) -> Iterator[None]:
        try:
            yield
        except self._refusals as error:
            found = error.response.get("Error", {})
            raise explain(f"{doing} {self._url}", str(found.get("Code", "")), str(found.get("Message", ""))) from error
        except self._troubles as error:
            raise explain(f"{doing} {self._url}", "", str(error)) from error

    def scan(self, criteria: Criteria) -> tuple[list[Parcel], list[Refusal]]:
        entries: list[tuple[str, str]] = []
        for fingerprint in criteria.fingerprints or (None,):
            # An older one is asked for only where this one has nothing.
            entries = entries or list(self._entries(fingerprint))
        wanted = [entry for entry in entries if not criteria.snapshot_ids or entry[1] in criteria.snapshot_ids]
        found, refused = [], []
        with ThreadPoolExecutor(AT_ONCE) as pool:
            for entry, answer in zip(wanted, pool.map(self._try, wanted)):
                if isinstance(answer, Parcel):
                    found.append(answer)
                else:
                    refused.append(_refusals(entry[1], self._url, answer))
        return found, refused

    def _entries(self, fingerprint: str | None) -> Iterator[tuple[str, str]]:
        """(fingerprint, id) of everything that has a record."""
        prefix = self._root + (check_fingerprint(fingerprint).partition(":")[2] + "/" if fingerprint else "")
        with self._asking("looking into"):
            pages = self._client.get_paginator("list_objects_v2").paginate(Bucket=self._bucket, Prefix=prefix)
            count = 0
            for page in pages:
                for item in page.get("Contents", ()):
                    count += 1
                    if count > 2 * ENTRIES_LIMIT:
                        raise SnapshotError(f"{self._url} has more than {ENTRIES_LIMIT} snapshots")
                    parts = item["Key"][len(self._root) :].split("/")
                    if len(parts) == 3 and parts[2] == RECORD and _is_entry(parts[0], parts[1]):
                        yield f"sha256:{parts[0]}", parts[1]

    def _try(self, entry: tuple[str, str]) -> Parcel | PetalError:
        try:
            return self._read(*entry)
        except PetalError as error:
            return error

    def _read(self, fingerprint: str, snapshot_id: str, whole: bool = False) -> Parcel:
        """A record with its signatures, or with all that goes with it."""
        with self._asking("reading a record in"):
            data = _limited(RECORD, self._small(self._key(fingerprint, snapshot_id, RECORD), model.RECORD_LIMIT))
            names = BESIDE if whole else (SIGNATURES,)
            beside = {name: self._beside(self._key(fingerprint, snapshot_id, name), BESIDE[name]) for name in names}
        snapshot = model.parse_record(data)
        if (snapshot.fingerprint, snapshot.snapshot_id) != (fingerprint, snapshot_id):
            raise SnapshotError(f"{RECORD} is of {snapshot.snapshot_id}, {snapshot.fingerprint}")
        there = {name: _limited(name, found) for name, found in beside.items() if found is not None}
        return Parcel(snapshot, data, there)

    def _small(self, key: str, limit: int) -> bytes:
        """A document, and no more of it than shows that it is too large."""
        answer = self._client.get_object(Bucket=self._bucket, Key=key, aws_retry=True)
        return bytes(answer["Body"].read(limit + 1))

    def _beside(self, key: str, limit: int) -> bytes | None:
        """The same; None where there is none."""
        try:
            return self._small(key, limit)
        except self._refusals as error:
            if error.response.get("Error", {}).get("Code") in MISSING_CODES:
                return None
            raise

    def _key(self, fingerprint: str, snapshot_id: str, name: str) -> str:
        return f"{self._root}{fingerprint.partition(':')[2]}/{snapshot_id}/{name}"

    def get(self, snapshot_id: str) -> Parcel:
        check_snapshot_id(snapshot_id)
        for fingerprint, found in self._entries(None):
            if found == snapshot_id:
                return self._read(fingerprint, found, whole=True)
        raise SnapshotError(f"there is no snapshot {snapshot_id} in {self._url}")

    def pieces(self, snapshot: Snapshot) -> Iterator[bytes]:
        left = snapshot.stored_bytes or 0
        with self._asking("fetching from"):
            key = self._key(snapshot.fingerprint, snapshot.snapshot_id, ARCHIVE)
            body = self._client.get_object(Bucket=self._bucket, Key=key, aws_retry=True)["Body"]
            while left > 0 and (piece := body.read(min(PIECE, left))):
                left -= len(piece)
                yield piece

    def publish(self, parcel: Parcel, archive: Path, check: bool) -> bool:
        snapshot, there = parcel.snapshot, self._there(parcel.snapshot)
        if there is not None:
            return not _same(there, parcel, f"publishing {snapshot.snapshot_id} in {self._url}")
        if check:
            return True
        with self._asking("publishing in"), explained(f"reading {archive}"):
            self._client.upload_file(str(archive), self._bucket, self._key_of(snapshot, ARCHIVE))
            # The record comes last: without it nothing there is a snapshot.
            for name, data in {**parcel.beside, RECORD: parcel.record}.items():
                key = self._key_of(snapshot, name)
                self._client.put_object(Bucket=self._bucket, Key=key, Body=data, aws_retry=True)
        return True

    def _key_of(self, snapshot: Snapshot, name: str) -> str:
        return self._key(snapshot.fingerprint, snapshot.snapshot_id, name)

    def _there(self, snapshot: Snapshot) -> Parcel | None:
        known = (snapshot.fingerprint, snapshot.snapshot_id)
        return self._read(*known, whole=True) if known in self._entries(snapshot.fingerprint) else None

    def withdraw(self, snapshot_id: str | None, fingerprint: str | None, check: bool) -> list[str]:
        entries = [entry for entry in self._entries(fingerprint) if snapshot_id in (None, entry[1])]
        for entry in entries if not check else ():
            with self._asking("removing from"):
                # The record goes first, for the same reason.
                for name in (RECORD, *BESIDE, ARCHIVE):
                    self._client.delete_object(Bucket=self._bucket, Key=self._key(*entry, name), aws_retry=True)
        return [found for _fingerprint, found in entries]


def _is_entry(digest: str, snapshot_id: str) -> bool:
    return bool(FINGERPRINT.fullmatch(f"sha256:{digest}") and SNAPSHOT_ID.fullmatch(snapshot_id))


# Look-up and transfer


def find_in_stores(module: Any, host: Host, criteria: Criteria) -> LookUp:
    """What snapshot_info does with ``sources`` of the provider local; warnings go to the module. Raises PetalError.

    A store that cannot be asked is passed over, and the next one is asked.
    """
    given = module.params
    policy = Policy.from_mapping(given["trust"])

    def ask(source: Source) -> Found:
        if source.type == LOCAL:
            own = SnapshotStore(host, given["store"])
            found, refused = own.scan()
            trusted, others = _sifted(source, criteria, found, lambda one: own.judged(one, policy))
            return Found(trusted, [*refused, *others])
        if source.store is None:
            return Found(problem=f"what {_known(source)} offers is on AWS, and the provider is local")
        try:
            offered, refused = remote_store(module, source.store).scan(criteria)
        except PetalError as error:
            return Found(problem=str(error))
        store, parcels = source.store, {one.snapshot.snapshot_id: one for one in offered}

        def offered_one(one: Snapshot) -> Verdict:
            return judged(host, policy, _place(store, one.snapshot_id), parcels[one.snapshot_id])

        trusted, others = _sifted(source, criteria, [one.snapshot for one in offered], offered_one)
        return Found(newest_first(replace(one, source=ORGANIZATION) for one in trusted), [*refused, *others])

    found = look_up(parse_sources(given["sources"]), criteria, ask, given["all_sources"])
    for warning in found.warnings:
        warn(warning)
    return found


def _sifted(
    source: Source, criteria: Criteria, found: Iterable[Snapshot], ask: Callable[[Snapshot], Verdict]
) -> tuple[list[Snapshot], list[Refusal]]:
    """What of them is meant and the site trusts; and why not the rest, aloud where nothing else speaks against it."""
    trusted, refused = [], []
    for one in filter(criteria.means, found):
        try:
            verdict = ask(one)
        except PetalError as error:
            verdict = Verdict(False, str(error))
        if verdict.trusted:
            trusted.append(one)
            continue
        refused.append(Refusal(one.snapshot_id, verdict.reason))
        if criteria.objection(one) is None:
            warn(f"{source}: {one.snapshot_id} is passed over: {verdict.reason}")
    return trusted, refused


def _place(store: str, snapshot_id: str) -> Place:
    """A snapshot in a store of others as a place: all that leads there counts, and so do its files."""
    entry = Path(store, SNAPSHOTS, snapshot_id)
    return trust.store_place(store, *(entry / name for name in (ARCHIVE, RECORD, *BESIDE)))


def _known(source: Source) -> str:
    return f"account {source.account}" if source.account else f"the {source.type} registry"


class Transfer:
    """Snapshots between the own store and one of others."""

    def __init__(self, own: SnapshotStore, other: Remote, name: str) -> None:
        self._own = own
        self._other = other
        self._name = name

    def fetch(
        self, snapshot_id: str, fingerprint: str | None, policy: Policy, check: bool
    ) -> tuple[Snapshot, Verdict, bool]:
        """Into the own store; the record, why it is trusted, and whether the store changes.

        Raises PetalError where it is not what its record, or the caller, says, or the site does not trust it.
        """
        parcel = self._other.get(snapshot_id)
        snapshot, place = parcel.snapshot, _place(self._name, snapshot_id)
        doing = f"fetching {snapshot_id} from {self._name}"
        if fingerprint not in (None, snapshot.fingerprint):
            raise SnapshotError(f"{doing}: its fingerprint is {snapshot.fingerprint}, not {fingerprint}")
        found, changed = self._own.adopt(parcel, place, policy, lambda: self._other.pieces(snapshot), doing, check)
        return snapshot, found, changed

    def publish(self, snapshot_id: str, unaudited: bool, check: bool) -> tuple[Snapshot, bool]:
        """Out of the own store. A private one stays, whatever anybody says. Raises PetalError."""
        parcel, _origin = self._own.parcel(snapshot_id)
        snapshot = model.parse_record(parcel.record)
        objection = model.leaving(snapshot, unaudited, to_others=True)
        if objection:
            raise SnapshotError(f"publishing {snapshot_id} in {self._name}: {objection}")
        return snapshot, self._other.publish(parcel, self._own.archive(snapshot_id), check)

    def withdraw(self, snapshot_id: str | None, fingerprint: str | None, check: bool) -> list[str]:
        """Out of the other store. Whoever has fetched it keeps it."""
        return self._other.withdraw(snapshot_id, fingerprint, check)
