# Copyright (c) 2026, petal.hpc contributors
# GNU General Public License v3.0+ (see LICENSE or https://www.gnu.org/licenses/gpl-3.0.txt)
# SPDX-License-Identifier: GPL-3.0-or-later

"""EBS snapshots as records: what a call must ask for, and which of what it brings are volumes of ours."""

from __future__ import annotations

import re
from collections.abc import Iterable, Mapping
from datetime import datetime, timezone
from typing import Any

from ansible_collections.petal.hpc.plugins.module_utils._aws import names
from ansible_collections.petal.hpc.plugins.module_utils._seed.platforms import ARCHITECTURES
from ansible_collections.petal.hpc.plugins.module_utils._snapshot.model import (
    FINGERPRINT,
    SNAPSHOT_ID,
    Snapshot,
    SnapshotError,
    check_fingerprint,
    check_snapshot_id,
)
from ansible_collections.petal.hpc.plugins.module_utils._snapshot.select import Criteria, Refusal

# Most entries of one answer, and most values of one filter; DescribeSnapshots and Filter in the EC2 API reference.
PAGE_SIZE = 1000
FILTER_VALUES = 200
# SnapshotState of the EC2 API.
STATES = ("pending", "completed", "error", "recoverable", "recovering")
ACCOUNT = re.compile(r"[0-9]{12}")
PROGRESS = re.compile(r"([0-9]{1,3})%?")
# What stands in a tag may have been written by anybody who may tag: it reaches messages, lists and reports.
NAME = re.compile(r"[A-Za-z][A-Za-z0-9-]{0,59}")
OS = re.compile(r"[a-z][a-z0-9._-]{0,31}")
BUILD_ID = re.compile(r"[A-Za-z0-9._:-]{1,128}")
PACKAGE = re.compile(r"[!-~]{1,128}")


def request(criteria: Criteria) -> dict[str, Any]:
    """Parameters of DescribeSnapshots that bring all own snapshots which are meant, fit or not, and few others.

    Ids are a filter, so that one that is gone is not found instead of an error for all. Filters take ``*`` and ``?``
    for any text: what is found has to be looked at again. Raises SnapshotError for what is no fingerprint or id.
    """
    filters: dict[str, list[str]] = {"status": list(criteria.states)}
    if criteria.fingerprint is None:
        filters["tag-key"] = [names.FINGERPRINT]
    else:
        filters[f"tag:{names.FINGERPRINT}"] = [check_fingerprint(criteria.fingerprint)]
    if criteria.build_id is not None:
        filters[f"tag:{names.BUILD_ID}"] = [criteria.build_id]
    if criteria.name is not None:
        filters[f"tag:{names.NAME}"] = [criteria.name]
    ids = [check_snapshot_id(snapshot_id) for snapshot_id in criteria.snapshot_ids]
    if 0 < len(ids) <= FILTER_VALUES:
        filters["snapshot-id"] = ids
    return {"OwnerIds": ["self"], "Filters": [{"Name": name, "Values": filters[name]} for name in sorted(filters)]}


def read(entries: Iterable[Any], region: str | None) -> tuple[list[Snapshot], list[Refusal]]:
    """Records of the entries of DescribeSnapshots, and those that are none, each with the reason."""
    outcomes = [_read_one(entry, region) for entry in entries]
    return (
        [outcome for outcome in outcomes if isinstance(outcome, Snapshot)],
        [outcome for outcome in outcomes if isinstance(outcome, Refusal)],
    )


def _read_one(entry: Any, region: str | None) -> Snapshot | Refusal:
    try:
        return parse(entry, region)
    except SnapshotError as error:
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
    fingerprint = _tag(tags, names.FINGERPRINT, FINGERPRINT)
    description = _text(entry, "Description", re.compile(r"[^\x00-\x08\x0a-\x1f\x7f]{0,1024}"), "")
    if set(FINGERPRINT.findall(description)) - {fingerprint}:
        raise SnapshotError(f"its Description names another fingerprint than its tag {names.FINGERPRINT}")
    architecture = _tag(tags, names.ARCHITECTURE, OS)
    if architecture not in ARCHITECTURES:
        raise SnapshotError(f"the tag {names.ARCHITECTURE} is none of {', '.join(ARCHITECTURES)}")
    if names.BUILD_ID in tags:
        _tag(tags, names.BUILD_ID, BUILD_ID)
    state = _text(entry, "State", re.compile("|".join(STATES)))
    key = entry.get("KmsKeyId")
    stored = entry.get("FullSnapshotSizeInBytes")
    return Snapshot(
        snapshot_id=_text(entry, "SnapshotId", SNAPSHOT_ID),
        fingerprint=fingerprint,
        name=_tag(tags, names.NAME, NAME),
        os=_tag(tags, names.OS, OS),
        architecture=architecture,
        size_gb=_size(entry.get("VolumeSize")),
        created=_time(entry.get("StartTime")),
        state=state,
        provider="aws",
        source="local",
        owner=_text(entry, "OwnerId", ACCOUNT),
        region=region,
        stored_bytes=stored if isinstance(stored, int) else None,
        description=description,
        packages=[item for item in names.packages_of(tags.get(names.PACKAGES, "")) if PACKAGE.fullmatch(item)],
        tags=tags,
        progress=_progress(entry.get("Progress"), state),
        message=str(entry.get("StateMessage") or "")[:256],
        encrypted=bool(entry.get("Encrypted")),
        kms_key_id=key if isinstance(key, str) and key else None,
    )


def _tags(value: Any) -> dict[str, str]:
    if value is not None and not (isinstance(value, list) and all(isinstance(item, Mapping) for item in value)):
        raise SnapshotError("Tags is not a list of mappings")
    return names.from_aws(value)


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
