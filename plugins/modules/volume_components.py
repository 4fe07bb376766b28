#!/usr/bin/python
# Copyright (c) 2026, petal.hpc contributors
# GNU General Public License v3.0+ (see LICENSE or https://www.gnu.org/licenses/gpl-3.0.txt)
# SPDX-License-Identifier: GPL-3.0-or-later

from __future__ import annotations

DOCUMENTATION = r"""
module: volume_components
short_description: Say what a software volume needs beside its packages
version_added: "0.1.0"
author:
  - petal.hpc contributors (@petal-hpc)
description:
  - Finds out what the software on a mounted volume runs by, for its manifest, its bill of materials and its provenance.
    That is Spack and the repository of its packages, Lmod and the Lua that runs it, and the interpreters of Python
    environments.
  - What is the operating system's own is named by its package, as C(dpkg-query) or C(rpm) tells.
  - Gives the digests of the volume's locks too, and what the volume takes.
extends_documentation_fragment:
  - petal.hpc.info
options:
  path:
    description: The directory at which the volume is mounted.
    type: path
    required: true
  lmod:
    description: Lmod as C(home), C(version), C(packages) (of Spack's) and C(source_sha256). Without it there is none.
    type: dict
    default: {}
  pythons:
    description: Interpreters, as M(petal.hpc.python_environment) returns them.
    type: list
    elements: dict
    default: []
  packages:
    description:
      - The packages of the manifest, each with its C(prefix), where it has one. What each takes is among
        RV(sizes.parts), as are RV(components).
    type: list
    elements: dict
    default: []
  spack:
    description:
      - Spack as C(version), C(commit), C(url) and C(root), and the repository of its packages as the same with
        C(packages_) in front. Without it there is none.
    type: dict
    default: {}
seealso:
  - plugin: petal.hpc.sbom
    plugin_type: filter
  - module: petal.hpc.volume_audit
"""

EXAMPLES = r"""
- name: Find out what the volume runs by
  petal.hpc.volume_components:
    path: /shared
    lmod:
      home: /usr/share/lmod/lmod
      version: 8.6.19
    pythons:
      - path: /usr/bin/python3.11
        version: 3.11.2
        source: system
"""

RETURN = r"""
components:
  description: What was found, by name; a key of which nothing is known is left out.
  returned: success
  type: list
  elements: dict
  contains:
    name:
      description: Its name.
      type: str
    version:
      description: Its version.
      type: str
    manager:
      description: What brought it, V(deb), V(rpm), V(git), V(source), V(spack), V(uv) or V(none).
      type: str
    kind:
      description: V(application) or V(library).
      type: str
    license:
      description: An SPDX expression.
      type: str
    origin:
      description:
        - V(system) for what every node must have of its own. Otherwise it is on the volume, and this is V(volume), or
          where Spack had it from.
      type: str
    path:
      description: Where it is.
      type: str
    hash:
      description: Spack's hash, or a digest.
      type: str
    purl:
      description: Its package URL.
      type: str
    url:
      description: The Git repository, without credentials.
      type: str
    commit:
      description: What of it is checked out.
      type: str
    dependencies:
      description: Hashes of what a package of Spack's needs to run; package URLs of what Lmod does.
      type: list
      elements: str
locks:
  description: Digests (C(sha256:…)) of the volume's locks, by their paths below O(path).
  returned: success
  type: dict
sizes:
  description: What the volume takes, as C(du) counts it, without what is mounted below.
  returned: success
  type: dict
  contains:
    used_bytes:
      description: Bytes of its file system that are in use.
      type: int
    files:
      description: Files, directories and links.
      type: int
    parts:
      description:
        - Bytes by paths below O(path). Packages, Python environments, and what is directly on the volume; each is
          without those of its parts that stand here themselves, and V(.) is the rest.
      type: dict
"""

from ansible.module_utils.basic import AnsibleModule

from ansible_collections.petal.hpc.plugins.module_utils._components.api import Finder
from ansible_collections.petal.hpc.plugins.module_utils._core.errors import PetalError
from ansible_collections.petal.hpc.plugins.module_utils._host.api import Host


def main() -> None:
    """Arguments in, findings out."""
    module = AnsibleModule(
        argument_spec={
            "path": {"type": "path", "required": True},
            "lmod": {"type": "dict", "default": {}},
            "pythons": {"type": "list", "elements": "dict", "default": []},
            "packages": {"type": "list", "elements": "dict", "default": []},
            "spack": {"type": "dict", "default": {}},
        },
        supports_check_mode=True,
    )
    given = module.params
    try:
        finder = Finder(Host(module.run_command), given["path"])
        components = finder.components(given["lmod"], given["pythons"], given["spack"])
        places = [one.get("prefix") or one.get("path") for one in (*given["packages"], *components)]
        locks, sizes = finder.locks(), finder.sizes([str(place) for place in places if place])
    except PetalError as error:
        module.fail_json(msg=str(error))
    for one in finder.unknown:
        module.warn(f"the bill of materials will not name {one}")
    module.exit_json(changed=False, components=components, locks=locks, sizes=sizes)


if __name__ == "__main__":
    main()
