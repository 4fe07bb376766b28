# Copyright (c) 2026, petal.hpc contributors
# GNU General Public License v3.0+ (see LICENSE or https://www.gnu.org/licenses/gpl-3.0.txt)
# SPDX-License-Identifier: GPL-3.0-or-later

from __future__ import annotations


class ModuleDocFragment:
    """The options of the modules that look snapshots up: where, and which ones."""

    DOCUMENTATION = r"""
options:
  store:
    description: Directory that holds the snapshots of the local provider. Need not exist.
    type: path
    default: /var/lib/petal
  fingerprint:
    description: Only snapshots of this fingerprint.
    type: str
  older_fingerprints:
    description:
      - Fingerprints of older versions that stand for the same bytes as O(fingerprint), as M(petal.hpc.seed_info)
        returns them. They are asked for in the same call; one of theirs is used only where O(fingerprint) has none.
    type: list
    elements: str
    default: []
  name:
    description: Only snapshots of this name.
    type: str
  snapshot_ids:
    description: Only these snapshots.
    type: list
    elements: str
    default: []
  os:
    description: Only snapshots for this operating system can be used.
    type: str
  architecture:
    description: Only snapshots for this architecture can be used.
    type: str
  size_gb:
    description: Largest size in GiB that can be used.
    type: int
  states:
    description: Only snapshots in these states are listed. The one to use is complete in any case.
    type: list
    elements: str
    choices: [pending, completed, error]
    default: [completed]
  build_id:
    description: Only snapshots that this build made, which is their tag C(petal:build-id).
    type: str
  sources:
    description:
      - Where to look, as C(snapshot_sources) of a seed. Without it that is the own account, or O(store), alone.
      - V(local) is the own account, by tags. V(organization) is another O(sources[].account), by the Description of
        what it shares with this one, as tags of others cannot be seen. V(official) and V(community) are what the
        registry names, with and without its maintainers' mark C(verified).
    type: list
    elements: dict
    suboptions:
      type:
        description: Kind of the source.
        type: str
        choices: [local, organization, official, community]
        required: true
      priority:
        description: The lowest is asked first. Each once.
        type: int
        required: true
      account:
        description:
          - The account of a source V(organization), twelve digits in quotes. With V(official) and V(community) the one
            account whose snapshots count, in place of those that are trusted.
        type: str
      store:
        description:
          - With the provider V(local), the store of a source V(organization), an absolute directory such as one on NFS,
            or C(s3://BUCKET/PREFIX). That needs boto3 on the host.
        type: str
      enabled:
        description: Whether it is asked. Without it V(local) and V(organization) are, the others are not.
        type: bool
  all_sources:
    description: Ask every source, for a list. The one to use is of the first that has a match all the same.
    type: bool
    default: false
"""
