# Copyright (c) 2026, petal.hpc contributors
# GNU General Public License v3.0+ (see LICENSE or https://www.gnu.org/licenses/gpl-3.0.txt)
# SPDX-License-Identifier: GPL-3.0-or-later

"""EBS snapshots as records: what a call must ask for, and which of what it brings are volumes of ours."""

from __future__ import annotations

import re
from collections.abc import Iterable, Mapping, Sequence
from dataclasses import replace
from datetime import datetime, timezone
from typing import Any

from ansible_collections.petal.hpc.plugins.module_utils._core import tags as tag
from ansible_collections.petal.hpc.plugins.module_utils._core.fingerprint import FINGERPRINT, check_fingerprint
from ansible_collections.petal.hpc.plugins.module_utils._core.ids import ACCOUNT, SNAPSHOT_ID, check_snapshot_id
from ansible_collections.petal.hpc.plugins.module_utils._seed.platforms import ARCHITECTURES
from ansible_collections.petal.hpc.plugins.module_utils._snapshot.criteria import Criteria, Refusal
from ansible_collections.petal.hpc.plugins.module_utils._snapshot.model import Snapshot, SnapshotError

# Most entries of one answer, and most values of one filter; DescribeSnapshots and Filter in the EC2 API reference.
PAGE_SIZE = 1000
FILTER_VALUES = 200
# SnapshotState of the EC2 API.
STATES = ("pending", "completed", "error", "recoverable", "recovering")
PROGRESS = re.compile(r"([0-9]{1,3})%?")
# What stands in a tag may have been written by anybody who may tag: it reaches messages, lists and reports.
NAME = re.compile(r"[A-Za-z][A-Za-z0-9-]{0,59}")
OS = re.compile(r"[a-z][a-z0-9._-]{0,31}")
BUILD_ID = re.compile(r"[A-Za-z0-9._:-]{1,128}")
PACKAGE = re.compile(r"[!-~]{1,128}")
# What a build writes into the Description, which is all that other accounts see; CopySnapshot in the console puts a
# word of its own before it.
DESCRIPTION = re.compile(
    r"(?:\[Copied snap-[0-9a-f]{17} from [a-z0-9-]{1,30}\] )?petal\.hpc (?P<name>[A-Za-z][A-Za-z0-9-]{0,59}) "
    r"(?P<fingerprint>sha256:[0-9a-f]{64})"
)
_DESCRIPTION_TEXT = re.compile(r"[^\x00-\x08\x0a-\x1f\x7f]{0,1024}")


def request(criteria: Criteria) -> dict[str, Any]:
    """Parameters of DescribeSnapshots that bring all own snapshots which are meant, fit or not, and few others.

    Ids are a filter, so that one that is gone is not found instead of an error for all. Filters take ``*`` and ``?``
    for any text: what is found has to be looked at again. Raises IdentityError for what is no fingerprint or id.
    """
    filters: dict[str, list[str]] = {"status": list(criteria.states)}
    if criteria.fingerprint is None:
        filters["tag-key"] = [tag.FINGERPRINT]
    else:
        filters[f"tag:{tag.FINGERPRINT}"] = [check_fingerprint(one) for one in criteria.fingerprints]
    if criteria.build_id is not None:
        filters[f"tag:{tag.BUILD_ID}"] = [criteria.build_id]
    if criteria.name is not None:
        filters[f"tag:{tag.NAME}"] = [criteria.name]
    ids = [check_snapshot_id(snapshot_id) for snapshot_id in criteria.snapshot_ids]
    if 0 < len(ids) <= FILTER_VALUES:
        filters["snapshot-id"] = ids
    return _request(["self"], filters)


def request_shared(criteria: Criteria, accounts: Sequence[str]) -> dict[str, Any]:
    """Parameters of DescribeSnapshots that bring what these accounts share, or show to everybody, by its Description.

    Raises IdentityError for what is no fingerprint or id.
    """
    fingerprints = [check_fingerprint(one) for one in criteria.fingerprints] or ["sha256:*"]
    described = [f"*petal.hpc {criteria.name or '*'} {fingerprint}" for fingerprint in fingerprints]
    filters = {"status": list(criteria.states), "description": described}
    ids = [check_snapshot_id(snapshot_id) for snapshot_id in criteria.snapshot_ids]
    if 0 < len(ids) <= FILTER_VALUES:
        filters["snapshot-id"] = ids
    return _request(accounts, filters)


