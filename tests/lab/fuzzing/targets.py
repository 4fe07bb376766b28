# Copyright (c) 2026, petal.hpc contributors
# GNU General Public License v3.0+ (see LICENSE or https://www.gnu.org/licenses/gpl-3.0.txt)
# SPDX-License-Identifier: GPL-3.0-or-later
"""What reads what others have written, each as the product calls it, with good inputs to begin from.

A target is given bytes. It may return, or raise one of its own errors with a message; whatever else it raises would be
a traceback before a user.
"""

from __future__ import annotations

import contextlib
import dataclasses
import gzip
import hashlib
import json
import os
import shlex
import subprocess
import tempfile
from collections.abc import Callable, Iterator, Mapping, Sequence
from dataclasses import dataclass
from datetime import datetime, timezone
from functools import lru_cache
from pathlib import Path
from typing import Any, cast

import debs
import image_samples
import seed_samples
from ansible.errors import AnsibleError
from hypothesis.strategies import SearchStrategy
from jinja2 import Environment, FileSystemLoader, StrictUndefined

from ansible_collections.petal.hpc.plugins.filter.node_hook_arguments import node_hook_arguments
from ansible_collections.petal.hpc.plugins.filter.sbom import sbom
from ansible_collections.petal.hpc.plugins.module_utils._apptainer import deb_api
from ansible_collections.petal.hpc.plugins.module_utils._apptainer.model import MACHINES, PACKAGES
from ansible_collections.petal.hpc.plugins.module_utils._audit import api as audit
from ansible_collections.petal.hpc.plugins.module_utils._audit import place, secrets, spdx
from ansible_collections.petal.hpc.plugins.module_utils._audit.findings import Audit
from ansible_collections.petal.hpc.plugins.module_utils._audit.inside import with_images
from ansible_collections.petal.hpc.plugins.module_utils._buildcache import history
from ansible_collections.petal.hpc.plugins.module_utils._buildcache import model as buildcache
from ansible_collections.petal.hpc.plugins.module_utils._comparison.model import compare
from ansible_collections.petal.hpc.plugins.module_utils._comparison.reading import of_seed, of_snapshot
from ansible_collections.petal.hpc.plugins.module_utils._containers import owners
from ansible_collections.petal.hpc.plugins.module_utils._containers import packages as in_image
from ansible_collections.petal.hpc.plugins.module_utils._containers.licences import of_copyright
from ansible_collections.petal.hpc.plugins.module_utils._core import tags as tag
from ansible_collections.petal.hpc.plugins.module_utils._core.errors import PetalError
from ansible_collections.petal.hpc.plugins.module_utils._exchange import model as portable
from ansible_collections.petal.hpc.plugins.module_utils._exchange.api.file import SnapshotFile
from ansible_collections.petal.hpc.plugins.module_utils._host.api import Host as Machine
from ansible_collections.petal.hpc.plugins.module_utils._lock import key_pair as key_lock
from ansible_collections.petal.hpc.plugins.module_utils._lock import model as lock
from ansible_collections.petal.hpc.plugins.module_utils._pcluster import answers
from ansible_collections.petal.hpc.plugins.module_utils._pcluster.events import Event
from ansible_collections.petal.hpc.plugins.module_utils._provenance.model import checked, statement
from ansible_collections.petal.hpc.plugins.module_utils._python import model as python_model
from ansible_collections.petal.hpc.plugins.module_utils._python import outcomes as python_outcomes
from ansible_collections.petal.hpc.plugins.module_utils._python import problems as python_problems
from ansible_collections.petal.hpc.plugins.module_utils._registry import record
from ansible_collections.petal.hpc.plugins.module_utils._registry.api import Cache
from ansible_collections.petal.hpc.plugins.module_utils._run import variables
from ansible_collections.petal.hpc.plugins.module_utils._seed import fingerprint, grammar, inputs, requirements, spec
from ansible_collections.petal.hpc.plugins.module_utils._seed.model import Seed
from ansible_collections.petal.hpc.plugins.module_utils._seed.shapes import Flaw
from ansible_collections.petal.hpc.plugins.module_utils._sharing import accounts, keys, verdict
from ansible_collections.petal.hpc.plugins.module_utils._snapshot.api import SnapshotStore, judged
from ansible_collections.petal.hpc.plugins.module_utils._snapshot.criteria import Criteria
from ansible_collections.petal.hpc.plugins.module_utils._snapshot.ebs import record as ebs
from ansible_collections.petal.hpc.plugins.module_utils._snapshot.model import RECORD, Parcel, Snapshot
from ansible_collections.petal.hpc.plugins.module_utils._spack import lockfile, messages, progress
from ansible_collections.petal.hpc.plugins.module_utils._trust.policy import (
    FILE,
    Origin,
    Place,
    Policy,
    Verdict,
    judge,
    parse_origin,
    parse_signatures,
)
from ansible_collections.petal.hpc.plugins.module_utils._volume import model as volume
from ansible_collections.petal.hpc.plugins.plugin_utils import build_report, instance_types, package_index, seed_file
from ansible_collections.petal.hpc.plugins.plugin_utils.progress import Tracker
from fuzzing import finds
from fuzzing import inputs as inputs_of

ROOT = Path(__file__).parents[3]

#: Variable that names the directory for a worker's files.
SCRATCH = "PETAL_FUZZ_SCRATCH"

Run = Callable[[bytes], object]


@dataclass(frozen=True)
class Target:
    """One reader.

    run: raises nothing but errors. inputs: what it is given; good: what it takes. dear: it is given fewer.
    """

    name: str
    run: Run
    inputs: SearchStrategy[bytes]
    good: tuple[bytes, ...] = ()
    errors: tuple[type[Exception], ...] = (PetalError, AnsibleError)
    dear: bool = False

    def check(self, data: bytes) -> None:
        """Give it an input. Raises whatever is no answer of its own."""
        try:
            self.run(data)
        except Exception as error:
            if not isinstance(error, self.errors):
                raise
            if not str(error).strip():
                raise AssertionError(f"{type(error).__name__} without a message") from error


