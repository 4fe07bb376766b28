#!/usr/bin/python
# Copyright (c) 2026, petal.hpc contributors
# GNU General Public License v3.0+ (see LICENSE or https://www.gnu.org/licenses/gpl-3.0.txt)
# SPDX-License-Identifier: GPL-3.0-or-later

from __future__ import annotations

DOCUMENTATION = r"""
module: local_snapshot
short_description: Make and delete snapshots of the local provider
version_added: "0.1.0"
author:
  - petal.hpc contributors (@petal-hpc)
description:
  - A local snapshot is a compressed copy of a volume's image, with a record, in a directory of the store. It never
    changes and depends on no volume.
  - It is written under a temporary name, compared with the volume, and renamed. A crash at any moment leaves either a
    complete snapshot or none; what a dead writer left is removed by the next call.
  - Two calls for one build at the same time end in one snapshot.
requirements:
  - util-linux, e2fsprogs, tar and zstd on the host
attributes:
  check_mode:
    description: Can run in check mode and say what would be done, without changing anything.
    support: full
  diff_mode:
    description: Shows no differences.
    support: none
options:
  state:
    description:
      - V(present) makes the snapshot, unless one of the same O(fingerprint) and the same tag C(petal:build-id) is
        there.
      - V(absent) deletes the snapshot O(snapshot_id), or all of O(fingerprint).
    type: str
    choices: [present, absent]
    default: present
  volume:
    description: Name of the local volume. It has to be detached. Needed to make a snapshot.
    type: str
  fingerprint:
    description: Fingerprint of the seed, as M(petal.hpc.seed_info) returns it. Needed to make a snapshot.
    type: str
  older_fingerprints:
    description: With O(state=absent) also delete what has one of these, as M(petal.hpc.seed_info) returns them.
    type: list
    elements: str
    default: []
  name:
    description: Name of the stack. Needed to make a snapshot.
    type: str
  description:
    description: Text for people.
    type: str
    default: ""
  os:
    description: Operating system that the software was built for. Needed to make a snapshot.
    type: str
  architecture:
    description: Architecture that the software was built for. Needed to make a snapshot.
    type: str
  packages:
    description: What is on the volume.
    type: list
    elements: str
    default: []
  tags:
    description: Kept with the snapshot. C(petal:build-id) tells builds of one fingerprint apart.
    type: dict
    default: {}
  provenance:
    description:
      - What the snapshot is made from. A statement of it (in-toto, with the predicate SLSA Provenance v1) is written
        beside the record of a snapshot that is made, as C(provenance.json). Without it there is none.
    type: dict
    suboptions:
      manifest:
        description: The manifest of the volume.
        type: dict
        required: true
      files:
        description: Digests (C(sha256:…)) of the volume's documents, by their names below C(.petal).
        type: dict
        default: {}
      sbom:
        description: The volume's bill of materials, which is kept there too, as C(sbom.cdx.json).
        type: str
        default: ""
      manifest_text:
        description: The text of O(provenance.manifest) on the volume, which is kept there too, as C(manifest.json).
        type: str
        default: ""
      builder:
        description: Who builds, as a URI. By default V(petal.hpc://) and the name of the host.
        type: str
        default: ""
      overrides:
        description: What stood in place of the seed's own.
        type: dict
        default: {}
      inputs:
        description: What the site's variables decide, as M(petal.hpc.seed_info) returns it.
        type: dict
        default: {}
      system:
        description:
          - What Spack took of the operating system, such as the compiler, each with C(name), C(version), C(hash) and
            C(origin), as M(petal.hpc.spack_environment) returns them.
        type: list
        elements: dict
        default: []
      caches:
        description: The build caches that Spack could take packages from, each with C(name) and C(url).
        type: list
        elements: dict
        default: []
      signers:
        description: Fingerprints of the keys whose signatures counted in them.
        type: list
        elements: str
        default: []
  force:
    description:
      - With O(state=absent) delete also what is in use on this host. A snapshot is in use when a volume that was made
        from it is mounted, or is kept for a cluster to go back to.
    type: bool
    default: false
  snapshot_id:
    description: Snapshot to delete.
    type: str
seealso:
  - module: petal.hpc.local_volume
  - module: petal.hpc.snapshot_info
extends_documentation_fragment: [petal.hpc.store]
"""

EXAMPLES = r"""
- name: Take a snapshot of a detached volume
  petal.hpc.local_snapshot:
    volume: build-4f1c
    fingerprint: "{{ seed.fingerprint }}"
    name: quickstart
    os: debian12
    architecture: x86_64
    packages: [numpy@2.2.1, scipy@1.15.0]
    tags:
      petal:build-id: 4f1c
    provenance:
      manifest: "{{ manifest }}"
      builder: https://builds.example.org/hpc
  register: snapshot

- name: Delete it
  petal.hpc.local_snapshot:
    state: absent
    snapshot_id: "{{ snapshot.snapshot.snapshot_id }}"
"""