def request_restorable(criteria: Criteria) -> dict[str, Any]:
    """Parameters of DescribeSnapshots that bring what the own account may use because its owner, or another, says so.

    What is public is not among it. Raises IdentityError for what is no fingerprint or id.
    """
    shared = request_shared(criteria, ["self"])
    return {"RestorableByUserIds": shared["OwnerIds"], "Filters": shared["Filters"]}


def request_ids(snapshot_ids: Sequence[str], accounts: Sequence[str]) -> dict[str, Any]:
    """Parameters of DescribeSnapshots that bring these snapshots if they belong to these accounts, in any state.

    Raises IdentityError for what is no id, SnapshotError when they are more than one filter takes.
    """
    if len(snapshot_ids) > FILTER_VALUES:
        raise SnapshotError(f"{len(snapshot_ids)} ids are more than a filter takes ({FILTER_VALUES})")
    return _request(accounts, {"snapshot-id": [check_snapshot_id(snapshot_id) for snapshot_id in snapshot_ids]})


def _request(owners: Sequence[str], filters: Mapping[str, list[str]]) -> dict[str, Any]:
    # Never without owners: that would list the public snapshots of the world.
    if not owners:
        raise SnapshotError("snapshots are never looked for without owners")
    return {"OwnerIds": list(owners), "Filters": [{"Name": name, "Values": filters[name]} for name in sorted(filters)]}


def read_foreign(
    entries: Iterable[Any], region: str | None, owners: Sequence[str], criteria: Criteria
) -> tuple[list[Snapshot], list[Refusal]]:
    """As read(), of other accounts' snapshots: see parse_foreign()."""

    def one(entry: Any) -> Snapshot | Refusal:
        try:
            return parse_foreign(entry, region, owners, criteria)
        except SnapshotError as error:
            return _refusal(entry, error)

    return _parted([one(entry) for entry in entries])


def read(entries: Iterable[Any], region: str | None) -> tuple[list[Snapshot], list[Refusal]]:
    """Records of the entries of DescribeSnapshots, and those that are none, each with the reason."""
    return _parted([_read_one(entry, region) for entry in entries])


def _parted(outcomes: Sequence[Snapshot | Refusal]) -> tuple[list[Snapshot], list[Refusal]]:
    return (
        [outcome for outcome in outcomes if isinstance(outcome, Snapshot)],
        [outcome for outcome in outcomes if isinstance(outcome, Refusal)],
    )


def _read_one(entry: Any, region: str | None) -> Snapshot | Refusal:
    try:
        return parse(entry, region)
    except SnapshotError as error:
        return _refusal(entry, error)


def _refusal(entry: Any, error: SnapshotError) -> Refusal:
    found = entry.get("SnapshotId") if isinstance(entry, Mapping) else None
    return Refusal(str(found)[:64], f"it cannot be used as a volume: {error}")


def parse(entry: Any, region: str | None) -> Snapshot:
    """One entry of DescribeSnapshots of the own account as a record.

    The tags say what is on it, as only the owner can write them. A Description that names another fingerprint than
    they do makes both worthless. Raises SnapshotError with what is wrong.
    """
    if not isinstance(entry, Mapping):
        raise SnapshotError("the entry is no mapping")
    tags = _tags(entry.get("Tags"))
    fingerprint = _tag(tags, tag.FINGERPRINT, FINGERPRINT)
    description = _text(entry, "Description", _DESCRIPTION_TEXT, "")
    if set(FINGERPRINT.findall(description)) - {fingerprint}:
        raise SnapshotError(f"its Description names another fingerprint than its tag {tag.FINGERPRINT}")
    architecture = _tag(tags, tag.ARCHITECTURE, OS)
    if architecture not in ARCHITECTURES:
        raise SnapshotError(f"the tag {tag.ARCHITECTURE} is none of {', '.join(ARCHITECTURES)}")
    if tag.BUILD_ID in tags:
        _tag(tags, tag.BUILD_ID, BUILD_ID)
    return replace(
        _seen(entry, region, description),
        fingerprint=fingerprint,
        name=_tag(tags, tag.NAME, NAME),
        os=_tag(tags, tag.OS, OS),
        architecture=architecture,
        packages=[item for item in tag.packages_of(tags.get(tag.PACKAGES, "")) if PACKAGE.fullmatch(item)],
        tags=tags,
    )