# -- seeds ------------------------------------------------------------------------------------------------------------


def _seed(data: bytes) -> None:
    document = seed_file.parse_seed(data, "seed.yaml")
    seed = Seed.from_mapping(document.data, seed_samples.HOST, document.source, instance_types.sold)
    decided = inputs.resolve({}, seed)
    json.dumps([seed.to_dict(), fingerprint.content(seed, {}, decided)])
    fingerprint.fingerprint(seed, {}, decided)
    fingerprint.older(seed, {}, decided)
    package_index.compare(document.data, seed, document.source)
    # What the people and buckets of a seed become on a node.
    node_hook_arguments(seed.to_dict())


def _spec(data: bytes) -> None:
    text = data.decode("utf-8", "replace")
    found = spec.parse(text)
    again = spec.parse(str(found))
    assert str(again) == str(found), "the canonical form has another canonical form"
    str(found.with_compilers_last())


def _requirement(data: bytes) -> None:
    text = data.decode("utf-8", "replace")
    flaw = requirements.requirement(text)
    if flaw is None:
        once = grammar.canonical_requirement(text)
        assert grammar.canonical_requirement(once) == once, "the canonical form has another canonical form"
        grammar.requirement_is_pinned(text)
    else:
        assert flaw.message if isinstance(flaw, Flaw) else flaw


def _grammar(data: bytes) -> None:
    text = data.decode("utf-8", "replace")
    for test in (
        *(grammar.mount_dir, grammar.bucket, grammar.object_prefix, grammar.cache_prefix, grammar.snapshot_store),
        *(grammar.git_ref, grammar.image, grammar.registry_url, grammar.plain_requirement),
    ):
        assert test(text) != ""
    grammar.registry_address(text)


# -- registries -------------------------------------------------------------------------------------------------------

_FINGERPRINT = "sha256:" + "a" * 64
_ID = "snap-0123456789abcdef0"
_BASE = "https://registry.example.org/"
_ENTRY = record.Entry("bio", _FINGERPRINT)
_INDEX = {
    "version": "1.0",
    "registry": _BASE,
    "snapshots": [
        {
            "name": "bio",
            "fingerprint": _FINGERPRINT,
            "description": "For reads",
            "packages": ["samtools@1.19", "py-numpy"],
            "tags": ["ngs"],
            "metadata_url": "snapshots/bio.json",
        },
        {"name": "cfd", "fingerprint": "sha256:" + "b" * 64},
    ],
}
_STACK = {
    "name": "bio",
    "fingerprint": _FINGERPRINT,
    "description": "For reads",
    "seed_url": "seeds/bio.yaml",
    "packages": ["samtools@1.19"],
    "aws_account": "111122223333",
    "public": True,
    "verified": False,
    "created": "2026-01-31T12:00:00Z",
    "size_gb": 50,
    "tags": ["ngs"],
    "snapshots": [
        {
            "region": "us-east-1",
            "snapshot_id": _ID,
            "os": "debian12",
            "architecture": "x86_64",
            "size_gb": 50,
            "fingerprint": _FINGERPRINT,
        }
    ],
}


def _registry_index(data: bytes) -> None:
    json.dumps([entry.to_dict() for entry in record.parse_index(data, _BASE).entries])


def _registry_stack(data: bytes) -> None:
    json.dumps(record.parse_stack(data, _ENTRY).to_dict())


def _registry_url(data: bytes) -> None:
    record.checked_url(data.decode("utf-8", "replace"))


def _registry_copy(data: bytes) -> None:
    root = Path(_scratch(), "registry")
    root.mkdir(exist_ok=True)
    cache = Cache(str(root))
    cache._path(_BASE).write_bytes(data)
    cache.read(_BASE, record.STACK_LIMIT)


# -- snapshots, locks, volumes ----------------------------------------------------------------------------------------

_SNAPSHOT = Snapshot(
    snapshot_id=_ID,
    fingerprint=_FINGERPRINT,
    name="quickstart",
    os="debian12",
    architecture="x86_64",
    size_gb=1,
    created="2026-01-31T12:00:00Z",
    owner="root",
    stored_bytes=1000,
    used_bytes=4000,
    sha256="b" * 64,
    packages=["six@1.17.0"],
    tags={"petal:build-id": "b1", "petal:sharing": "accounts: tool has no licence"},
)


def _snapshot(data: bytes) -> None:
    snapshot = portable.parse_record(data)
    assert portable.parse_record(snapshot.record()) == snapshot, "another record when read again"
    for to_others in (True, False):
        portable.leaving(snapshot, unaudited=False, to_others=to_others)


def _sums(archive: bytes, snapshot: bytes) -> bytes:
    return portable.sums({RECORD: _digest(snapshot), portable.ARCHIVE: _digest(archive)})


def _digest(data: bytes) -> str:
    return hashlib.sha256(data).hexdigest()


def _export() -> bytes:
    archive = b"z" * 1000
    snapshot = dataclasses.replace(_SNAPSHOT, stored_bytes=len(archive), sha256=_digest(archive)).record()
    whole = b""
    for name, data in (
        (portable.SUMS, _sums(archive, snapshot)),
        (RECORD, snapshot),
        (portable.ARCHIVE, archive),
    ):
        whole += portable.header(name, len(data)) + data + bytes(portable.padding(len(data)))
    return whole + portable.ending(len(whole))


