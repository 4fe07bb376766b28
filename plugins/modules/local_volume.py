#!/usr/bin/python
# Copyright (c) 2026, petal.hpc contributors
# GNU General Public License v3.0+ (see LICENSE or https://www.gnu.org/licenses/gpl-3.0.txt)
# SPDX-License-Identifier: GPL-3.0-or-later

from __future__ import annotations

DOCUMENTATION = r"""
module: local_volume
short_description: Create, grow, mount and remove volumes of the local provider
version_added: "0.1.0"
author:
  - petal.hpc contributors (@petal-hpc)
description:
  - A local volume is a sparse image file with an ext4 file system on a loop device.
  - It can be mounted on the host, or in a private mount namespace of its own that outlives the module. In a namespace,
    several builds can use one mount directory at the same time, and none is seen by the rest of the host.
  - Nothing is ever formatted but the image that the module has just made. An image that holds anything else than what
    its record says is an error.
  - Whether a volume is mounted is asked of the kernel each time, so that neither a crash nor a reboot confuses it.
requirements:
  - util-linux, e2fsprogs, tar and zstd on the host
  - root, for everything but making a volume
attributes:
  check_mode:
    description: Can run in check mode and say what would be done, without changing anything.
    support: full
  diff_mode:
    description: Shows the volume before and after.
    support: full
options:
  name:
    description: Name of the volume. Small letters, digits and hyphens, a letter or digit first, at most 63.
    type: str
    required: true
  state:
    description:
      - V(present) makes the volume when it is not there, and grows it when it is too small.
      - V(attached) also gives it a loop device, which stays until it is detached.
      - V(mounted) also checks its file system and mounts it at O(mount_dir).
      - V(detached) unmounts it, removes its mount namespace and frees its loop device. The volume need not exist.
      - V(absent) also removes the image and its record.
    type: str
    choices: [present, attached, mounted, detached, absent]
    default: present
  size_gb:
    description:
      - Size in GiB. A smaller volume grows, while it is mounted if the kernel permits; none ever shrinks.
      - Needed to make a volume, unless O(snapshot_id) is given.
    type: int
  snapshot_id:
    description:
      - Local snapshot to make the volume from. The size is that of the snapshot unless O(size_gb) is larger.
      - One that was not built here is used only as O(trust) has it.
      - A volume that is there already must have been made from it, and is used only as O(trust) has it now, by what was
        kept of the snapshot when the volume was made.
    type: str
  mount_dir:
    description:
      - Absolute path to mount the volume at; made when it is not there, and left there afterwards.
      - Directories of the system are refused.
    type: str
  namespace:
    description:
      - Mount in a private mount namespace, and write a wrapper for Python that runs inside it.
        Use RV(volume.python) as C(ansible_python_interpreter) of the tasks that shall see the volume.
      - Tasks with this module itself have to run outside.
    type: bool
    default: false
  read_only:
    description: Mount read-only, without replaying the journal.
    type: bool
    default: false
  tags:
    description: Replaces what is kept with the volume for others to read. Left as it is when not given.
    type: dict
  evict:
    description:
      - First end the processes that a dead controller left in the mount namespace of the volume; with SIGTERM, and
        after five seconds with SIGKILL.
      - Those with C(PETAL_DETACHED=1) in their environment, a build that was left to itself, are spared.
    type: bool
    default: false
  evict_detached:
    description:
      - As O(evict), and end a build that was left to itself, too. Without it, a volume in which one goes on is not
        removed.
    type: bool
    default: false
  label:
    description: Label of the file system, at most 16 bytes. A new one bears the beginning of O(name) by default.
    type: str
  fingerprint:
    description:
      - Fingerprint that the manifest on the volume has to bear when it is made from O(snapshot_id). Where it does not,
        there is no volume.
    type: str
  signatures:
    description:
      - Signatures of the snapshot's record that came after the volume was made, as C(snapshot.json.sig) has them.
    type: str
    default: ""
    version_added: "0.2.0"
  new_uuid:
    description:
      - Give the file system of a volume that is made from O(snapshot_id) a UUID of its own, for one that is to become
        something else.
    type: bool
    default: false
    version_added: "0.2.0"
seealso:
  - module: petal.hpc.local_snapshot
extends_documentation_fragment: [petal.hpc.store, petal.hpc.trust]
"""

