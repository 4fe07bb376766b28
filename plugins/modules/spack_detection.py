#!/usr/bin/python
# Copyright (c) 2026, petal.hpc contributors
# GNU General Public License v3.0+ (see LICENSE or https://www.gnu.org/licenses/gpl-3.0.txt)
# SPDX-License-Identifier: GPL-3.0-or-later

from __future__ import annotations

DOCUMENTATION = r"""
module: spack_detection
short_description: Ask Spack which compilers and tools are in /usr/bin
version_added: "0.2.0"
author:
  - petal.hpc contributors (@petal-hpc)
description:
  - Lets Spack look for GCC and for O(tools) in C(/usr/bin), once for one O(result).
  - What Spack works out before it can answer, the index of its packages, is the same for one commit of them. It is kept
    on the host in O(kept), and brought from there to where Spack looks, where nobody but us can write in that
    directory. The indexes of the eight commits that were used last are kept.
  - Nothing is kept of a checkout that somebody has changed. What is changed later Spack reads again by itself.
attributes:
  check_mode:
    description: Can run in check mode, where it returns what was found before.
    support: full
  diff_mode:
    description: Shows no differences.
    support: none
options:
  root:
    description: Where Spack is checked out.
    type: path
    required: true
  packages:
    description: Where the repository of its packages is checked out.
    type: path
    required: true
  python:
    description: The Python that runs Spack.
    type: path
    required: true
  user:
    description: As whom Spack runs.
    type: str
    default: root
  own:
    description: Directory of what Spack keeps for this build. Its home is C(home) in it.
    type: path
    required: true
  index:
    description: Directory in which Spack looks for its index of packages (C(config:misc_cache)).
    type: path
    required: true
  result:
    description: Directory that gets the answer, C(packages.yaml).
    type: path
    required: true
  kept:
    description: Directory of the indexes that the host keeps. Without it none is kept, and none is taken.
    type: path
  tools:
    description: What is looked for beside GCC, by the names of Spack's packages.
    type: list
    elements: str
    default: []
"""

EXAMPLES = r"""
- name: Ask Spack what there is
  petal.hpc.spack_detection:
    root: /shared/spack
    packages: /shared/spack/var/spack/packages
    python: /var/cache/petal/spack/venv/bin/python3
    own: /var/cache/petal/spack
    index: /var/cache/petal/spack/misc-d4f7c711a6a4
    result: /shared/spack/etc/spack/petal
    kept: /var/cache/petal/spack/indexes
    tools: [cmake, perl]
  register: detected
"""

RETURN = r"""
content:
  description: What Spack has found, its C(packages.yaml), in Base64. Empty where it was not asked yet.
  returned: success
  type: str
clashes:
  description:
    - What the role P(petal.hpc.spack#role) has noted beside it (C(clashes.json)), the modules that need a name of their
      own.
  returned: success
  type: raw
index_reused:
  description: Whether Spack's index of its packages was brought from O(kept).
  returned: success
  type: bool
"""

from ansible.module_utils.basic import AnsibleModule

from ansible_collections.petal.hpc.plugins.module_utils._core.errors import PetalError
from ansible_collections.petal.hpc.plugins.module_utils._host.api import Host, explained
from ansible_collections.petal.hpc.plugins.module_utils._spack.detection_api import Detection, Detector


def main() -> None:
    """Arguments in, what was found out."""
    paths = ("root", "packages", "python", "own", "index", "result")
    module = AnsibleModule(
        argument_spec={
            **{name: {"type": "path", "required": True} for name in paths},
            "user": {"type": "str", "default": "root"},
            "kept": {"type": "path"},
            "tools": {"type": "list", "elements": "str", "default": []},
        },
        supports_check_mode=True,
    )
    wanted = Detection(**{**module.params, "kept": module.params["kept"] or ""})
    try:
        with explained("asking Spack what is in /usr/bin"):
            detector = Detector(Host(module.run_command), wanted)
            if flaw := detector.flaw():
                module.warn(flaw)
            result = detector.detect(check=module.check_mode)
    except PetalError as error:
        module.fail_json(msg=str(error))
    module.exit_json(**result)


if __name__ == "__main__":
    main()
