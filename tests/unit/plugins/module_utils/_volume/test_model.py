# Copyright (c) 2026, petal.hpc contributors
# GNU General Public License v3.0+ (see LICENSE or https://www.gnu.org/licenses/gpl-3.0.txt)
# SPDX-License-Identifier: GPL-3.0-or-later

"""What may be asked of a volume, and what its record may say."""

from __future__ import annotations

import dataclasses
from typing import Any

import pytest
from hypothesis import given
from hypothesis import strategies as st

from ansible_collections.petal.hpc.plugins.module_utils._trust.policy import Origin, Place
from ansible_collections.petal.hpc.plugins.module_utils._volume.model import (
    READY,
    Kept,
    Sidecar,
    VolumeError,
    check_label,
    check_mount_dir,
    check_name,
    parse_sidecar,
    text_tags,
)

SIDECAR = Sidecar(
    id="vol-0123456789abcdef0",
    name="build-1",
    state=READY,
    filesystem_uuid="11111111-2222-3333-4444-555555555555",
    created="2026-01-31T12:00:00Z",
    snapshot_id="snap-0123456789abcdef0",
    tags={"a": "b"},
)


@pytest.mark.parametrize("name", ["a", "0", "build-4f1c", "a" * 63])
def test_names(name: str) -> None:
    assert check_name(name) == name


@pytest.mark.parametrize("name", ["", "-a", "A", "a/b", "..", "a.b", "a" * 64, "a\n", "ä"])
def test_bad_names(name: str) -> None:
    with pytest.raises(VolumeError, match="not allowed"):
        check_name(name)


@pytest.mark.parametrize(
    ("path", "plain"),
    [("/shared", "/shared"), ("//shared//x/", "/shared/x"), ("/opt/petal", "/opt/petal"), ("/var/petal", "/var/petal")],
)
def test_mount_directories(path: str, plain: str) -> None:
    assert check_mount_dir(path, "/var/lib/petal") == plain


@pytest.mark.parametrize(
    "path",
    ["", "shared", "/", "//", "/usr", "/usr/bin/", "/etc", "/proc/1", "/dev/x", "/run/petal/x", "/a/../etc", "/a\nb"],
)
def test_bad_mount_directories(path: str) -> None:
    with pytest.raises(VolumeError, match="mount_dir"):
        check_mount_dir(path, "/var/lib/petal")


@pytest.mark.parametrize("path", ["/data", "/data/petal"])
def test_a_volume_does_not_hide_its_store(path: str) -> None:
    with pytest.raises(VolumeError, match="hide the store"):
        check_mount_dir(path, "/data/petal/")


@given(st.text())
def test_a_mount_directory_is_plain_or_refused(path: str) -> None:
    try:
        plain = check_mount_dir(path, "/var/lib/petal")
    except VolumeError:
        return
    assert plain.startswith("/")
    assert not plain.endswith("/")
    assert ".." not in plain.split("/")
    assert check_mount_dir(plain, "/var/lib/petal") == plain


def test_labels() -> None:
    assert check_label("sixteen-bytes-16") == "sixteen-bytes-16"
    for label in ("seventeen-bytes-1", "ü" * 9, "a\nb"):
        with pytest.raises(VolumeError, match="label"):
            check_label(label)


def test_tags_are_texts() -> None:
    assert text_tags(None) is None
    assert text_tags({"a": 1, "b": "x"}) == {"a": "1", "b": "x"}
    with pytest.raises(VolumeError, match="tag a"):
        text_tags({"a": []})


def test_a_record_reads_back() -> None:
    assert parse_sidecar(SIDECAR.to_dict(), "build-1") == SIDECAR
    origin = Origin(Place("store", "/net/software"), unsigned=True)
    for kept in (Kept("{}"), Kept("{}", "-----BEGIN SSH SIGNATURE-----", origin)):
        made = dataclasses.replace(SIDECAR, kept=kept)
        assert parse_sidecar(made.to_dict(), "build-1") == made


@pytest.mark.parametrize(
    ("key", "value"),
    [
        ("id", "x"),
        ("name", "other"),
        ("state", "odd"),
        ("filesystem_uuid", None),
        ("created", 5),
        ("snapshot_id", 7),
        ("tags", {"a": 1}),
        ("tags", None),
        ("kept", []),
        ("kept", {"record": "{}"}),
        ("kept", {"record": {}, "signatures": ""}),
    ],
)
def test_a_damaged_record(key: str, value: Any) -> None:
    with pytest.raises(VolumeError):
        parse_sidecar({**SIDECAR.to_dict(), key: value}, "build-1")


def test_no_record() -> None:
    with pytest.raises(VolumeError, match="mapping"):
        parse_sidecar([], "build-1")