class _AnyStore:
    """Takes whatever comes, as far as it is there."""

    @staticmethod
    def adopt(
        parcel: Parcel, place: Place, policy: Policy, pieces: Callable[[], Iterator[bytes]], _doing: str, _check: bool
    ) -> tuple[Verdict, bool]:
        return judged(_machine(), policy, place, parcel), sum(map(len, pieces())) > 0


#: A package file's archive, not packed, so that what is damaged in it is read: its control file and its files in one.
_DEB = debs.tar(
    {"control": "Package: zlib1g\nVersion: 1\nArchitecture: amd64\n", **debs.files_of("zlib1g", MACHINES["x86_64"])}, ""
)


def _package_file(data: bytes) -> None:
    packed = gzip.compress(data, 0)
    for given in (data, debs.ar({"control.tar.gz": packed, "data.tar.gz": packed})):
        with contextlib.suppress(PetalError):
            file = _file(given)
            deb_api.read(file)
            deb_api.unpack(file, PACKAGES["zlib1g"], MACHINES["x86_64"], file.with_name("unpacked"))


def _export_file(data: bytes) -> None:
    file = _file(data)
    # As the file of another record whose digests are right: what is behind the digests is looked at too.
    for given in (data, _with_right_sums(data)):
        file.write_bytes(given)
        SnapshotFile(_machine(), cast(SnapshotStore, _AnyStore()), str(file)).read(Policy(unsigned=True), check=True)


def _with_right_sums(data: bytes) -> bytes:
    start = 2 * portable.BLOCK
    size = portable.parse_header(data[start : start + portable.BLOCK], RECORD)
    begin = start + portable.BLOCK
    sums = _sums(b"z" * 1000, data[begin : begin + size])
    head = portable.header(portable.SUMS, len(sums)) + sums
    return head + bytes(portable.padding(len(sums))) + data[start:]


_SIGNER = {
    "name": "software group",
    "key": "SHA256:" + "A" * 43,
    "valid_from": "2026-01-01",
    "valid_until": "2026-12-31T12:00:00Z",
    "stores": ["/net/software"],
    "accounts": ["123456789012"],
    "registries": ["https://registry.example.org/"],
    "revoked": False,
}
_TRUST = {"signers": [_SIGNER], "stores": ["s3://lab/x"], "accounts": ["123456789012"], "required": True}
_ORIGIN = Origin(Place(FILE, "/media/stick/a.tar"), unsigned=True).to_dict()


def _trust(data: bytes) -> None:
    """What a site says, and what is kept of an origin: one document, so that each meets the other's."""
    value = _json(data)
    for read in (Policy.from_mapping, parse_origin):
        with contextlib.suppress(PetalError):
            found = read(value)
            if isinstance(found, Policy):
                judge(found, Place(FILE, "x"), "2026-06-01T00:00:00Z", [signer.key for signer in found.signers])
            else:
                assert parse_origin(found.to_dict()) == found


_SIGNATURE = "-----BEGIN SSH SIGNATURE-----\nU1NIU0lH\n-----END SSH SIGNATURE-----\n"


def _signatures(data: bytes) -> None:
    assert parse_signatures("".join(parse_signatures(data)).encode()) == parse_signatures(data)


_HOLDER = {"host": "head", "boot_id": "b", "pid_namespace": "pid:[4026531836]", "pid": 7, "start_time": "99"}
_LOCK = {"schema": 1, "build_id": "20260131T120000Z-aa", "holder": _HOLDER, "acquired": 1.0, "renewed": 2.0, "ttl": 60}


def _lock(data: bytes) -> None:
    found = lock.parse_record(_machine().read_json(_file(data)))
    asker = lock.Holder("x", "y", "z", 1, "2")
    for here in (lock.Here("head", "b", "4026531836"), lock.Here("head", "c", "4"), lock.Here("other", "b", "4")):
        for now in (0.0, 1.8e9):
            lock.judge(found, asker, here, False, now)
    json.dumps(found.to_dict())


_KEY_PAIR = {
    "KeyName": "petal-build-aaaa",
    "KeyPairId": "key-0123456789abcdef0",
    "Tags": [
        {"Key": "petal:fingerprint", "Value": _FINGERPRINT},
        {"Key": "petal:build-id", "Value": "20260131T120000Z-aa"},
        {"Key": tag.HOLDER, "Value": json.dumps(_HOLDER)},
        {"Key": tag.RENEWED, "Value": "20260131T120000Z"},
        {"Key": tag.STARTED, "Value": "20260131T120000Z"},
        {"Key": tag.DEADLINE, "Value": "20260131T180000Z"},
    ],
}


def _key_lock(data: bytes) -> None:
    # EC2 gives tags as texts, whoever wrote them. The answer's own form is looked at by botocore.
    value = _json(data)
    listed = value.get("Tags") if isinstance(value, Mapping) else None
    tags = [
        {"Key": str(tag.get("Key")), "Value": tag["Value"] if isinstance(tag.get("Value"), str) else json.dumps(tag)}
        for tag in (listed if isinstance(listed, list) else [])
        if isinstance(tag, Mapping)
    ]
    found = key_lock.parse_lock({**_KEY_PAIR, "Tags": tags}, _FINGERPRINT)
    json.dumps(found.to_dict())
    for now in (0.0, 1.8e9):
        found.overdue(now), found.spared(now), found.over(now)


_EBS = {
    "SnapshotId": _ID,
    "OwnerId": "111122223333",
    "Description": f"petal.hpc quickstart {_FINGERPRINT}",
    "VolumeSize": 50,
    "State": "completed",
    "Progress": "100%",
    "Encrypted": True,
    "FullSnapshotSizeInBytes": 12345,
    "Tags": [
        {"Key": "petal:fingerprint", "Value": _FINGERPRINT},
        {"Key": "petal:name", "Value": "quickstart"},
        {"Key": "petal:build-id", "Value": "20260131T120000Z-aaaaaaaa"},
        {"Key": "petal:os", "Value": "alinux2023"},
        {"Key": "petal:architecture", "Value": "x86_64"},
        {"Key": "petal:packages", "Value": "numpy@2.2.1 scipy@1.15.0 +3 more"},
    ],
}