RETURN = r"""
snapshot:
  description:
    - The snapshot that was made or was there. In check mode one with a made-up C(snapshot_id), size and time.
  returned: success and O(state=present)
  type: dict
  sample:
    snapshot_id: snap-0123456789abcdef0
    fingerprint: sha256:2c26b46b68ffc68ff99b453c1d30413413422d706483bfa0f98a5e886266e7ae
    name: quickstart
    state: completed
    provider: local
    source: local
    owner: root
    region: null
    os: debian12
    architecture: x86_64
    size_gb: 20
    stored_bytes: 104857600
    used_bytes: 419430400
    sha256: 2c26b46b68ffc68ff99b453c1d30413413422d706483bfa0f98a5e886266e7ae
    created: "2026-01-31T12:00:00Z"
    description: ""
    packages: [numpy@2.2.1]
    tags:
      petal:build-id: 4f1c
deleted:
  description: Ids of the snapshots that were deleted.
  returned: success and O(state=absent)
  type: list
  elements: str
snapshots:
  description: Their records; of a damaged one only C(snapshot_id) and C(stored_bytes).
  returned: success and O(state=absent)
  type: list
  elements: dict
in_use:
  description: Of the snapshots that were asked for those in use, each with where.
  returned: failure because of O(force=false)
  type: dict
"""

from ansible.module_utils.basic import AnsibleModule

from ansible_collections.petal.hpc.plugins.module_utils._core.errors import PetalError
from ansible_collections.petal.hpc.plugins.module_utils._host.api import Host
from ansible_collections.petal.hpc.plugins.module_utils._provenance.api import attest_of
from ansible_collections.petal.hpc.plugins.module_utils._snapshot.api import SnapshotStore
from ansible_collections.petal.hpc.plugins.module_utils._snapshot.model import SnapshotRequest
from ansible_collections.petal.hpc.plugins.module_utils._volume.api.store import VolumeStore
from ansible_collections.petal.hpc.plugins.module_utils._volume.model import text_tags
from ansible_collections.petal.hpc.plugins.module_utils._volume.uses import refusal


def main() -> None:
    module = AnsibleModule(
        argument_spec={
            "store": {"type": "path", "default": "/var/lib/petal"},
            "state": {"type": "str", "choices": ["present", "absent"], "default": "present"},
            "volume": {"type": "str"},
            "fingerprint": {"type": "str"},
            "older_fingerprints": {"type": "list", "elements": "str", "default": []},
            "name": {"type": "str"},
            "description": {"type": "str", "default": ""},
            "os": {"type": "str"},
            "architecture": {"type": "str"},
            "packages": {"type": "list", "elements": "str", "default": []},
            "tags": {"type": "dict", "default": {}},
            "snapshot_id": {"type": "str"},
            "force": {"type": "bool", "default": False},
            "provenance": {
                "type": "dict",
                "options": {
                    "manifest": {"type": "dict", "required": True},
                    "files": {"type": "dict", "default": {}},
                    "sbom": {"type": "str", "default": ""},
                    "manifest_text": {"type": "str", "default": ""},
                    "builder": {"type": "str", "default": ""},
                    "overrides": {"type": "dict", "default": {}},
                    "inputs": {"type": "dict", "default": {}},
                    "system": {"type": "list", "elements": "dict", "default": []},
                    "caches": {"type": "list", "elements": "dict", "default": []},
                    "signers": {"type": "list", "elements": "str", "default": []},
                },
            },
        },
        required_if=[
            ("state", "present", ["volume", "fingerprint", "name", "os", "architecture"]),
            ("state", "absent", ["snapshot_id", "fingerprint"], True),
        ],
        supports_check_mode=True,
    )
    options = dict(module.params)
    keys = ("store", "state", "volume", "snapshot_id", "older_fingerprints", "force", "provenance")
    store, state, volume, snapshot_id, older, force, provenance = (options.pop(key) for key in keys)
    try:
        host = Host(module.run_command)
        snapshots, volumes = SnapshotStore(host, store), VolumeStore(host, store)
        if state == "absent":
            doomed, uses = snapshots.matching(snapshot_id, options["fingerprint"], *older), volumes.uses()
            problem = "" if force else refusal(doomed, uses)
            if problem:
                module.fail_json(msg=problem, in_use={one: uses[one] for one in uses if one in str(doomed)})
            deleted = [one["snapshot_id"] for one in doomed]
            snapshots.delete([] if module.check_mode else deleted)
            module.exit_json(changed=bool(deleted), deleted=deleted, snapshots=doomed)
        request = SnapshotRequest(**{**options, "tags": text_tags(options["tags"]) or {}})
        attest = attest_of(host, provenance)
        snapshot, changed = snapshots.ensure(request, lambda: volumes.quiesced(volume), module.check_mode, attest)
    except PetalError as error:
        module.fail_json(msg=str(error))
    module.exit_json(changed=changed, snapshot=snapshot.to_dict())


if __name__ == "__main__":
    main()
