# Copyright (c) 2026, petal.hpc contributors
# GNU General Public License v3.0+ (see LICENSE or https://www.gnu.org/licenses/gpl-3.0.txt)
# SPDX-License-Identifier: GPL-3.0-or-later

"""How apt is asked: by a stand-in for apt-get; tests/integration/test_apptainer.py has the real one."""

from __future__ import annotations

import os
import subprocess
from pathlib import Path
from typing import Any

import pytest

from ansible_collections.petal.hpc.plugins.module_utils._apptainer.apt_api import Apt
from ansible_collections.petal.hpc.plugins.module_utils._apptainer.model import (
    MACHINES,
    PACKAGES,
    ApptainerError,
    Source,
)
from ansible_collections.petal.hpc.plugins.module_utils._host.api import Host

AMD64 = MACHINES["x86_64"]


class AptGet:
    """Answers as apt-get does, and remembers what it was asked."""

    def __init__(
        self,
        update: tuple[int, str] = (0, ""),
        download: tuple[int, str] = (0, ""),
        uses: str = "Debian|Debian|http://mirror.example/debian/",
        there: bool = True,
    ) -> None:
        self.answers = {"update": update, "download": download}
        self.uses = uses
        self.there = there
        self.asked: list[list[str]] = []

    def __call__(self, args: list[str], **_options: Any) -> tuple[int, str, str]:
        if "indextargets" in args:
            return 0, self.uses, ""
        if args[0] != "apt-get":
            return int(not self.there), "", ""
        self.asked.append(args[3:])
        status, problem = self.answers[args[3]]
        return status, "", problem


@pytest.fixture(name="source")
def a_source(tmp_path: Path) -> Source:
    (tmp_path / "keys.gpg").touch()
    return Source(keyring=str(tmp_path / "keys.gpg"))


def apt(tmp_path: Path, command: AptGet, source: Source) -> Apt:
    return Apt(Host(command), tmp_path / "apt", source, AMD64)


def test_each_package_comes_from_its_suite_or_in_the_version_that_is_asked_for(tmp_path: Path, source: Source) -> None:
    command = AptGet()
    apt(tmp_path, command, source).fetch({"libc6": "2.41-12"}, tmp_path)
    update, download = command.asked[-2:]
    assert update == ["update"]
    assert {"apptainer/sid", "zlib1g/trixie", "libc6=2.41-12"} <= set(download)
    assert len(download) == 1 + len(PACKAGES)


@pytest.mark.parametrize(
    "uses", ["", "Ubuntu|Ubuntu|http://mirror.example/ubuntu/", "Debian|Debian|http://me:secret@mirror.example/debian/"]
)
def test_a_host_without_an_archive_of_debians_has_to_name_one(uses: str, tmp_path: Path, source: Source) -> None:
    with pytest.raises(ApptainerError, match="takes no packages from an archive of Debian's: name one"):
        apt(tmp_path, AptGet(uses=uses), source)


@pytest.mark.parametrize(
    ("uses", "archive"),
    [
        (
            "Debian|Debian-Security|http://s/x/\nDebian|Debian|http://mirror.example/debian/",
            "http://mirror.example/debian",
        ),
    ],
)
def test_the_archive_is_the_hosts_own(uses: str, archive: str, tmp_path: Path, source: Source) -> None:
    apt(tmp_path, AptGet(uses=uses), source)
    assert f" {archive} sid main\n" in (tmp_path / "apt" / "sources.list").read_text()


@pytest.mark.parametrize(
    "answers",
    [
        {"update": (100, "E: The repository is not signed")},
        {"update": (0, "W: Failed to fetch http://x/InRelease  Could not resolve 'x'")},
        {"download": (100, "E: Version '9.9' for 'apptainer' was not found")},
        {"download": (100, "")},
    ],
)
def test_what_apt_refuses_is_one_error(answers: dict[str, Any], tmp_path: Path, source: Source) -> None:
    with pytest.raises(
        ApptainerError, match=r"fetching Apptainer from .* \(sid, trixie\): apt-get .* failed: "
    ) as failed:
        apt(tmp_path, AptGet(**answers), source).fetch({}, tmp_path)
    assert "state=fetched" in str(failed.value)
    assert " ".join(next(iter(answers.values()))[1].split()) in str(failed.value)


def test_without_apt_or_keys_it_says_what_to_do(tmp_path: Path, source: Source) -> None:
    with pytest.raises(ApptainerError, match=r"no apt-get.*name a directory of package files"):
        apt(tmp_path, AptGet(there=False), source)
    (tmp_path / "keys.gpg").unlink()
    with pytest.raises(ApptainerError, match=r"keys\.gpg is not there.*Install the package debian-archive-keyring"):
        apt(tmp_path, AptGet(), source)


def test_what_the_host_has_set_for_itself_does_not_count(tmp_path: Path, source: Source) -> None:
    """A release of its own, pins, and commands that run beside apt; proxies do."""
    apt(tmp_path, AptGet(), source)
    host = tmp_path / "host.conf"
    host.write_text(
        'APT::Default-Release "bookworm";\nAPT::Update::Post-Invoke-Success { "touch /evil"; };\n'
        'Acquire::http::Proxy "http://proxy.example:3128";\nAPT::Architectures { "i386"; };\n'
    )
    dumped = subprocess.run(
        ["apt-config", "--config-file", tmp_path / "apt" / "apt.conf", "dump"],
        env={**os.environ, "APT_CONFIG": str(host)},
        capture_output=True,
        text=True,
        check=True,
    ).stdout
    assert "bookworm" not in dumped
    assert "touch /evil" not in dumped
    assert "i386" not in dumped
    assert 'Dir::Etc::preferencesparts "-";' in dumped
    assert 'Acquire::http::Proxy "http://proxy.example:3128";' in dumped
