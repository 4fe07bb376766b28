# Copyright (c) 2026, petal.hpc contributors
# GNU General Public License v3.0+ (see LICENSE or https://www.gnu.org/licenses/gpl-3.0.txt)
# SPDX-License-Identifier: GPL-3.0-or-later

"""The node hook and its bootstrap, as Ansible renders them."""

from __future__ import annotations

import shlex
from typing import Any

from jinja2 import Environment, FileSystemLoader, StrictUndefined
from playing import ROOT

PLAIN: dict[str, Any] = {
    "pcluster_config_documents": f"sha256:{'0' * 64}",
    "software_volume_mount_dir": "/shared",
    "software_volume_lmod_init": {"sh": "/shared/lmod/lmod/init/sh"},
    "software_volume_compatible_os": [],
    "software_volume_architecture": "",
    "pcluster_config_software": {"mount_dir": "/shared"},
    "pcluster_config_hook_arguments": ["--user", "researcher1:5001:5001", "--s3-mount", "lab-data:/data:ro"],
}
HOOK = "software_volume/templates/petal-node-setup.j2"
BOOTSTRAP = "pcluster_config/templates/petal-node-bootstrap.j2"


def render(template: str, **variables: Any) -> str:
    """A template of a role as Ansible renders it, as far as these need it."""
    if template == BOOTSTRAP:
        variables = {"pcluster_config_hook_script": hook_script(**variables), **variables}
    loader = FileSystemLoader(ROOT / "roles")
    # A shell script is no web page.
    environment = Environment(loader=loader, trim_blocks=True, undefined=StrictUndefined, keep_trailing_newline=True)
    environment.filters["quote"] = shlex.quote
    return environment.get_template(template).render({**PLAIN, **variables})


def hook_script(**variables: Any) -> str:
    """The hook as the bootstrap has it: without its first line."""
    return render(HOOK, **{"software_volume_lmod_init": {"sh": ""}, **variables}).removeprefix("#!/bin/sh\n")