def _ebs(data: bytes) -> None:
    value = _json(data)
    if isinstance(value, dict):
        value.setdefault("StartTime", datetime(2026, 1, 31, tzinfo=timezone.utc))
    own, _refused = ebs.read([value], "us-east-1")
    foreign, _refused = ebs.read_foreign(
        [value], "us-east-1", ["111122223333"], Criteria(fingerprint=_FINGERPRINT, os="debian12")
    )
    json.dumps([one.to_dict() for one in (*own, *foreign)])


_SIDECAR = {
    "name": "quickstart",
    "id": "vol-0123456789abcdef0",
    "state": "ready",
    "filesystem_uuid": "12345678-1234-1234-1234-123456789abc",
    "created": "2026-01-31T12:00:00Z",
    "snapshot_id": _ID,
    "tags": {"petal:build-id": "b1"},
    "kept": {
        "record": "{}",
        "signatures": "-----BEGIN SSH SIGNATURE-----",
        "origin": {"place": {"kind": "store", "name": "/net", "registry": "", "flaw": ""}, "unsigned": False},
    },
}


def _sidecar(data: bytes) -> None:
    volume.parse_sidecar(_machine().read_json(_file(data)), "quickstart")


def _verdict(data: bytes) -> None:
    found = verdict.parse(data.decode("utf-8", "replace"))
    verdict.parse(verdict.render(found))


def _accounts(data: bytes) -> None:
    accounts.parse_accounts(data.decode("utf-8", "replace"), "accounts.txt")


_POLICY = {
    "Statement": [
        {
            "Effect": "Allow",
            "Principal": {"AWS": ["arn:aws:iam::111122223333:root"]},
            "Action": ["kms:Decrypt", "kms:CreateGrant"],
            "Resource": "*",
            "Condition": {"StringEquals": {"kms:ViaService": "ec2.us-east-1.amazonaws.com"}},
        }
    ]
}


def _policy(data: bytes) -> None:
    keys.lets_in(data.decode("utf-8", "replace"), "111122223333")


# -- builds -----------------------------------------------------------------------------------------------------------

_HASH = "ohzdsv5huxyhmc53e6zmukq43kntm2wv"
_NODE = {"name": "tree", "version": "2.1.0", "hash": _HASH, "dependencies": [{"hash": "b" * 32, "type": ["link"]}]}
_SPACK_LOCK = {
    "_meta": {"lockfile-version": 6},
    "roots": [{"hash": _HASH, "spec": "tree@2.1"}],
    "concrete_specs": {
        _HASH: {**_NODE, "dependencies": [{"hash": "b" * 32, "parameters": {"deptypes": ["link", "run"]}}]},
        "b" * 32: {"name": "gmake", "version": "4.3", "external": {"path": "/usr"}},
    },
}
_DATABASE = {
    "database": {"installs": {_HASH: {"spec": _NODE, "in_buildcache": True, "installed": True, "path": "/shared/x"}}}
}
_BLOB = {"mediaType": buildcache._ARCHIVE, "checksumAlgorithm": "sha256", "checksum": "c" * 64, "contentLength": 7}
_MANIFEST = {"version": 3, "data": [_BLOB, {**_BLOB, "mediaType": f"{buildcache._SPEC_PREFIX}v5+json"}]}
_SPEC_FILE = {"spec": {"nodes": [_NODE]}}
_LINE = {
    "when": "2026-11-30T16:00:00Z",
    "by": "build",
    "hits": 1,
    "misses": 1,
    "refused": 0,
    "size": 7,
    "missing": ["a@1"],
}
_NOTE = {"schema": 1, "name": "bio", "fingerprint": _FINGERPRINT, "hashes": [_HASH]}


def _spack_lock(data: bytes) -> None:
    text = _text(data)
    lockfile.ordered(lockfile.parse_lock(text))


def _spack_database(data: bytes) -> None:
    assert all(isinstance(path, str) for path in lockfile.parse_database(_text(data)).values())


def _cache(data: bytes) -> None:
    text = _text(data)
    package = buildcache.Package("tree", "2.1.0", _HASH, False, ())
    readers: tuple[Callable[[], object], ...] = (
        lambda: buildcache.parse_lock(text, "spack.lock").wanted,
        lambda: [buildcache.manifest_path(one) for one in buildcache.parse_index(text).values()],
        lambda: buildcache.parse_record(buildcache.payload(text)[0]),
        lambda: buildcache.check_identity(text, package),
        lambda: buildcache.single_blob(text),
        lambda: buildcache.parse_seed(text, "note"),
        lambda: buildcache.parse_cache("main", text),
        lambda: buildcache.parse_spec(text, _HASH),
        lambda: history.line_text(history.parse_line(text, "line")),
    )
    said = [_refusal(read) for read in readers]
    if all(said):
        raise PetalError("; ".join(said))


def _refusal(read: Callable[[], object]) -> str:
    try:
        read()
    except PetalError as error:
        assert str(error).strip()
        return str(error)
    return ""


_OUTPUT = f"""\
[ ] huweugz seqtk@1.4 install (1s)
[ ] rowvn6w lz4@1.10.0 fetching from build cache (0s)
[x] imwxox6 tree@2.1.0 failed: /var/cache/stage/spack-stage-tree-2.1.0-imwxox6-88mpuseq.log (1h02m03s)
[+] huweugz seqtk@1.4 /shared/spack/opt/__spack_path_placeholder__/__spack_pat/seqtk-1.4-huweugz (1m04s)
==> Error: The following packages failed to install:
==> Installing tree-2.1.0-{_HASH} [2/3]
==> tree: Executing phase: 'install'
==> tree: Successfully installed tree-2.1.0-{_HASH}
  Stage: 0.11s.  Install: 1.66s.  Post-install: 0.08s.  Total: 2.01s
==> Extracting py-x-y-1.0-rc1-{"b" * 32} from binary cache
Traceback (most recent call last):
  File "x"
ValueError: Cannot replace b'/a' with b'/abc' because the new one is longer
x.c:1: fatal error: y.h: No such file
"""