def parse_foreign(entry: Any, region: str | None, owners: Sequence[str], criteria: Criteria) -> Snapshot:
    """One entry of DescribeSnapshots of another account as a record.

    Its tags cannot be seen: its Description, which only its owner can write, says what is on it. Operating system and
    architecture are those asked for, as the fingerprint decides them, and empty where no fingerprint was asked for.

    :param owners: who alone is believed. Raises SnapshotError with what is wrong.
    """
    if not isinstance(entry, Mapping):
        raise SnapshotError("the entry is no mapping")
    owner = _text(entry, "OwnerId", ACCOUNT)
    if owner not in owners:
        raise SnapshotError(f"its owner, account {owner}, is not one of those that are trusted")
    description = _text(entry, "Description", _DESCRIPTION_TEXT, "")
    told = DESCRIPTION.fullmatch(description)
    if told is None:
        raise SnapshotError(
            "its Description is not of the form 'petal.hpc NAME sha256:…', so its owner vouches for nothing"
        )
    if criteria.fingerprint is not None and told["fingerprint"] not in criteria.fingerprints:
        raise SnapshotError(f"its Description names another fingerprint ({told['fingerprint']})")
    decided = criteria.fingerprint is not None
    return replace(
        _seen(entry, region, description),
        fingerprint=told["fingerprint"],
        name=told["name"],
        os=(criteria.os or "") if decided else "",
        architecture=(criteria.architecture or "") if decided else "",
        source="organization",
    )


def _seen(entry: Mapping[str, Any], region: str | None, description: str) -> Snapshot:
    """What AWS itself says of a snapshot, whoever owns it."""
    state = _text(entry, "State", re.compile("|".join(STATES)))
    key = entry.get("KmsKeyId")
    stored = entry.get("FullSnapshotSizeInBytes")
    return Snapshot(
        snapshot_id=_text(entry, "SnapshotId", SNAPSHOT_ID),
        fingerprint="",
        name="",
        os="",
        architecture="",
        size_gb=_size(entry.get("VolumeSize")),
        created=_time(entry.get("StartTime")),
        state=state,
        provider="aws",
        source="local",
        owner=_text(entry, "OwnerId", ACCOUNT),
        region=region,
        stored_bytes=stored if isinstance(stored, int) else None,
        description=description,
        progress=_progress(entry.get("Progress"), state),
        message=str(entry.get("StateMessage") or "")[:256],
        encrypted=bool(entry.get("Encrypted")),
        kms_key_id=key if isinstance(key, str) and key else None,
    )


def _tags(value: Any) -> dict[str, str]:
    if value is not None and not (isinstance(value, list) and all(isinstance(item, Mapping) for item in value)):
        raise SnapshotError("Tags is not a list of mappings")
    return tag.from_aws(value)


def _tag(tags: Mapping[str, str], key: str, pattern: re.Pattern[str]) -> str:
    if key not in tags:
        raise SnapshotError(f"it has no tag {key}")
    if not pattern.fullmatch(tags[key]):
        raise SnapshotError(f"the tag {key} is not of the form {pattern.pattern}")
    return tags[key]


def _text(entry: Mapping[str, Any], key: str, pattern: re.Pattern[str], default: str | None = None) -> str:
    found = entry.get(key, default)
    if not isinstance(found, str) or not pattern.fullmatch(found):
        raise SnapshotError(f"{key} is not of the form {pattern.pattern}")
    return found


def _size(value: Any) -> int:
    if not isinstance(value, int) or isinstance(value, bool) or value < 1:
        raise SnapshotError("VolumeSize is not a whole number of at least 1")
    return value


def _time(value: Any) -> str:
    if not isinstance(value, datetime):
        raise SnapshotError("StartTime is no time")
    return value.astimezone(timezone.utc).strftime("%Y-%m-%dT%H:%M:%SZ")


def _progress(value: Any, state: str) -> int:
    """Percent done. AWS leaves it empty at first, and says 100% a little before the state follows."""
    if state == "completed":
        return 100
    found = PROGRESS.fullmatch(value) if isinstance(value, str) else None
    return min(int(found[1]), 99) if found else 0
