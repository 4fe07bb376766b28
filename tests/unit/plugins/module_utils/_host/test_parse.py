# Copyright (c) 2026, petal.hpc contributors
# GNU General Public License v3.0+ (see LICENSE or https://www.gnu.org/licenses/gpl-3.0.txt)
# SPDX-License-Identifier: GPL-3.0-or-later

"""What Linux prints is read right, whatever is in the names."""

from __future__ import annotations

import struct
import uuid

import pytest

from ansible_collections.petal.hpc.plugins.module_utils._core.errors import PetalError
from ansible_collections.petal.hpc.plugins.module_utils._host.parse import (
    Ext4,
    Loop,
    human,
    mounts_below,
    parse_losetup,
    parse_mountinfo,
    parse_stat,
    parse_superblock,
    signal_hint,
    top_mount,
)

MOUNTINFO = r"""22 27 0:21 / /proc rw,relatime - proc proc rw
27 1 254:0 / / rw,relatime shared:1 master:2 - ext4 /dev/vda rw,discard
42 27 7:0 / /my\040volume ro,noatime - ext4 /dev/loop0 ro,norecovery
43 42 0:39 / /my\040volume/sub rw - tmpfs petal rw,size=256k
44 27 7:1 / /shared rw,relatime - ext4 /dev/loop1 ro,shutdown
45 27 0:4 mnt:[4026532177] /run/petal/x/mnt rw - nsfs nsfs rw
46 27 0:40 / /empty rw -
"""


def test_mountinfo() -> None:
    mounts = parse_mountinfo(MOUNTINFO)
    assert len(mounts) == 6, "a broken line is passed over"
    volume = top_mount(mounts, "/my volume")
    assert volume is not None
    assert (volume.device, volume.source, volume.fstype, volume.read_only) == ("7:0", "/dev/loop0", "ext4", True)
    assert [mount.target for mount in mounts_below(mounts, "/my volume")] == ["/my volume", "/my volume/sub"]
    assert top_mount(mounts, "/nowhere") is None
    assert mounts[-1].root == "mnt:[4026532177]"


def test_a_file_system_that_stopped_by_itself_is_dead() -> None:
    mounts = parse_mountinfo(MOUNTINFO)
    assert [mount.target for mount in mounts if mount.dead] == ["/shared"]


@pytest.mark.parametrize("autoclear", ["true", '"1"'])
def test_losetup_of_new_and_old_util_linux(autoclear: str) -> None:
    row = (
        '{"name":"/dev/loop0","back-ino":12,"back-maj:min":" 254:0  ","back-file":"/s/v.img (deleted)","autoclear":%s}'
    )
    found = parse_losetup('{"loopdevices":[' + row % autoclear + "]}")
    assert found == [Loop("/dev/loop0", "/s/v.img (deleted)", 12, "254:0", True)]
    assert found[0].deleted
    assert found[0].path == "/s/v.img"


def test_losetup_without_devices_says_nothing() -> None:
    assert parse_losetup("") == []


@pytest.mark.parametrize("text", ["{}", "[1]", '{"loopdevices":[{}]}', "losetup: broken"])
def test_losetup_that_cannot_be_read(text: str) -> None:
    with pytest.raises(PetalError, match="losetup"):
        parse_losetup(text)


def superblock(
    blocks: int, log_size: int = 2, magic: int = 0xEF53, incompatible: int = 0x80, readable: int = 0
) -> bytes:
    data = bytearray(1024)
    struct.pack_into("<I", data, 0x04, blocks & 0xFFFFFFFF)
    struct.pack_into("<I", data, 0x18, log_size)
    struct.pack_into("<H", data, 0x38, magic)
    struct.pack_into("<I", data, 0x60, incompatible)
    struct.pack_into("<I", data, 0x64, readable)
    struct.pack_into("<I", data, 0x150, blocks >> 32)
    data[0x68:0x78] = uuid.UUID(int=7).bytes
    data[0x78:0x80] = b"software"
    return bytes(data)


def test_superblock() -> None:
    found = parse_superblock(superblock((1 << 32) + 5))
    assert found == Ext4((1 << 32) + 5, 4096, str(uuid.UUID(int=7)), "software")
    assert found.size == 4096 * ((1 << 32) + 5)


@pytest.mark.parametrize(("incompatible", "readable", "by_uuid"), [(0x80, 0x400, True), (0x2080, 0x400, False)])
def test_whether_checksums_begin_with_the_uuid(incompatible: int, readable: int, by_uuid: bool) -> None:
    found = parse_superblock(superblock(1, incompatible=incompatible, readable=readable))
    assert found is not None
    assert found.sums_by_uuid is by_uuid


@pytest.mark.parametrize(
    "data", [b"", b"\0" * 1024, superblock(1)[:500], superblock(1, magic=0), superblock(1, log_size=40)]
)
def test_no_superblock(data: bytes) -> None:
    assert parse_superblock(data) is None


def test_a_command_may_hold_parentheses() -> None:
    found = parse_stat("7 (a) b (c) S 3 " + " ".join(str(n) for n in range(5, 23)) + " 0 0")
    assert found is not None
    assert (found.command, found.state, found.parent, found.start_time) == ("a) b (c", "S", 3, 22)


@pytest.mark.parametrize("text", ["", "7", "7 (x", "7 (x) S 1"])
def test_a_stat_that_is_cut_off(text: str) -> None:
    assert parse_stat(text) is None


def test_sizes_for_people() -> None:
    sizes = [human(n) for n in (0, 1023, 1536, 5 * 1024**2, 1024**3, 2048 * 1024**3)]
    assert sizes == ["0 bytes", "1023 bytes", "1.5 KiB", "5.0 MiB", "1.0 GiB", "2048.0 GiB"]


def test_what_ended_a_program_from_outside() -> None:
    assert signal_hint(-9) == signal_hint(137) != ""
    assert signal_hint(-11) == " It was ended by signal 11."
    assert [signal_hint(status) for status in (0, 1, 2, 128, 255)] == [""] * 5