EXAMPLES = r"""
- name: Mount a volume for a build that nobody else sees
  petal.hpc.local_volume:
    name: build-4f1c
    state: mounted
    size_gb: 20
    mount_dir: /shared
    namespace: true
    evict: true
  register: build

- name: Write something into it
  ansible.builtin.copy:
    content: hello
    dest: /shared/hello
    mode: "0644"
  vars:
    ansible_python_interpreter: "{{ build.volume.python }}"

- name: Unmount it
  petal.hpc.local_volume:
    name: build-4f1c
    state: detached

- name: Deploy a copy of a snapshot on this host
  petal.hpc.local_volume:
    name: software
    state: mounted
    snapshot_id: snap-0123456789abcdef0
    mount_dir: /shared
    read_only: true
"""

RETURN = r"""
volume:
  description: The volume; null when there is none.
  returned: success
  type: dict
  contains:
    id:
      description: Identifier, new for each volume that is made; null in check mode for one that is not there yet.
      type: str
      sample: vol-0123456789abcdef0
    name:
      description: Its name.
      type: str
    image:
      description: Path of the image file.
      type: str
    size_gb:
      description: Size in GiB.
      type: int
    device:
      description: Loop device; null when it is not attached.
      type: str
      sample: /dev/loop0
    mount_dir:
      description: Where it is mounted; null when it is not.
      type: str
    mounted:
      description: Whether it is mounted, on the host or in its namespace.
      type: bool
    namespace:
      description: Path of the mount namespace, for C(nsenter --mount); null when there is none.
      type: str
      sample: /run/petal/build-4f1c-0d9a1f3e/mnt
    python:
      description: Python that runs inside the namespace; null when there is none.
      type: str
      sample: /run/petal/build-4f1c-0d9a1f3e/python
    filesystem_uuid:
      description: UUID of the file system. Volumes from one snapshot share it, but for those with O(new_uuid).
      type: str
    snapshot_id:
      description: Snapshot that it was made from; null when it was made empty.
      type: str
    read_only:
      description: Whether it is mounted read-only.
      type: bool
    tags:
      description: What is kept with it.
      type: dict
    existed:
      description: Whether it was there before this call.
      type: bool
actions:
  description: What was done, or would be in check mode, in words.
  returned: success
  type: list
  elements: str
  sample: ["make the volume with 20 GiB", "mount at /shared"]
evicted:
  description: Processes that O(evict) ended, each with C(pid) and C(command).
  returned: success
  type: list
  elements: dict
detached:
  description: Processes of a build that was left to itself, for which the volume was not removed.
  returned: failure because of them
  type: list
  elements: dict
"""

from ansible.module_utils.basic import AnsibleModule

from ansible_collections.petal.hpc.plugins.module_utils._core.errors import PetalError
from ansible_collections.petal.hpc.plugins.module_utils._host.api import Host
from ansible_collections.petal.hpc.plugins.module_utils._trust.policy import Policy
from ansible_collections.petal.hpc.plugins.module_utils._volume.api.store import VolumeStore
from ansible_collections.petal.hpc.plugins.module_utils._volume.model import DetachedBuildError, Wanted, text_tags


def main() -> None:
    module = AnsibleModule(
        argument_spec={
            "store": {"type": "path", "default": "/var/lib/petal"},
            "name": {"type": "str", "required": True},
            "state": {
                "type": "str",
                "choices": ["present", "attached", "mounted", "detached", "absent"],
                "default": "present",
            },
            "size_gb": {"type": "int"},
            "snapshot_id": {"type": "str"},
            "mount_dir": {"type": "str"},
            "namespace": {"type": "bool", "default": False},
            "read_only": {"type": "bool", "default": False},
            "tags": {"type": "dict"},
            "evict": {"type": "bool", "default": False},
            "evict_detached": {"type": "bool", "default": False},
            "label": {"type": "str"},
            "fingerprint": {"type": "str"},
            "signatures": {"type": "str", "default": ""},
            "new_uuid": {"type": "bool", "default": False},
            "trust": {"type": "dict", "default": {}},
        },
        required_if=[("state", "mounted", ["mount_dir"])],
        supports_check_mode=True,
    )
    options = dict(module.params)
    options["evict"] |= options["evict_detached"]
    store, tags, trust = options.pop("store"), options.pop("tags"), options.pop("trust")
    try:
        wanted = Wanted(tags=text_tags(tags), **options)
        result = VolumeStore(Host(module.run_command), store, Policy.from_mapping(trust)).apply(
            wanted, module.check_mode
        )
    except DetachedBuildError as error:
        module.fail_json(msg=str(error), detached=error.processes)
    except PetalError as error:
        module.fail_json(msg=str(error))
    for warning in result.pop("warnings"):
        module.warn(warning)
    module.exit_json(**result)


if __name__ == "__main__":
    main()
