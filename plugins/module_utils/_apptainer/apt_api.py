# Copyright (c) 2026, petal.hpc contributors
# GNU General Public License v3.0+ (see LICENSE or https://www.gnu.org/licenses/gpl-3.0.txt)
# SPDX-License-Identifier: GPL-3.0-or-later

"""Packages from an archive of Debian's, fetched and verified by apt with lists of its own.

Nothing of the host's apt is changed, and of its configuration only proxies and the like count.
"""

from __future__ import annotations

import os
from collections.abc import Mapping
from pathlib import Path

from ansible_collections.petal.hpc.plugins.module_utils._apptainer.model import (
    PACKAGES,
    ApptainerError,
    Machine,
    Source,
    is_address,
)
from ansible_collections.petal.hpc.plugins.module_utils._host.api import Host

_SETTINGS = {
    "Dir::Etc::sourceparts": "-",
    "Dir::Etc::preferences": "/dev/null",
    "Dir::Etc::preferencesparts": "-",
    # As if nothing were installed.
    "Dir::State::status": "/dev/null",
    "Acquire::Languages": "none",
    "Acquire::GzipIndexes": "true",
    "Acquire::Retries": "2",
    "Acquire::http::Timeout": "30",
    "Acquire::https::Timeout": "30",
}
#: What hosts add for themselves: commands that run beside apt, and a release that is not among the suites here.
_CLEARED = (
    "APT::Default-Release",
    "APT::Update::Pre-Invoke",
    "APT::Update::Post-Invoke",
    "APT::Update::Post-Invoke-Success",
)
_ELSEWHERE = (
    "Where no archive of Debian's can be reached, name a directory of package files (directory), which "
    "petal.hpc.apptainer with state=fetched fills on a Debian or Ubuntu host that reaches one."
)


class Apt:
    """An apt of our own below a directory.

    Raises ApptainerError where the host has no apt or lacks the keys.
    """

    def __init__(self, host: Host, directory: Path, source: Source, machine: Machine) -> None:
        if host.call(["sh", "-c", "command -v apt-get"])[0] != 0:
            raise ApptainerError(f"this host has no apt-get, which fetches the packages of Apptainer. {_ELSEWHERE}")
        if not Path(source.keyring).is_file():
            raise ApptainerError(
                f"keyring {source.keyring} is not there: without Debian's keys no package is verified. "
                "Install the package debian-archive-keyring."
            )
        self._host = host
        self._source = source
        self._configuration = directory / "apt.conf"
        for path in ("lists/partial", "cache/archives/partial"):
            (directory / path).mkdir(parents=True)
        archive = source.archive or self._archive()
        self._doing = f"fetching Apptainer from {archive} ({source.suite}, {source.base_suite})"
        (directory / "sources.list").write_text(source.lines(archive), encoding="ascii")
        settings = {
            **_SETTINGS,
            "Dir::Etc::sourcelist": directory / "sources.list",
            "Dir::State::lists": directory / "lists",
            "Dir::Cache": directory / "cache",
            "APT::Architecture": machine.deb,
        }
        if os.geteuid() == 0:
            # Its sandbox user may not write here.
            settings["APT::Sandbox::User"] = "root"
        lines = [f"#clear {name};\n" for name in (*_CLEARED, "APT::Architectures")]
        lines += [f'{name} "{value}";\n' for name, value in settings.items()]
        lines.append(f'APT::Architectures {{ "{machine.deb}"; }};\n')
        self._configuration.write_text("".join(lines), encoding="utf-8")

    def fetch(self, versions: Mapping[str, str], directory: Path) -> None:
        """Put a package file of each package into a directory. Raises ApptainerError."""
        self._run(["update"])
        wanted = [
            f"{name}={versions[name]}" if name in versions else f"{name}/{self._source.suite_of(name)}"
            for name in sorted(PACKAGES)
        ]
        self._run(["download", *wanted], cwd=str(directory))

    def _run(self, arguments: list[str], cwd: str | None = None) -> None:
        # It names a file on the command line after all that the host has to say.
        command = ["apt-get", f"--config-file={self._configuration}", "--quiet=2", *arguments]
        status, _output, problem = self._host.call(command, cwd=cwd)
        # An update that reaches nothing is a success to apt.
        if status != 0 or any(
            line.startswith(("E:", "Err:")) or "Failed to fetch" in line for line in problem.splitlines()
        ):
            said = " ".join(problem.split())[-600:].rstrip(".") or f"status {status}"
            raise ApptainerError(f"{self._doing}: apt-get {arguments[0]} failed: {said}. {_ELSEWHERE}")

    def _archive(self) -> str:
        """The archive of Debian's that the host uses itself. Raises ApptainerError where it uses none."""
        ask = ["apt-get", "indextargets", "--format", "$(ORIGIN)|$(LABEL)|$(REPO_URI)", "Created-By: Packages"]
        status, output, _problem = self._host.call(ask)
        rows = [line.split("|", 2) for line in output.splitlines() if status == 0 and line.count("|") == 2]
        found = [row[2].rstrip("/") for row in rows if row[0] == row[1] == "Debian"]
        archive = next(filter(is_address, found), "")
        if not archive:
            raise ApptainerError(
                "this host takes no packages from an archive of Debian's: name one (archive). Apptainer comes from "
                f"Debian on other systems too. {_ELSEWHERE}"
            )
        return archive
