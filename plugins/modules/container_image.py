#!/usr/bin/python
# Copyright (c) 2026, petal.hpc contributors
# GNU General Public License v3.0+ (see LICENSE or https://www.gnu.org/licenses/gpl-3.0.txt)
# SPDX-License-Identifier: GPL-3.0-or-later

from __future__ import annotations

DOCUMENTATION = r"""
module: container_image
short_description: Bring a container image onto a software volume
version_added: "0.2.0"
author:
  - petal.hpc contributors (@petal-hpc)
description:
  - Fetches an image by its digest and keeps it as one squashfs file at C(MOUNT_DIR/containers/images/sha256), which
    Apptainer runs as it is. The same digest gives the same file, byte for byte, with the same squashfs-tools.
  - An artifact that C(apptainer push oras://) has made gives the squashfs that is in its SIF file.
  - What is in an image is unpacked and packed by O(build_user), in namespaces of its own and without a network.
    Nothing of it is run.
  - An image that lacks one of the programs that are asked for is refused.
  - Logins are in memory, for as long as the image is fetched.
requirements:
  - skopeo, umoci and squashfs-tools on the host, and root
attributes:
  check_mode:
    description: Fetches nothing, and says whether the image is there.
    support: full
  diff_mode:
    description: There is no difference to show of an image.
    support: none
options:
  state:
    description:
      - V(present) for an image on a volume, V(mirrored) for one in O(mirror_dir), from where it can be brought onto
        volumes without a registry.
    type: str
    default: present
    choices: [present, mirrored]
  name:
    description: Name of the container and of its module.
    type: str
    required: true
  version:
    description: Version of the container and of its module.
    type: str
    required: true
  image:
    description: The reference, as a seed names it.
    type: str
    required: true
  digest:
    description: Digest of the manifest that it stands for.
    type: str
    required: true
  architecture:
    description: The architecture that it is for.
    type: str
    required: true
    choices: [x86_64, arm64]
  programs:
    description: Commands in the image, by the names of their modules. Those of an image on a volume have to be there.
    type: dict
    default: {}
  mount_dir:
    description: Where the software volume is mounted.
    type: path
  cache_dir:
    description: Where images are unpacked, off the volume. Room for the whole image is needed there.
    type: path
    default: /var/cache/petal/containers
  build_user:
    description: The system user by whom images are unpacked.
    type: str
    default: petal-build
  compression:
    description: Compression of the squashfs. All nodes have to know it.
    type: str
    default: zstd
    choices: [zstd, gzip, lz4, xz, lzo]
  logins:
    description: The text of an auth file with logins for registries, as P(petal.hpc.registry_logins#lookup) gives it.
    type: raw
  insecure_registries:
    description: Registries that are asked without TLS, as C(HOST:PORT). Logins are never sent to them.
    type: list
    elements: str
    default: []
  mirror_dir:
    description: A mirror directory on the host that the playbook C(mirror) has filled.
    type: path
  archive:
    description: Where the OCI archive of a C(file:) reference is on the host.
    type: path
  step:
    description: Which image of a row this is, for C(progress).
    type: int
    default: 1
  steps:
    description: How many images are in that row.
    type: int
    default: 1
seealso:
  - module: petal.hpc.container_image_info
"""

EXAMPLES = r"""
- name: Bring an image onto the volume
  petal.hpc.container_image:
    name: bioinformatics
    version: v1.0
    image: ghcr.io/lab/bio:v1.0
    digest: sha256:94a00394bc5a8ef503fb59db0a7d0ae9e1110866e8aee8ba40cd864cea69ea1a
    architecture: x86_64
    programs: {samtools/v1.0: samtools}
    mount_dir: /shared

- name: Put an image into a mirror directory
  petal.hpc.container_image:
    state: mirrored
    name: bioinformatics
    version: v1.0
    image: ghcr.io/lab/bio:v1.0
    digest: sha256:94a00394bc5a8ef503fb59db0a7d0ae9e1110866e8aee8ba40cd864cea69ea1a
    architecture: x86_64
    mirror_dir: /srv/petal-mirror
"""

