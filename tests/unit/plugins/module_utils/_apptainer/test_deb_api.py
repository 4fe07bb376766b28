# Copyright (c) 2026, petal.hpc contributors
# GNU General Public License v3.0+ (see LICENSE or https://www.gnu.org/licenses/gpl-3.0.txt)
# SPDX-License-Identifier: GPL-3.0-or-later

"""Package files, good and bad."""

from __future__ import annotations

import stat
from pathlib import Path

import debs
import pytest

from ansible_collections.petal.hpc.plugins.module_utils._apptainer import deb_api
from ansible_collections.petal.hpc.plugins.module_utils._apptainer.model import MACHINES, PACKAGES, ApptainerError

X86 = MACHINES["x86_64"]


def test_a_package_says_what_it_is(tmp_path: Path) -> None:
    file = tmp_path / "x.deb"
    file.write_bytes(debs.deb("libc6", "2.41-12", "amd64", {}, source="glibc"))
    found = deb_api.read(file)
    assert (found.name, found.version, found.architecture, found.source) == ("libc6", "2.41-12", "amd64", "glibc")


@pytest.mark.parametrize("packed", ["xz", "gz"])
def test_what_is_wanted_of_it_is_unpacked_and_nothing_else(packed: str, tmp_path: Path) -> None:
    file = tmp_path / "x.deb"
    parts = {"control.tar.xz": b"x", f"data.tar.{packed}": debs.tar(debs.files_of("apptainer", X86), packed)}
    file.write_bytes(debs.ar(parts))
    deb_api.unpack(file, PACKAGES["apptainer"], X86, tmp_path / "new")
    found = {str(path.relative_to(tmp_path / "new")): path for path in (tmp_path / "new").rglob("*") if path.is_file()}
    assert set(found) == {
        "bin/apptainer",
        "etc/apptainer/nvliblist.conf",
        "etc/apptainer/seccomp-profiles/default.json",
        "lib/x86_64-linux-gnu/apptainer/bin/starter",
        "lib/x86_64-linux-gnu/apptainer/lib/offsetpreload.so",
        "share/doc/apptainer/copyright",
    }
    assert stat.S_IMODE(found["bin/apptainer"].stat().st_mode) == 0o755
    assert stat.S_IMODE(found["etc/apptainer/nvliblist.conf"].stat().st_mode) == 0o644
    assert {path.stat().st_mtime for path in found.values()} == {debs.TIME}


def test_the_file_behind_a_link_has_the_name_of_the_link(tmp_path: Path) -> None:
    file = tmp_path / "x.deb"
    file.write_bytes(debs.deb("zlib1g", "1", "amd64", debs.files_of("zlib1g", X86)))
    deb_api.unpack(file, PACKAGES["zlib1g"], X86, tmp_path)
    library = tmp_path / "lib/x86_64-linux-gnu/libz.so.1"
    assert library.read_text() == "library libz.so.1\n"
    assert not library.is_symlink()


GOOD = debs.deb("zlib1g", "1", "amd64", debs.files_of("zlib1g", X86))
LIBRARY = "usr/lib/x86_64-linux-gnu/libz.so.1"


@pytest.mark.parametrize(
    ("data", "says"),
    [
        (b"", "does not begin as a package file does"),
        (b"<html>no</html>", "does not begin"),
        (GOOD[:40], "no part control.tar"),
        (GOOD[:100], "no part control.tar"),
        (GOOD[:200], "not a package file that can be read"),
        (debs.ar({"control.tar.xz": b"nonsense"}), "not a package file that can be read"),
        (debs.ar({"control.tar.zst": b"x"}), "expected .xz or .gz"),
        (debs.ar({"control.tar.xz": debs.tar({"other": "x"})}), "no control file"),
        (debs.ar({"control.tar.xz": debs.tar({"control": "Package: x\n"})}), "no Version"),
        (debs.ar({"control.tar.xz": debs.tar({"control": "->/etc/shadow"})}), "no control file"),
        (b"!<arch>\n" + b"control.tar.xz".ljust(48) + b"-5".ljust(10) + b"`\n", "has -5 bytes"),
        (b"!<arch>\n" + b"control.tar.xz".ljust(48) + b"9" * 10 + b"`\n", "has 9999999999 bytes"),
        (b"!<arch>\n" + b"control.tar.xz".ljust(48) + b"many".ljust(10) + b"`\n", "that can be read"),
    ],
)  # fmt: skip
def test_what_is_no_package_file_is_one_error(data: bytes, says: str, tmp_path: Path) -> None:
    file = tmp_path / "bad.deb"
    file.write_bytes(data)
    with pytest.raises(ApptainerError) as refused:
        deb_api.read(file)
    assert says in str(refused.value)
    assert str(refused.value).startswith(str(file))


@pytest.mark.parametrize("content", ["->../../../etc/shadow", "->libz.so.1", "->missing"])
def test_a_link_that_leads_nowhere_good_is_not_followed(content: str, tmp_path: Path) -> None:
    file = tmp_path / "x.deb"
    file.write_bytes(debs.deb("zlib1g", "1", "amd64", {LIBRARY: content}))
    with pytest.raises(ApptainerError, match=r"x\.deb: "):
        deb_api.unpack(file, PACKAGES["zlib1g"], X86, tmp_path / "new")
    assert not (tmp_path / "new").exists()


def test_a_file_that_is_not_there_is_one_error(tmp_path: Path) -> None:
    with pytest.raises(ApptainerError, match=r"none\.deb: No such file"):
        deb_api.read(tmp_path / "none.deb")