def _output(data: bytes) -> None:
    text = data.decode("utf-8", "replace")
    found = progress.read_output(text.splitlines())
    messages.failures(found, [], [text for _item in found.in_state(progress.FAILED)])
    messages.tail(text)
    messages.reason(text)
    messages.longer_by(text, "tree", found.errors)


def _event(data: bytes) -> None:
    value = _json(data)
    if isinstance(value, dict):
        Event.parse(value).to_dict()
        tracker = Tracker([("1", "Provide the volume"), ("2", "Finish")], 0.0)
        for identity in ("1", "2"):
            tracker.begin(identity, 1.0)
            tracker.report(value, 2.0)
            tracker.status(3.0)
        tracker.end(4.0, failed=False)


def _answer(data: bytes) -> None:
    answer = {"configurationValidationErrors": [{"level": "ERROR", "type": "T", "message": _text(data)}]}
    assert answers.refusal("hpc", answer)


_BOM = {
    "bomFormat": "CycloneDX",
    "specVersion": "1.6",
    "components": [
        {"name": "tree", "version": "2.1.0", "licenses": [{"expression": "MIT AND (GPL-2.0-or-later OR Apache-2.0)"}]},
        {
            "name": "six",
            "licenses": [{"license": {"id": "MIT"}}, {"license": {"name": "Custom"}}],
            "properties": [{"name": "petal:manager", "value": "spack"}],
        },
    ],
}
_VOLUME_MANIFEST = {
    "fingerprint": _FINGERPRINT,
    "build_id": "20260131T120000Z-aa",
    "name": "bio",
    "created": "2026-01-31T12:00:00Z",
    "packages": [
        {"name": "tree", "version": "2.1.0", "manager": "spack", "hash": _HASH, "license": "GPL-2.0-or-later"},
        {"name": "six", "version": "1.17.0", "manager": "python", "hash": "sha256:" + "d" * 64, "license": None},
    ],
    "images": [
        {
            "name": "samtools",
            "version": "1.20",
            "image": "docker://quay.io/bio/samtools:1.20",
            "digest": "sha256:" + "d" * 64,
            "file": "containers/images/sha256/dd.sqsh",
            "sha256": "e" * 64,
            "size": 4096,
            "labels": {"org.opencontainers.image.licenses": "MIT"},
            "os": "debian 12",
            "packages": [
                {"name": "six", "version": "1", "manager": "pypi", "origin": "image", "purl": "pkg:pypi/six@1"},
                {
                    "name": "x",
                    "version": "1",
                    "manager": "deb",
                    "license": "MIT",
                    "purl": "pkg:deb/debian/x@1?arch=all",
                },
            ],
            "problems": ["packages of rpm: /var/lib/rpm was not read"],
            "audit": {"sensitive": [{"path": "a.key", "why": "private key"}], "files": 1, "left_out": 0},
        }
    ],
}


_REPORTED = {
    **_VOLUME_MANIFEST,
    "mount_dir": "/shared",
    "sizes": {"used_bytes": 9000, "files": 7, "parts": {"spack/opt/tree": 8000, ".": 1000}},
    "sharing": {"level": "accounts", "reasons": ["six has no known licence"], "sensitive": []},
    "requires": [{"path": "/usr/bin/lua", "reason": "Lmod"}],
    "environment": {
        "install_s": 4.0,
        "packages": [
            {
                "name": "tree",
                "version": "2.1.0",
                "hash": _HASH,
                "origin": "source",
                "prefix": "/shared/spack/opt/tree",
                "seconds": 3.0,
                "started": 1767225600.0,
                "ended": 1767225603.5,
                "dependencies": [_HASH],
                "build_dependencies": [],
            }
        ],
    },
}


def _bom(data: bytes) -> None:
    audit._licences(_file(data), {"tree": "MIT"})


def _sbom(data: bytes) -> None:
    value = _json(data)
    json.loads(sbom(value))
    listed = value.get("images")
    if isinstance(listed, list):
        json.dumps(with_images(Audit((), ()), listed, ["samtools:*"]).to_dict())


_STATED = statement(
    checked(
        {
            "manifest": {
                **_VOLUME_MANIFEST,
                "started": "2026-01-31T12:00:00Z",
                "seed": {"cluster": {"os": "debian12"}, "software": {"spack_packages": ["tree@2.1.0"]}},
                "versions": {"petal": "0.2.0", "uv": "0.9"},
                "components": [{"name": "spack", "version": "1.2", "manager": "git", "commit": "a" * 40, "url": "x"}],
                "locks": {".petal/spack.lock": "sha256:" + "e" * 64},
            },
            "files": {"manifest.json": "sha256:" + "f" * 64},
            "inputs": {"lmod_method": "package", "settings": {"lmod_x": [1, {"name": "y"}]}},
        }
    ),
    _SNAPSHOT,
    hashlib.sha256(b"record").hexdigest(),
    "host",
)
_BESIDE = {
    "statement": _STATED,
    "manifest": {**_VOLUME_MANIFEST, "modules": [{"name": "tree/2.1.0", "load": ["tree/2.1.0"], "summary": "x"}]},
    "plan": {"fingerprints": [_FINGERPRINT], "seed": {"software": {}}, "resolved_refs": {"spack": "b" * 40}},
}


