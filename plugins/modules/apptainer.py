#!/usr/bin/python
# Copyright (c) 2026, petal.hpc contributors
# GNU General Public License v3.0+ (see LICENSE or https://www.gnu.org/licenses/gpl-3.0.txt)
# SPDX-License-Identifier: GPL-3.0-or-later

from __future__ import annotations

DOCUMENTATION = r"""
module: apptainer
short_description: Put an Apptainer onto a volume that runs on every node as it is
version_added: "0.2.0"
author:
  - petal.hpc contributors (@petal-hpc)
description:
  - Takes Apptainer from packages of Debian, with the loader and the libraries that it needs, and puts it into a
    directory of its own. It runs on any Linux with the volume, as an ordinary user, and has no setuid program. It runs
    images that are squashfs by FUSE, in a user namespace.
  - apt fetches and verifies the packages, with lists of its own; nothing of the host's apt is changed, and nothing is
    installed on the host. Without apt they come from a directory of package files.
  - The same packages give the same files, to the byte, and with the same times. What was changed by hand is made anew.
  - Notes in C(petal.json), beside the programs, which packages it comes from. Their licences are in C(share/doc).
attributes:
  check_mode:
    description: Says whether it would be installed, or whether packages would be fetched. Nothing is fetched for that.
    support: full
  diff_mode:
    description: There is nothing to show a difference of.
    support: none
options:
  state:
    description: V(present) for Apptainer at O(path); V(fetched) for its package files in O(directory).
    type: str
    choices: [present, fetched]
    default: present
  path:
    description:
      - Where it is to be, an absolute path without blanks. It is written into the programs, so that they run there and
        nowhere else.
      - Required with O(state=present).
    type: path
  directory:
    description:
      - A directory of package files (C(*.deb)), from which alone they are taken; for hosts that reach no archive, or
        have no apt. What is in it is trusted as far as O(sha256) does not say otherwise.
      - With O(state=fetched) they are put there, in place of others of the same packages. A directory may have those of
        both architectures.
    type: path
  architecture:
    description:
      - For which processors it is. Without it for those of this host, and with O(state=present) for no others.
    type: str
    choices: [x86_64, arm64]
  archive:
    description:
      - Address of an archive of Debian's. Without it that which the host uses itself; one that uses none, as those of
        Ubuntu, needs it.
      - The archive of a time, as Debian's service of snapshots has it (an address that ends in V(/20261101T000000Z)),
        has every version of then.
    type: str
  suite:
    description: The suite that has Apptainer.
    type: str
    default: sid
  base_suite:
    description: The suite from which all else comes.
    type: str
    default: trixie
  keyring:
    description: A file with the keys by which the archive is verified.
    type: path
    default: /usr/share/keyrings/debian-archive-keyring.gpg
  versions:
    description:
      - Versions by packages of Debian. A package that is not named comes in the version that its suite has; one that is
        there already stays.
    type: dict
    default: {}
  sha256:
    description: SHA-256 of the package files that may be used. Without it any will do that apt verifies.
    type: list
    elements: str
    default: []
  cache_dir:
    description: Where lists and packages are for as long as they are needed, off the volume.
    type: path
    default: /var/cache/petal
requirements:
  - apt and Debian's keys (debian-archive-keyring), unless O(directory) is given
"""

EXAMPLES = r"""
- name: Put Apptainer onto the volume
  petal.hpc.apptainer:
    path: /shared/containers/apptainer
  register: apptainer

- name: Fetch its packages for hosts that reach no archive
  petal.hpc.apptainer:
    state: fetched
    directory: /srv/petal/mirror/apptainer

- name: Put Apptainer onto the volume from them
  petal.hpc.apptainer:
    path: /shared/containers/apptainer
    directory: /srv/petal/mirror/apptainer
    versions:
      apptainer: 1.4.5-2
"""

RETURN = r"""
path:
  description: The program.
  returned: with O(state=present)
  type: str
  sample: /shared/containers/apptainer/bin/apptainer
version:
  description: Version of the package apptainer. Empty where nothing is known, as in check mode.
  returned: success
  type: str
  sample: 1.4.5-2
reason:
  description: Why something was done, or would be; empty where nothing was.
  returned: success
  type: str
  sample: it is not there
packages:
  description:
    - What of Debian's is in it, as a volume's manifest lists packages. C(name), C(version), C(manager), C(hash) (of the
      package file, C(sha256:…)), C(license) (an SPDX expression), C(kind) and C(purl); C(prefix) of Apptainer.
    - With O(state=fetched) also what is needed on the way only.
    - Empty where nothing is known, as in check mode without O(directory).
  returned: success
  type: list
  elements: dict
"""

import platform

from ansible.module_utils.basic import AnsibleModule

from ansible_collections.petal.hpc.plugins.module_utils._apptainer import model
from ansible_collections.petal.hpc.plugins.module_utils._apptainer.api import Installation, Provider
from ansible_collections.petal.hpc.plugins.module_utils._core.errors import PetalError
from ansible_collections.petal.hpc.plugins.module_utils._host.api import Host


def main() -> None:
    """Arguments in, what was done out."""
    module = AnsibleModule(
        argument_spec={
            "state": {"type": "str", "choices": ["present", "fetched"], "default": "present"},
            "path": {"type": "path"},
            "directory": {"type": "path"},
            "architecture": {"type": "str", "choices": ["x86_64", "arm64"]},
            "archive": {"type": "str"},
            "suite": {"type": "str", "default": "sid"},
            "base_suite": {"type": "str", "default": "trixie"},
            "keyring": {"type": "path", "default": "/usr/share/keyrings/debian-archive-keyring.gpg"},
            "versions": {"type": "dict", "default": {}},
            "sha256": {"type": "list", "elements": "str", "default": []},
            "cache_dir": {"type": "path", "default": "/var/cache/petal"},
        },
        required_if=[("state", "present", ["path"]), ("state", "fetched", ["directory"])],
        supports_check_mode=True,
    )
    given = module.params
    host = Host(module.run_command)
    try:
        fields = ("directory", "archive", "suite", "base_suite", "keyring")
        source = model.Source(**{name: given[name] or "" for name in fields})
        versions, digests = model.check_versions(given["versions"]), model.check_digests(given["sha256"])
        builds = given["state"] == "present"
        machine = model.machine_of(platform.machine(), given["architecture"] or "", builds)
        provider = Provider(host, source, machine, model.check_path("cache_dir", given["cache_dir"]), versions, digests)
        if not builds:
            module.exit_json(**provider.fill(module.check_mode).to_dict(""))
        prefix = model.check_path("path", given["path"])
        outcome = Installation(host, prefix, provider).ensure(module.check_mode)
        module.exit_json(path=f"{prefix}/bin/apptainer", **outcome.to_dict(prefix))
    except PetalError as error:
        module.fail_json(msg=str(error))


if __name__ == "__main__":
    main()
