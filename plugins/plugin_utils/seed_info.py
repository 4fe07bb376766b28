# Copyright (c) 2026, petal.hpc contributors
# GNU General Public License v3.0+ (see LICENSE or https://www.gnu.org/licenses/gpl-3.0.txt)
# SPDX-License-Identifier: GPL-3.0-or-later
"""What petal.hpc.seed_info does: from a path to a validated seed and its fingerprint, on the controller."""

from __future__ import annotations

import contextlib
import json
import os
from collections.abc import Callable, Iterable, Mapping
from pathlib import Path
from typing import Any

from ansible_collections.petal.hpc.plugins.module_utils._seed import fingerprint, inputs
from ansible_collections.petal.hpc.plugins.module_utils._seed.errors import Problem, SeedError
from ansible_collections.petal.hpc.plugins.module_utils._seed.model import Seed, Storage
from ansible_collections.petal.hpc.plugins.module_utils._seed.platforms import Host, compatible_os, mismatch
from ansible_collections.petal.hpc.plugins.plugin_utils import instance_types, package_index
from ansible_collections.petal.hpc.plugins.plugin_utils.controller import process_identity, this_host
from ansible_collections.petal.hpc.plugins.plugin_utils.seed_file import read_seed_file

#: Options of the action, in the form of Ansible's argument specifications. The path is a plain text: type path
#: would put environment variables in.
ARGUMENTS: dict[str, dict[str, Any]] = {
    "path": {"type": "str", "required": True},
    "host_os": {"type": "str"},
    "host_architecture": {"type": "str"},
    "snapshot_sources": {"type": "list", "elements": "dict"},
    "resolved_refs": {
        "type": "dict",
        "options": {"spack": {"type": "str"}, "packages": {"type": "str"}},
    },
    "inputs": {"type": "dict"},
}


def with_inputs(
    arguments: Mapping[str, Any],
    variables: Mapping[str, Any],
    template: Callable[[Any], Any],
    extra: Iterable[str] = (),
) -> dict[str, Any]:
    """The action's arguments, with what the play's variables decide of a volume where ``inputs`` does not say it.

    Every door to a fingerprint goes through here, so that all playbooks with the same variables have the same one.

    variables: those of the play. template: what makes a value of one. extra: names of the extra variables.
    Raises SeedError for extra variables that overrule the seed.
    """
    inputs.refuse_overruling(extra)
    if arguments.get("inputs") is not None:
        return dict(arguments)
    return {**arguments, "inputs": {name: template(variables[name]) for name in inputs.NAMES if name in variables}}


def describe(arguments: Mapping[str, Any], playbook_dir: str) -> dict[str, Any]:
    """The action's result, in plain JSON types. Raises SeedError.

    arguments: as ARGUMENTS describes them, of whatever types templating made of them.
    """
    # Values that went through templating carry Ansible's own types: make them plain, once, here.
    options = json.loads(json.dumps(arguments))
    document = read_seed_file(find_seed(options["path"], playbook_dir))
    data = document.data
    if options.get("snapshot_sources") is not None and isinstance(data, Mapping):
        data = {**data, "snapshot_sources": options["snapshot_sources"]}
    here = this_host()
    host = Host.named(options.get("host_os") or here.os, options.get("host_architecture") or here.architecture)
    seed = Seed.from_mapping(data, host, document.source, instance_types.sold)
    compared, doubts = package_index.compare(data, seed, document.source)
    refs = {name: commit for name, commit in (options.get("resolved_refs") or {}).items() if commit}
    site = inputs.resolve(options.get("inputs") or {}, seed)
    wanted = Host(seed.cluster.os, seed.cluster.architecture)
    return {
        "name": seed.cluster.name,
        "seed": seed.to_dict(),
        "fingerprint": fingerprint.fingerprint(seed, refs, site),
        "older_fingerprints": fingerprint.older(seed, refs, site),
        "fingerprint_input": fingerprint.content(seed, refs, site),
        "unresolved": fingerprint.unresolved(seed, refs, site),
        "inputs": site.to_dict(),
        # A build host on AWS is made for the seed, and shows what it is when it answers.
        "host_mismatch": mismatch(wanted, host) if seed.cluster.provider == "local" else "",
        "compatible_os": list(compatible_os(wanted.os)),
        "software_volume": _volume(seed.software_volume),
        "build_timeout_s": seed.software.build.timeout_seconds,
        # The worker that runs this is a child of the ansible-playbook process.
        "controller": process_identity(os.getppid()),
        "packages_compared": compared,
        "warnings": [
            f"{problem}; {problem.hint}" if problem.hint else str(problem)
            for problem in sorted([*seed.warnings, *doubts], key=lambda problem: problem.line or 0)
        ],
    }


def find_seed(path: str, playbook_dir: str) -> str:
    """The seed's file: relative paths count from the working directory, then from the playbook.

    Raises SeedError when the path is empty. Whether there is such a file shows when it is read.
    """
    if not path.strip():
        raise SeedError([Problem("", "no seed is named", hint="name its file: -e seed=FILE")])
    given = Path(path)
    with contextlib.suppress(RuntimeError):  # ~NAME of an unknown user is a file's name
        given = given.expanduser()
    beside = Path(playbook_dir) / given
    return str(beside if not os.path.lexists(given) and os.path.lexists(beside) else given)


def _volume(volume: Storage) -> dict[str, Any]:
    settings = volume.ebs_settings
    return {
        "name": volume.name,
        "mount_dir": volume.mount_dir,
        "size_gb": settings.size,
        "volume_type": settings.volume_type,
        "iops": settings.iops,
        "throughput": settings.throughput,
        "encrypted": settings.encrypted,
        "kms_key_id": settings.kms_key_id,
    }