def _beside(data: bytes) -> None:
    """What stands beside a record, the manifest with the digest that the statement has of it; and a seed's plan."""
    value = _json(data)
    said: Any
    said, manifest, plan = ((value.get(key) if isinstance(value, dict) else None) for key in _BESIDE)
    text = json.dumps(manifest).encode()
    with contextlib.suppress(LookupError, TypeError):
        said["predicate"]["runDetails"]["byproducts"][0]["digest"]["sha256"] = hashlib.sha256(text).hexdigest()
    old = of_snapshot(_SNAPSHOT, b"record", json.dumps(said).encode(), text)
    good = of_snapshot(_SNAPSHOT, b"record", json.dumps(_STATED).encode(), None)
    with contextlib.suppress(PetalError):
        json.dumps([found := compare(old, of_seed(plan or {}, good)).to_dict(), compare(old, good).report()])
        assert found["different"] is not False or found["same_fingerprint"]


def _in_image(data: bytes) -> None:
    text = data.decode("utf-8", "replace")
    system = in_image.system(text)
    for read in (in_image.dpkg, in_image.apk, in_image.rpm):
        json.dumps(in_image.listed(read(text).packages, system))
    found = [one for one in (in_image.python(text), in_image.conda(data)[0]) if one]
    json.dumps(in_image.listed(found, system))
    of_copyright(text)
    for digests in (owners.dpkg(text), owners.apk(text), owners.rpm(text), owners.conda(data, "opt")):
        assert all(":" in digest for digest in digests.values())


def _build_report(data: bytes) -> None:
    manifest = _json(data)
    environment = manifest.pop("environment", {}) if isinstance(manifest, dict) else None
    if isinstance(environment, dict):
        page = build_report.render(manifest, environment)
        assert "<script" not in page


def _content(data: bytes) -> None:
    for name in (".env", ".netrc", "a.pem", "config.json", ".pgpass", "pip.conf", "a.lic", "a.keytab", ".npmrc"):
        secrets.secret_in(name, ".docker", data)
    place.wheel_digests(data.decode("utf-8", "replace"))


def _licence(data: bytes) -> None:
    assert spdx.standing(data.decode("utf-8", "replace")) in (spdx.IS_OPEN, spdx.IS_NOT_OPEN, spdx.IS_UNKNOWN)


_PYLOCK = """\
lock-version = "1.0"
[[packages]]
name = "six"
version = "1.17.0"
wheels = [{ url = "https://files.example.org/six-1.17.0-py3-none-any.whl", size = 11, hashes = { sha256 = "%s" } }]
""" % ("e" * 64)
_COMPILED = f"six==1.17.0 \\\n    --hash=sha256:{'e' * 64}\nnumpy[x] @ https://u:p@h/numpy.whl\n# via x\n"


def _python(data: bytes) -> None:
    text = data.decode("utf-8", "replace")
    python_outcomes.archive_hashes(text)
    python_outcomes.listing(python_outcomes.locked(text))
    python_model.completed(text, "x", "y")
    python_problems.url_secrets(text)
    python_problems.reason(text)
    python_problems.is_unreachable(text)


def _variables(data: bytes) -> None:
    names = data.decode("utf-8", "replace").split()[:50]
    variables.judge(names, variables.EXTRA_VARIABLES)
    variables.command_line({name: name for name in names})


# -- the node hook ----------------------------------------------------------------------------------------------------

#: Commands that the hook runs on a node. Here they must not even be called: the arguments forbid it.
_FORBIDDEN = ("useradd", "groupadd", "usermod", "chown", "mount", "umount", "systemctl", "apt-get", "dnf", "mount-s3")


@lru_cache(maxsize=1)
def _hook(scratch: str) -> tuple[str, str]:
    """The script, and a directory of commands that note that they were called."""
    environment = Environment(  # a shell script is no web page
        loader=FileSystemLoader(ROOT / "roles/software_volume/templates"),
        trim_blocks=True,
        undefined=StrictUndefined,
        keep_trailing_newline=True,
    )
    environment.filters["quote"] = shlex.quote
    script = Path(scratch, "petal-node-setup")
    script.write_text(
        environment.get_template("petal-node-setup.j2").render(
            software_volume_mount_dir="/shared",
            software_volume_lmod_init={"sh": "/shared/lmod/lmod/init/sh"},
            software_volume_compatible_os=[],
            software_volume_architecture="",
            software_volume_requires=[],
        ),
        encoding="utf-8",
    )
    commands = Path(scratch, "commands")
    commands.mkdir()
    for name in _FORBIDDEN:
        (commands / name).write_text(f"#!/bin/sh\ntouch {scratch}/called\nexit 1\n", encoding="ascii")
        (commands / name).chmod(0o755)
    return str(script), str(commands)


def _node_setup(data: bytes) -> None:
    scratch = _scratch()
    script, commands = _hook(scratch)
    arguments = [one for one in data.decode("utf-8", "surrogateescape").split("\n") if "\0" not in one][:20]
    if "--root" in arguments or len(data) > 20_000:
        return  # The last word on where it works is ours.
    root = Path(scratch, "root")
    root.mkdir(exist_ok=True)
    done = subprocess.run(
        ["/bin/sh", script, *arguments, "--root", str(root)],
        env={"PATH": f"{commands}:/usr/bin:/bin"},
        capture_output=True,
        check=False,
        stdin=subprocess.DEVNULL,
    )
    said = done.stderr.decode("utf-8", "replace")
    assert done.returncode in (0, 1, 2), (done.returncode, said)
    assert not Path(scratch, "called").exists(), "a command of the system was called"
    lines = [line for line in said.split("\n") if line and not line.startswith(("petal-node-setup: ", "usage: ", " "))]
    assert not lines, f"the shell itself complains: {lines}"


# -- helpers ----------------------------------------------------------------------------------------------------------