RETURN = r"""
image:
  description: What is known of the image.
  returned: success
  type: dict
  contains:
    name:
      description: Name of the container.
      type: str
    version:
      description: Version of the container.
      type: str
    image:
      description: The reference.
      type: str
    digest:
      description: Digest of the manifest.
      type: str
    file:
      description: The squashfs, below O(mount_dir).
      type: str
    sha256:
      description: Digest of that file. Null in check mode where it is not there.
      type: str
    size:
      description: Its size in bytes. Null in check mode where it is not there.
      type: int
    labels:
      description: Labels of the image.
      type: dict
    programs:
      description: Where the commands are in the image.
      type: dict
    platform:
      description: Operating system and architecture, as images name them.
      type: str
    os:
      description: The system in the image and its release, such as C(debian 12).
      type: str
    packages:
      description: What is installed in it, as a volume's manifest lists packages.
      type: list
      elements: dict
    problems:
      description: What is not known of its packages, a sentence each.
      type: list
      elements: str
    audit:
      description: What M(petal.hpc.volume_audit) finds in it.
      type: dict
    summary:
      description: One line that says what it is, for C(module whatis).
      type: str
progress:
  description: How far a row of images is, as C(done), C(total) and C(item).
  returned: success
  type: dict
"""

from pathlib import Path

from ansible.module_utils.basic import AnsibleModule

from ansible_collections.petal.hpc.plugins.module_utils._containers.api.image import Images, Sources
from ansible_collections.petal.hpc.plugins.module_utils._containers.logins import auths
from ansible_collections.petal.hpc.plugins.module_utils._containers.manifests import ARCHITECTURES
from ansible_collections.petal.hpc.plugins.module_utils._containers.model import COMPRESSIONS, Wanted, described
from ansible_collections.petal.hpc.plugins.module_utils._core.errors import PetalError


def main() -> None:
    """Arguments in, record out."""
    module = AnsibleModule(
        argument_spec={
            "state": {"type": "str", "default": "present", "choices": ["present", "mirrored"]},
            "name": {"type": "str", "required": True},
            "version": {"type": "str", "required": True},
            "image": {"type": "str", "required": True},
            "digest": {"type": "str", "required": True},
            "architecture": {"type": "str", "required": True, "choices": list(ARCHITECTURES)},
            "programs": {"type": "dict", "default": {}},
            "mount_dir": {"type": "path"},
            "cache_dir": {"type": "path", "default": "/var/cache/petal/containers"},
            "build_user": {"type": "str", "default": "petal-build"},
            "compression": {"type": "str", "default": "zstd", "choices": list(COMPRESSIONS)},
            "logins": {"type": "raw", "no_log": True},
            "insecure_registries": {"type": "list", "elements": "str", "default": []},
            "mirror_dir": {"type": "path"},
            "archive": {"type": "path"},
            "step": {"type": "int", "default": 1},
            "steps": {"type": "int", "default": 1},
        },
        required_if=[("state", "present", ["mount_dir"]), ("state", "mirrored", ["mirror_dir"])],
        supports_check_mode=True,
    )
    given = module.params
    mirror = given["mirror_dir"] and Path(given["mirror_dir"])
    try:
        wanted = Wanted(**{key: given[key] for key in Wanted.__dataclass_fields__})
        sources = Sources(auths(given["logins"]), given["insecure_registries"], mirror, given["archive"])
        images = Images(module.run_command, given["mount_dir"] or "", given["cache_dir"], given["build_user"])
        if given["state"] == "mirrored":
            record, changed = None, not images.is_mirrored(wanted, mirror)
            if changed and not module.check_mode:
                images.mirror(wanted, sources, mirror)
        else:
            record = images.completed(wanted)
            changed = record is None
            if changed and not module.check_mode:
                record = images.ensure(wanted, sources)
    except PetalError as error:
        module.fail_json(msg=str(error))
    progress = {"done": given["step"], "total": given["steps"], "item": f"{wanted.name}/{wanted.version}"}
    module.exit_json(changed=changed, image=described(wanted, record), progress=progress)


if __name__ == "__main__":
    main()
