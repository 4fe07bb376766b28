#!/usr/bin/python
# Copyright (c) 2026, petal.hpc contributors
# GNU General Public License v3.0+ (see LICENSE or https://www.gnu.org/licenses/gpl-3.0.txt)
# SPDX-License-Identifier: GPL-3.0-or-later

from __future__ import annotations

DOCUMENTATION = r"""
module: python_environment
short_description: Build a Python environment on a software volume
version_added: "0.1.0"
description:
  - Resolves requirements to exact versions with hashes, and installs them with uv at
    C(MOUNT_DIR/envs/NAME/VERSION). The lock is kept on the volume, everything that is only needed to build is not.
  - An environment counts as complete once its marker file is there, which is written last. One that was broken off, or
    whose requirements are others now, is built again from nothing.
  - The interpreter is the operating system's own where that has the version, else a CPython that uv downloads from
    GitHub or a mirror onto the volume.
  - Only wheels are installed, but for the packages that O(build) names. Whatever may run what is in packages is run by
    O(build_user), in namespaces of its own, where only the new environment can be written, and where nothing goes on
    running. Root owns the environment in the end.
requirements:
  - unshare and setpriv of util-linux 2.32 or later, and root on a host that lets it make namespaces
author:
  - petal.hpc contributors (@petal-hpc)
extends_documentation_fragment:
  - petal.hpc.downloads
attributes:
  check_mode:
    description:
      - Resolves the requirements where uv and O(build_user) are there, and says what would be installed. Nothing is
        built and no code of packages is run, so that with O(build) only the names are said.
    support: full
  diff_mode:
    description: Shows the packages before and after.
    support: full
options:
  name:
    description: Name of the environment, and of its environment module.
    type: str
    required: true
  version:
    description: Version of the environment, and of its environment module.
    type: str
    required: true
  packages:
    description: Requirements as PEP 508 writes them.
    type: list
    elements: str
    default: []
  python:
    description: Version of Python, such as V(3.12) or V(3.12.4). Without it the operating system's own is used.
    type: str
  as_of:
    description:
      - A day, C(YYYY-MM-DD) in UTC. Releases that were published after it do not count, neither of what is asked for
        nor of what that depends on or is built with. It needs an index that gives upload dates (PEP 700), as PyPI does.
    type: str
  build:
    description:
      - Names of packages that are built from their source distributions, which runs code of theirs. All others are
        installed from wheels, or refused where they have none.
    type: list
    elements: str
    default: []
  build_user:
    description: The system user by whom the environment is made; it owns nothing, and has none of root's ids.
    type: str
    default: petal-build
  default:
    description: Whether this is the default version of its module; carried into RV(manifest), decides nothing else.
    type: bool
    default: false
  mount_dir:
    description: Where the volume is mounted, on this host as on the nodes that will use it.
    type: path
    required: true
  uv:
    description: The uv to work with; M(petal.hpc.uv) installs one and returns its path.
    type: path
    required: true
  python_mirror:
    description: A mirror of the releases of python-build-standalone, for hosts that do not reach GitHub.
    type: str
  python_downloads_json_url:
    description: A list of CPython builds in uv's format, for sites that keep builds of their own.
    type: str
  verify:
    description: Import everything that was asked for before the environment counts as complete.
    type: bool
    default: true
  step:
    description: Which of O(steps) environments this is, from 1; for RV(progress).
    type: int
    default: 1
  steps:
    description: How many environments are built in a row; for RV(progress).
    type: int
    default: 1
"""

EXAMPLES = r"""
- name: Build an environment
  petal.hpc.python_environment:
    name: scipy-stack
    version: "2026.1"
    packages: ["numpy==2.2.*", scipy]
    mount_dir: /shared
    uv: /var/cache/petal/bin/uv-0.13.9
"""

RETURN = r"""
environment:
  description: The environment.
  returned: success
  type: dict
  contains:
    name:
      description: Its name.
      type: str
    version:
      description: Its version.
      type: str
    module:
      description: Name of its environment module, C(NAME/VERSION).
      type: str
    path:
      description: Where it is.
      type: str
    lock:
      description: Where its lock file is.
      type: str
    lock_sha256:
      description: Digest of the lock file. Null in check mode.
      type: str
    uv:
      description: Version of the uv that built it. Null in check mode.
      type: str
    python:
      description: Its interpreter as C(path), C(version) and C(source), which is V(system) or V(managed).
      type: dict
    packages:
      description:
        - What is installed, as C(name), C(version), C(hash) (of the archive, C(sha256:…)), C(requested) (whether the
          requirements name it) and C(license) (an SPDX expression; null where its metadata does not tell).
      type: list
      elements: dict
    check:
      description: A command that imports everything that was asked for. Null in check mode.
      type: list
      elements: str
manifest:
  description: What a volume's manifest says of it.
  returned: success
  type: dict
  contains:
    module:
      description: Its environment module, as C(name), C(kind), C(load), C(check), C(default) and C(summary).
      type: dict
    packages:
      description: Its packages, as C(name), C(version), C(manager) and C(hash).
      type: list
      elements: dict
    requires:
      description: Files of the operating system that every node must have for it, as C(path) and C(reason).
      type: list
      elements: dict
progress:
  description: How far a row of environments is, as C(done), C(total) and C(item).
  returned: success
  type: dict
"""

from ansible.module_utils.basic import AnsibleModule

from ansible_collections.petal.hpc.plugins.module_utils._core.errors import PetalError
from ansible_collections.petal.hpc.plugins.module_utils._python.api.build import BUILD_USER, Builder
from ansible_collections.petal.hpc.plugins.module_utils._python.api.uv import NETWORK, settings
from ansible_collections.petal.hpc.plugins.module_utils._python.model import Environment


def main() -> None:
    """Arguments in, record out."""
    module = AnsibleModule(
        argument_spec={
            "name": {"type": "str", "required": True},
            "version": {"type": "str", "required": True},
            "packages": {"type": "list", "elements": "str", "default": []},
            "python": {"type": "str"},
            "as_of": {"type": "str"},
            "build": {"type": "list", "elements": "str", "default": []},
            "build_user": {"type": "str", "default": BUILD_USER},
            "default": {"type": "bool", "default": False},
            "mount_dir": {"type": "path", "required": True},
            "uv": {"type": "path", "required": True},
            "python_mirror": {"type": "str"},
            "python_downloads_json_url": {"type": "str"},
            "verify": {"type": "bool", "default": True},
            "step": {"type": "int", "default": 1},
            "steps": {"type": "int", "default": 1},
            **NETWORK,
        },
        supports_check_mode=True,
    )
    given = module.params
    try:
        asked = (given["python"] or None, given["as_of"] or None, tuple(given["build"]))
        wanted = Environment(given["name"], given["version"], tuple(given["packages"]), *asked)
        builder = Builder(module, wanted, given["mount_dir"], settings(module, given["uv"]), given["build_user"])
        outcome = builder.ensure(given["default"])
    except PetalError as error:
        module.fail_json(msg=str(error))
    progress = {"done": given["step"], "total": given["steps"], "item": wanted.module}
    module.exit_json(progress=progress, **outcome)


if __name__ == "__main__":
    main()
