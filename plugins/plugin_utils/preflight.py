# Copyright (c) 2026, petal.hpc contributors
# GNU General Public License v3.0+ (see LICENSE or https://www.gnu.org/licenses/gpl-3.0.txt)
# SPDX-License-Identifier: GPL-3.0-or-later

"""What keeps a planned build from ending well: facts of the build host and of this controller, judged."""

from __future__ import annotations

import json
import shutil
from collections.abc import Iterable, Mapping
from typing import Any

from ansible_collections.petal.hpc.plugins.module_utils._preflight.model import ControllerFacts, Facts, HostFacts
from ansible_collections.petal.hpc.plugins.module_utils._preflight.rules import problems
from ansible_collections.petal.hpc.plugins.plugin_utils.installed import there

#: What the controller needs by provider: Python libraries, collections, commands.
NEEDS: dict[str, tuple[tuple[str, ...], tuple[str, ...], tuple[str, ...]]] = {
    "local": (("cyclonedx", "squarify"), (), ()),
    "aws": (
        ("boto3", "botocore", "cyclonedx", "squarify"),
        ("amazon.aws", "ansible.posix", "community.general"),
        ("ssh", "ssh-keygen"),
    ),
}


def build_problems(plan: Mapping[str, Any], host: Mapping[str, Any] | None) -> list[str]:
    """The problems of a plan of the role snapshots, as texts.

    :param host: what petal.hpc.build_host_info saw; None where the host is still to be made.
    """
    # Values that went through templating carry Ansible's own types: make them plain, once, here.
    plain = json.loads(json.dumps({"plan": dict(plan), "host": dict(host) if host else None}))
    seen = plain["host"]
    facts = Facts(
        seed=plain["plan"]["seed"],
        size_gb=int(plain["plan"]["size_gb"]),
        controller=_controller(*NEEDS[plain["plan"]["provider"]]),
        host=HostFacts.of({key: value for key, value in seen.items() if key != "full"}) if seen else None,
    )
    return problems(facts)


def _controller(libraries: Iterable[str], collections: Iterable[str], commands: Iterable[str]) -> ControllerFacts:
    return ControllerFacts(
        libraries=tuple(name for name in libraries if not there(name)),
        collections=tuple(name for name in collections if not there(f"ansible_collections.{name}")),
        commands=tuple(name for name in commands if shutil.which(name) is None),
    )
