# Copyright (c) 2026, petal.hpc contributors
# GNU General Public License v3.0+ (see LICENSE or https://www.gnu.org/licenses/gpl-3.0.txt)
# SPDX-License-Identifier: GPL-3.0-or-later
"""A seed whose shape was checked, as rules look at it; and what a rule is."""

from __future__ import annotations

import datetime
from collections.abc import Callable, Iterable, Iterator, Mapping
from dataclasses import dataclass
from typing import Any, Optional

from ansible_collections.petal.hpc.plugins.module_utils._seed import platforms
from ansible_collections.petal.hpc.plugins.module_utils._seed.shapes import Path, Report

SOFTWARE_VOLUME = "software"
DEFAULT_MOUNT_DIR = "/shared"
#: Where defaults for a volume differ by provider: a cloud volume has room to grow, a local image is sparse.
DEFAULT_SIZE = {"aws": 500, "local": 100}
DEFAULT_IOPS = 3000
DEFAULT_THROUGHPUT = 125
DEFAULT_MAX_COUNT = 10
MIGRATION_GUIDE = "docs/migrate-from-ami.md"


@dataclass(frozen=True)
class Finding:
    """What a rule has found: where, what, and what to do."""

    path: Path
    message: str
    value: Any = None
    expected: str = ""
    hint: str = ""


#: A Region and names of instance types → those that EC2 has there, or None where nobody can be asked.
Sold = Callable[[str, frozenset[str]], Optional[frozenset[str]]]


def nobody_asked(_region: str, _names: frozenset[str]) -> frozenset[str] | None:
    """Leaves instance types to the table in the tree."""
    return None


def judged_before(_region: str, names: frozenset[str]) -> frozenset[str] | None:
    """For a seed that comes from seed_info, which has asked: its instance types are there."""
    return names


class Draft:
    """A seed whose shape was checked, with the few defaults that rules depend on."""

    def __init__(
        self, clean: Mapping[str, Any], report: Report, host: platforms.Host, sold: Sold = nobody_asked
    ) -> None:
        self.clean = clean
        self.report = report
        self.host = host
        self.sold = sold
        self.today = datetime.datetime.now(datetime.timezone.utc).date()

    def get(self, *path: str) -> Any:
        """A value by its path, or None where it is missing or wrong."""
        value: Any = self.clean
        for part in path:
            value = value.get(part) if isinstance(value, Mapping) else None
        return value

    def entries(self, *path: str) -> Iterator[tuple[Path, Any]]:
        """The good entries of a list, each with its path."""
        for index, entry in enumerate(self.get(*path) or ()):
            if entry is not None:
                yield (*path, index), entry

    def lacks(self, *path: str) -> bool:
        """Whether a value is really missing, and not just wrong."""
        return self.get(*path) is None and not self.report.is_wrong(path)

    @property
    def provider(self) -> str:
        given: str | None = self.get("cluster", "provider")
        if given:
            return given
        named = self.get("cluster", "region") or self.report.is_wrong(("cluster", "region"))
        return "aws" if named else "local"

    @property
    def os(self) -> str:
        given: str | None = self.get("cluster", "os")
        return given or (platforms.DEFAULT_AWS_OS if self.provider == "aws" else self.host.os)

    @property
    def architecture(self) -> str:
        given: str | None = self.get("cluster", "architecture")
        host: str | None = self.get("compute", "head_node") or self.get("software", "build", "instance_type")
        if given:
            return given
        if self.provider == "aws" and host:
            return platforms.architecture_of(host)
        return self.host.architecture if self.provider == "local" else platforms.X86_64

    @property
    def software_mount_dir(self) -> str:
        """Where the software volume is mounted."""
        volumes = [entry for _path, entry in self.entries("shared_storage")]
        named = [volume for volume in volumes if volume.get("name") == SOFTWARE_VOLUME]
        chosen = (named or volumes or [{}])[0]
        return str(chosen.get("mount_dir", DEFAULT_MOUNT_DIR))


Rule = Callable[[Draft], Iterable[Finding]]


def check(draft: Draft, rules: Iterable[tuple[str, Rule]]) -> None:
    """Apply rules; what they find goes into the draft's report."""
    for level, rule in rules:
        for found in rule(draft):
            value = {} if found.value is None else {"value": found.value}
            draft.report.add(found.path, found.message, expected=found.expected, hint=found.hint, level=level, **value)
