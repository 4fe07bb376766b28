# Copyright (c) 2026, petal.hpc contributors
# GNU General Public License v3.0+ (see LICENSE or https://www.gnu.org/licenses/gpl-3.0.txt)
# SPDX-License-Identifier: GPL-3.0-or-later

"""How pip is called for the Python that runs Spack: with digests, from wheels of a mirror, or from an index."""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from dataclasses import asdict, dataclass
from typing import Any

from ansible_collections.petal.hpc.plugins.module_utils._seed.addresses import redacted

#: Wheels alone: what is built from source runs code of its own while it is installed.
_QUIETLY = ("--quiet", "--no-input", "--disable-pip-version-check", "--only-binary", ":all:")
#: Nothing of the host's own configuration.
_ALONE = {"PIP_CONFIG_FILE": "/dev/null", "PIP_FIND_LINKS": "", "PIP_EXTRA_INDEX_URL": ""}


@dataclass(frozen=True)
class Call:
    """Pip, arguments behind its command, and variables: secrets are those that no command line may show."""

    pip: tuple[str, ...]
    arguments: tuple[str, ...]
    environment: Mapping[str, str]
    secrets: Mapping[str, str]

    def to_dict(self) -> dict[str, Any]:
        """Plain JSON types."""
        return {**asdict(self), "pip": list(self.pip), "arguments": list(self.arguments)}


@dataclass(frozen=True)
class Origin:
    """Where packages come from, and how that is checked.

    python: whose pip. lock: file of requirements with their digests, which counts where ``locked``. wheels: a directory
    of a mirror that is taken in place of any index; empty for none. certificates: a file of those that the host trusts;
    empty for pip's own. host_config: let the host's own configuration of pip in.
    """

    python: str
    lock: str = ""
    locked: bool = False
    wheels: str = ""
    certificates: str = ""
    index_url: str = ""
    extra_index_urls: Sequence[str] = ()
    host_config: bool = False

    def call(self, wanted: Sequence[str]) -> Call:
        """How the packages that are wanted are asked for."""
        indexes = self._indexes()
        # An index may bear credentials: the environment of a task stands on the command line of the shell that starts
        # its module.
        urls = " ".join(indexes.values())
        secret = urls != redacted(urls)
        environment = {"LC_ALL": "C.UTF-8", "PYTHONNOUSERSITE": "1", **({} if self.host_config else _ALONE)}
        if self.certificates:
            environment["PIP_CERT"] = self.certificates
        environment.update({} if secret else indexes)
        if self.wheels:
            environment.update({"PIP_NO_INDEX": "1", "PIP_FIND_LINKS": self.wheels})
        asked = ("--require-hashes", "--requirement", self.lock) if self.locked else tuple(wanted)
        return Call(
            pip=(self.python, "-m", "pip"),
            arguments=(*_QUIETLY, *asked),
            environment=environment,
            secrets=indexes if secret else {},
        )

    def _indexes(self) -> dict[str, str]:
        found = {"PIP_INDEX_URL": self.index_url, "PIP_EXTRA_INDEX_URL": " ".join(self.extra_index_urls)}
        return {name: value for name, value in found.items() if value}
