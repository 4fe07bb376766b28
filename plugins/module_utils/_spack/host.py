# Copyright (c) 2026, petal.hpc contributors
# GNU General Public License v3.0+ (see LICENSE or https://www.gnu.org/licenses/gpl-3.0.txt)
# SPDX-License-Identifier: GPL-3.0-or-later

"""The host as Spack sees it: what it is called, and which compilers and tools of it Spack may use."""

from __future__ import annotations

from collections.abc import Iterable, Mapping
from dataclasses import asdict, dataclass
from typing import Any

from ansible_collections.petal.hpc.plugins.module_utils._seed.platforms import DEFAULT_TARGETS, canonical_architecture

#: Spack's names of distributions, by those of Ansible's facts.
_DISTRIBUTIONS = {"Ubuntu": "ubuntu", "Debian": "debian", "Amazon": "amzn", "RedHat": "rhel", "Rocky": "rocky"}
#: Those of which Spack names the whole version, not only the major one.
_WHOLE_VERSION = ("Ubuntu", "Amazon")
#: The compiler that everything is built with where a seed names none.
_GCC = "/usr/bin/gcc"


@dataclass(frozen=True)
class Platform:
    """``os`` and ``target`` of Spack's specs."""

    os: str
    target: str

    @classmethod
    def of(cls, facts: Mapping[str, Any], target: str | None = None) -> Platform:
        """The platform of a host by its facts.

        :param target: the one that is asked for; without it the architecture's default.
        Raises KeyError where a fact is missing.
        """
        distribution, architecture = str(facts["distribution"]), str(facts["architecture"])
        version = "distribution_version" if distribution in _WHOLE_VERSION else "distribution_major_version"
        return cls(
            os=_DISTRIBUTIONS.get(distribution, distribution.lower()) + str(facts[version]),
            target=str(target or DEFAULT_TARGETS.get(canonical_architecture(architecture), architecture)),
        )


@dataclass(frozen=True)
class Detected:
    """What Spack found of the operating system's own.

    compilers: externals of GCC that compile Fortran too. default: the one at /usr/bin/gcc, or none. compiler: its name
    and version, as ``gcc@12.2.0``. tools: settings of packages by name. What the packages of a seed need of a tool by
    its name is to be had from Spack, in the version that they ask for, so each stays buildable.
    """

    compilers: list[dict[str, Any]]
    default: list[dict[str, Any]]
    compiler: str | None
    tools: dict[str, dict[str, Any]]

    @classmethod
    def of(cls, packages: Mapping[str, Any], tools: Iterable[str]) -> Detected:
        """From the section ``packages`` that Spack wrote, of which the tools asked for are taken."""
        externals = _once((packages.get("gcc") or {}).get("externals") or [])
        compilers = [external for external in externals if "fortran" in _compilers(external)]
        default = [external for external in compilers if _compilers(external).get("c") == _GCC]
        return cls(
            compilers=compilers,
            default=default,
            compiler=default[0]["spec"].split(" ")[0] if default else None,
            tools={name: _tool(packages[name]) for name in tools if name in packages},
        )

    def to_dict(self) -> dict[str, Any]:
        """Plain JSON types."""
        return asdict(self)


def _once(externals: Iterable[dict[str, Any]]) -> list[dict[str, Any]]:
    """Each of them once: where a site has a recipe of its own, Spack finds a package with that and with its own."""
    found: list[dict[str, Any]] = []
    for external in externals:
        if external not in found:
            found.append(external)
    return found


def _tool(settings: Mapping[str, Any]) -> dict[str, Any]:
    return {**settings, "externals": _once(settings.get("externals") or []), "buildable": True}


def _compilers(external: Mapping[str, Any]) -> Mapping[str, Any]:
    found: Mapping[str, Any] = (external.get("extra_attributes") or {}).get("compilers") or {}
    return found