@lru_cache(maxsize=1)
def _scratch_of(_process: int) -> str:
    return tempfile.mkdtemp(prefix="petal-fuzz-", dir=os.environ.get(SCRATCH))


def _scratch() -> str:
    """A directory of this process: a worker that was killed leaves it, and whoever started it takes it away."""
    return _scratch_of(os.getpid())


def _file(data: bytes) -> Path:
    path = Path(_scratch(), "input")
    path.write_bytes(data)
    return path


@lru_cache(maxsize=1)
def _machine() -> Machine:
    def none(*_arguments: Any, **_words: Any) -> Any:
        raise AssertionError("reading runs no command")

    return Machine(none)


def _text(data: bytes) -> str:
    """As files of builds are read: those that are no UTF-8 have an error of their own."""
    return data.decode("utf-8", "replace")


def _json(data: bytes) -> Any:
    """A value that came over an API: what is no JSON never gets here."""
    try:
        return json.loads(data)
    except (ValueError, RecursionError):
        return None


def _seeds() -> list[str]:
    return [
        path.read_text(encoding="utf-8")
        for path in sorted([*ROOT.glob("seeds/*.yaml"), *ROOT.glob("seeds/testing/**/*.yaml")])
    ]


def _data(text: str) -> Any:
    """A seed's data; dates as the texts that they are."""
    return json.loads(json.dumps(seed_file.parse_seed(text.encode()).data, default=lambda date: date.text))


def _keys(value: Any) -> set[str]:
    if isinstance(value, dict):
        return {f"{key}: " for key in value} | {key for item in value.values() for key in _keys(item)}
    return {key for item in value for key in _keys(item)} if isinstance(value, list) else set()


_SPECS = (
    "hdf5@1.14.3+mpi~shared %gcc@12 ^openmpi@4.1: fabrics=ucx,ofi",
    "py-torch@2.4:2.6,=2.8 cuda_arch=90 cflags='-O3 -g' target=x86_64_v3",
    "gcc@13.2.0 languages=c,c++,fortran %[virtuals=c,cxx] llvm",
    "builtin.zlib@git.v1.3=1.3 %%oneapi arch=linux-debian12-zen4 /abcdef",
    "trilinos@develop build_system:=cmake ^[deptypes=build,link when='+cuda'] cuda++x~~y",
)
_SPEC_WORDS = (
    *("hdf5", "gcc", "@1.2", "@=1.2", "@1:2", "@:3", "@git.main=1.0", "+mpi", "~mpi", "++x", "--y", " %gcc", "%c=gcc"),
    *(
        "^openmpi",
        "^[virtuals=mpi]",
        "%[deptypes=build]",
        " target=zen4",
        " arch=a-b-c",
        " os=fe",
        " x=*",
        " x:=a",
        "==",
    ),
    *(" cflags='-O2'", ' cflags="a b"', "/abc", "namespace=builtin", "builtin.", "when='", ",", ":", " "),
)
_REQUIREMENTS = (
    "numpy==2.2.*",
    "torch[cuda,x]>=2.4,<3; python_version >= '3.10' and (sys_platform == 'linux' or os_name != \"nt\")",
    "pkg @ git+https://git.example.org/x/y@0123456789abcdef0123456789abcdef01234567#subdirectory=a",
    "x @ https://h.example.org/x-1.0.tar.gz#sha256=" + "0" * 64 + " ; extra == 'a'",
)
_REQUIREMENT_WORDS = (
    *(
        "numpy",
        "[a,b]",
        "==1.0",
        "~=1.0",
        ">=1,<2",
        "!=1.*",
        "===x",
        " @ https://h/x",
        "; ",
        " and ",
        " or ",
        "not in ",
    ),
    *(
        "python_version",
        "os_name",
        "'3.10'",
        '"x"',
        "(",
        ")",
        "in",
        "==",
        "extra",
        "platform_machine",
        "1.0.dev1+local",
    ),
)
_NAMES = (
    *(
        "/shared/x",
        "s3://bucket/prefix",
        "bucket",
        "releases/v1.1",
        "docker://docker.io/library/debian:12",
        "owner/repo",
    ),
    *("https://raw.githubusercontent.com/o/r/main/", "file:///srv/registry", "ghcr.io/a/b@sha256:" + "0" * 64),
)
_ADDRESSES = ("owner/repo", "file:///srv/registry", "https://raw.githubusercontent.com/o/r/main/")
_LICENCES = (
    "MIT AND (GPL-2.0-or-later WITH GCC-exception-3.1 OR Apache-2.0)",
    "LicenseRef-Acme-Proprietary",
    "GPL-3.0+",
)
_SECRETS = (
    "-----BEGIN RSA PRIVATE KEY-----\nProc-Type: 4,ENCRYPTED\n\n" + "A" * 64 + "\n-----END RSA PRIVATE KEY-----\n",
    "machine h login jo password hunter22\nDB_PASSWORD=hunter22\nexport A_TOKEN='x'\n//r/:_authToken=abc\n",
    '{"auths": {"r": {"auth": "am86aHVudGVyMjI="}}}\nhttps://u:p4ss@h/\nSERVER lic01 ANY 28518\n',
    "six/__init__.py,sha256=abcdefg,1\nsix.py,sha256=YWJj,2\n",
)
_HOOK = (
    "--user\nresearcher1:5001:5001\n--s3-mount\nlab-data:/data:ro",
    "--install\n--user\nx:1000:1000",
    "--remove",
)
_HOOK_WORDS = (
    "--user\n",
    "--s3-mount\n",
    "--remove\n",
    "--install\n",
    "a:1000:27\n",
    "root:0:0\n",
    "b:/x:rw\n",
    "*",
    "$(id)\n",
)


