# Copyright (c) 2026, petal.hpc contributors
# GNU General Public License v3.0+ (see LICENSE or https://www.gnu.org/licenses/gpl-3.0.txt)
# SPDX-License-Identifier: GPL-3.0-or-later

"""How far a build is, told by the facts of the hosts that it had: a host ends in one of four ways, or is replaced.

    given ──► building ──► sealed      the volume is complete
       │         ├───────► detached    the install goes on by itself
       ├─────────┼───────► aborted     the build failed there
       └─────────┴───────► away        AWS took the host back
                              └──────► replaced

A host that is lost on the way to it cannot say so: where the play on it is over, and it is still ``given`` or
``building``, it went away too.
"""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from dataclasses import dataclass
from enum import Enum
from typing import Any

from ansible_collections.petal.hpc.plugins.module_utils._core.errors import PetalError

#: Facts of localhost, which hosts built, in order, and which build now; and of a host.
HOSTS = "volume_build_hosts"
BUILDERS = "volume_build_builders"
ENDED = "volume_build_ended"
MOUNTED = "build_host_python"
WORKED = "software_volume_work_began"


class BuildStateError(PetalError):
    """A fact says what no build can be."""


class State(Enum):
    """Of a host, and of a build, which is where its last host is; NONE is a build that had no host."""

    NONE = "none"
    GIVEN = "given"
    BUILDING = "building"
    SEALED = "sealed"
    DETACHED = "detached"
    ABORTED = "aborted"
    AWAY = "away"
    REPLACED = "replaced"


#: What a host says itself when it has done its part.
ENDS = (State.SEALED, State.DETACHED, State.ABORTED, State.AWAY)


@dataclass(frozen=True)
class Host:
    """A host of a build. mounted: whether the volume was mounted there; worked: whether something was installed."""

    name: str
    state: State
    mounted: bool = False
    worked: bool = False

    @classmethod
    def of(cls, name: str, facts: Mapping[str, Any], *, replaced: bool) -> Host:
        """A host by its facts.

        :param replaced: whether another host has its place now. Only one that went away is replaced.

        Raises BuildStateError for an end that is none.
        """
        mounted = MOUNTED in facts
        state = State.BUILDING if mounted else State.GIVEN
        if ENDED in facts:
            state = _end(name, str(facts[ENDED]))
        return cls(name, State.REPLACED if replaced else state, mounted, mounted and WORKED in facts)


def play_of(builders: Sequence[str]) -> list[str]:
    """The hosts of a play on these, as a pattern of Ansible: localhost looks on, nobody where nobody builds.

    An empty list of hosts would be an error there, and a play whose every host went away would end the playbook.
    """
    return ["localhost", *(builders or ["!localhost"])]


def _end(name: str, said: str) -> State:
    for state in ENDS:
        if state.value == said:
            return state
    expected = ", ".join(state.value for state in ENDS)
    raise BuildStateError(f"{ENDED} of {name} is {said!r}: expected one of {expected}, which the role sets itself")


@dataclass(frozen=True)
class Build:
    """A build by the hosts that it had, in order; the last one has the volume."""

    hosts: tuple[Host, ...] = ()

    @classmethod
    def of(cls, names: Sequence[str], facts: Mapping[str, Mapping[str, Any]]) -> Build:
        """A build by the names of its hosts and their facts. Raises BuildStateError."""
        hosts = [
            Host.of(name, facts.get(name, {}), replaced=place < len(names)) for place, name in enumerate(names, start=1)
        ]
        return cls(tuple(hosts))

    @property
    def host(self) -> str:
        """Who has the volume; empty where nobody builds."""
        return self.hosts[-1].name if self.hosts else ""

    @property
    def state(self) -> State:
        """Where it is."""
        return self.hosts[-1].state if self.hosts else State.NONE

    @property
    def is_open(self) -> bool:
        """Whether another host has to go on, once the play on the last one is over."""
        return self.state in (State.GIVEN, State.BUILDING, State.AWAY)

    @property
    def is_lost(self) -> bool:
        """Whether it went away in the middle: if its host is there all the same, an install may go on by itself."""
        return self.is_open and self.hosts[-1].mounted

    @property
    def has_logs(self) -> bool:
        """Whether its host has logs: before the volume was mounted, and after it was sealed, there are none."""
        return bool(self.hosts) and self.hosts[-1].mounted and self.state not in (State.SEALED, State.DETACHED)

    @property
    def has_work(self) -> bool:
        """Whether one of its hosts has installed something on the volume."""
        return any(host.worked for host in self.hosts)

    def to_dict(self) -> dict[str, Any]:
        """Plain JSON types."""
        return {
            "state": self.state.value,
            "host": self.host,
            "open": self.is_open,
            "lost": self.is_lost,
            "logs": self.has_logs,
            "worked": self.has_work,
        }