def _texts(name: str, run: Run, samples: Sequence[str], words: Sequence[str], dear: bool = False) -> Target:
    return Target(
        name,
        run,
        inputs_of.texts([*samples, *finds.near(name)], words),
        tuple(map(inputs_of.encoded, samples)),
        dear=dear,
    )


def _documents(name: str, run: Run, samples: Sequence[Any], words: Sequence[str] = ()) -> Target:
    good = tuple(json.dumps(sample).encode() for sample in samples)
    return Target(name, run, inputs_of.documents(samples, words, finds.near(name)), good)


def _files(name: str, run: Run, samples: Sequence[bytes], words: Sequence[bytes] = ()) -> Target:
    return Target(name, run, inputs_of.files(samples, words), tuple(samples))


def _targets() -> Iterator[Target]:
    full = [seed_samples.FULL, *map(_data, _seeds())]
    words = sorted(_keys(full))
    yield _texts("seed-text", _seed, _seeds(), words)
    yield _documents("seed-values", _seed, full, words)
    yield _texts("spec", _spec, _SPECS, _SPEC_WORDS)
    yield _texts("requirement", _requirement, _REQUIREMENTS, _REQUIREMENT_WORDS)
    yield _texts("grammar", _grammar, _NAMES, ("/", "..", "s3://", "https://", ":", "@"))
    yield _documents("registry-index", _registry_index, [_INDEX])
    yield _documents("registry-stack", _registry_stack, [_STACK, {"us-east-1": _ID}])
    yield _texts("registry-url", _registry_url, _ADDRESSES, ("https://", "%2e", "/..", "@", ":443"))
    head = json.dumps({"url": _BASE, "etag": '"x"', "fetched": 1.5, "length": 2}).encode() + b"\n{}"
    yield _files("registry-copy", _registry_copy, [head], (b"1e999", b"[" * 2000, b"null"))
    yield _documents("snapshot", _snapshot, [_SNAPSHOT.to_dict()])
    yield _files(
        "export",
        _export_file,
        [_export()],
        tuple(map(str.encode, (portable.SUMS, *portable.MEMBERS, portable.ARCHIVE))),
    )
    yield _files(
        "package-file", _package_file, [_DEB, debs.ar({"control.tar.gz": b"", "data.tar.gz": b""})], (b"!<arch>\n",)
    )
    yield _documents("trust", _trust, [_TRUST, _ORIGIN])
    yield _texts("signatures", _signatures, [_SIGNATURE, _SIGNATURE * 2], _SIGNATURE.splitlines(keepends=True))
    yield _documents("lock", _lock, [_LOCK])
    yield _documents("key-lock", _key_lock, [_KEY_PAIR])
    yield _documents("ebs", _ebs, [_EBS])
    yield _documents("sidecar", _sidecar, [_SIDECAR])
    yield _texts("verdict", _verdict, ["private: 2 private keys; and 3 more", "public"], ["accounts", ": ", "; "])
    listed = json.dumps({"Accounts": [{"Id": "111122223333", "Status": "ACTIVE"}]})
    yield _texts("accounts", _accounts, [listed, "111122223333 # lab\n444455556666"], ['"Id"', "State"])
    yield _documents("policy", _policy, [_POLICY])
    yield _documents("spack-lock", _spack_lock, [_SPACK_LOCK])
    yield _documents("spack-database", _spack_database, [_DATABASE])
    signed = (
        f"-----BEGIN PGP SIGNED MESSAGE-----\nHash: SHA512\n\n{json.dumps(_MANIFEST)}\n"
        "-----BEGIN PGP SIGNATURE-----\n\nx\n-----END PGP SIGNATURE-----\n"
    )
    yield _documents("buildcache", _cache, [_SPACK_LOCK, _DATABASE, _MANIFEST, _SPEC_FILE, _NOTE, _LINE])
    yield _texts("buildcache-text", _cache, [signed, "s3://bucket/prefix", "/srv/cache"], ["-----BEGIN PGP", "- "])
    yield _texts("build-output", _output, [_OUTPUT], _OUTPUT.splitlines(keepends=True))
    event = {"timestamp": "2026", "logicalResourceId": "x", "resourceStatus": "CREATE_FAILED", "done": 3, "total": 9}
    yield _documents("event", _event, [{**event, "item": "tree", "resourceStatusReason": "a b"}])
    nested = "[('A', {'b': {0: ['Missing data.'], '_schema': ['x']}})]"
    yield _texts("answer", _answer, [nested, "No such image"], ["[(", "('a',", "{'a':", ")]", "'x'"])
    yield _documents("bom", _bom, [_BOM])
    yield _documents("sbom", _sbom, [_VOLUME_MANIFEST])
    yield _documents("beside", _beside, [_BESIDE], ["resolvedDependencies", "annotations", "byproducts", "modules"])
    conda = json.dumps({"name": "x", "version": "1", "channel": "https://h/t/tk/main", "files": ["a.egg-info"]})
    yield _texts("in-image", _in_image, [*image_samples.TEXTS, conda], ["\nLicense: ", "\nP:", " or ", "\t", "ID="])
    yield _documents("report", _build_report, [_REPORTED])
    yield _texts("content", _content, _SECRETS, ["PRIVATE KEY-----", "password ", "secret = ", "ghp_", "xoxb-1"])
    yield _texts("licence", _licence, _LICENCES, ["MIT", " AND ", " OR ", " WITH ", "(", ")"])
    yield _texts("python", _python, [_PYLOCK, _COMPILED], ["[[packages]]\n", 'url = "', "hashes = {", "==", "@ "])
    yield _texts("variables", _variables, ["seed store force", "sede frce"], ["seed ", "stor ", "ansible_x "])
    yield _texts("node-setup", _node_setup, _HOOK, _HOOK_WORDS, dear=True)


TARGETS: Mapping[str, Target] = {target.name: target for target in _targets()}
