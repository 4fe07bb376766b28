# Copyright (c) 2026, petal.hpc contributors
# GNU General Public License v3.0+ (see LICENSE or https://www.gnu.org/licenses/gpl-3.0.txt)
# SPDX-License-Identifier: GPL-3.0-or-later

from __future__ import annotations

DOCUMENTATION = r"""
name: pcluster_config
short_description: Make the configuration of a cluster for AWS ParallelCluster
version_added: "0.1.0"
author: [petal.hpc contributors (@petal-hpc)]
description:
  - Makes of a seed, the snapshot of its software and the settings of a site the configuration that AWS ParallelCluster
    reads. Nobody is asked and nothing is looked up, so the same input always gives the same configuration.
  - A queue whose instance types differ in vCPUs, GPUs or their makers gets a compute resource for each kind. The
    queue's counts are divided among them.
  - What ParallelCluster's schema lets pass although the cluster would not come up, or not as it is meant, is an error.
    All of them are reported together. What is only doubtful is a warning.
positional: snapshot, settings
options:
  _input:
    description: The seed, as RV(petal.hpc.seed_info#module:seed) has it.
    type: dict
    required: true
  snapshot:
    description:
      - The snapshot of the software, as RV(petal.hpc.snapshot_info#module:snapshot) has it. The volume is made from it,
        never smaller than it.
      - It may be left out with a volume that is there already (O(settings.volume)) and with a custom image.
    type: dict
  settings:
    description: What the site adds.
    type: dict
    required: true
    suboptions:
      head_node_subnet_id:
        description: Subnet of the head node. It decides the zone of the volumes.
        type: str
        required: true
      head_node_zone:
        description: Availability zone of that subnet, where known. A volume of another zone is an error then.
        type: str
      compute_subnet_ids:
        description:
          - Subnets of the queues. By default the head node's.
          - Queues with EFA take the first only, since EFA does not reach across zones.
          - Nodes with several network interfaces (several cards, or EFA) need a private one with a NAT gateway.
        type: list
        elements: str
      key_name:
        description: EC2 key pair for the head node.
        type: str
      additional_security_group_ids:
        description: Security groups on top of those that ParallelCluster makes, for all nodes.
        type: list
        elements: str
      login_nodes:
        description: Pools of login nodes.
        type: list
        elements: dict
        suboptions:
          name:
            description: Name of the pool.
            type: str
            required: true
          instance_type:
            description: Instance type, of the head node's architecture.
            type: str
            required: true
          count:
            description: Number of nodes.
            type: int
            default: 1
          subnet_id:
            description: Subnet. By default the head node's.
            type: str
          iam_policies:
            description:
              - ARNs of policies for the nodes. ParallelCluster gives login nodes no access to S3, which they need to
                fetch the hook and to mount buckets.
            type: list
            elements: str
      efa_queues:
        description:
          - Names of the queues with EFA and a placement group. By default instance types have it that are rented for
            their network (the hpc family, and the largest of p4d, p5, p6 and trn).
          - An instance type without EFA in such a queue is an error.
        type: list
        elements: str
      hook_url:
        description:
          - Where nodes fetch the bootstrap of the node hook, C(s3://BUCKET/KEY) or C(https://…).
          - Without it nodes do not run the hook, which is a warning.
        type: str
      hook_revision:
        description: Changes with the content of the bootstrap, so that an update of the cluster runs it again.
        type: str
      s3_writable_buckets:
        description: Buckets of the seed's S3 mounts that nodes may write to.
        type: list
        elements: str
      data_deletion_policy:
        description: What becomes of the volumes that are not the software's when the cluster is deleted.
        type: str
        choices: [Retain, Delete, Snapshot]
        default: Retain
      image:
        description:
          - An image with the software in its root, in place of a snapshot. Nothing is mounted over its software then.
        type: dict
        suboptions:
          image_id:
            description: Its id.
            type: str
            required: true
          fingerprint:
            description: Of the software.
            type: str
      volume:
        description:
          - A volume with the software that is there already, such as one made with an initialisation rate.
          - It serves one cluster, and is not deleted with it.
        type: dict
        suboptions:
          to_build:
            description:
              - Whether the cluster comes first and its software is built on it then. Without C(volume_id) the volume is
                still to be made.
            type: bool
            default: false
          volume_id:
            description: Its id.
            type: str
          availability_zone:
            description: Its zone, where known.
            type: str
          size_gb:
            description: Its size in GiB.
            type: int
          snapshot_id:
            description: What it was made from, where known.
            type: str
      overrides:
        description:
          - Keys of ParallelCluster, merged into the configuration last.
          - Mappings are merged key by key, and a key whose value is null is taken out. Lists whose entries have a
            C(Name) (queues, compute resources, volumes, pools) are merged by it. Everything else is replaced.
        type: dict
"""

EXAMPLES = r"""
- name: Show the configuration of a cluster
  ansible.builtin.debug:
    msg: "{{ asked.seed | petal.hpc.pcluster_config(found.snapshot, site) }}"
  vars:
    site:
      head_node_subnet_id: subnet-0123456789abcdef0
      key_name: me
      hook_url: s3://lab-hooks/petal/bio-cluster/petal-node-bootstrap
      overrides:
        HeadNode: {Dcv: {Enabled: true}}
        Scheduling: {SlurmQueues: [{Name: compute, CustomSlurmSettings: {MaxTime: "24:00:00"}}]}
"""

RETURN = r"""
_value:
  description: The configuration. Written as YAML it is what C(pcluster create-cluster) takes.
  type: dict
"""

import json
from typing import Any, Callable

from ansible.errors import AnsibleFilterError
from ansible.utils.display import Display

from ansible_collections.petal.hpc.plugins.module_utils._core.errors import PetalError


def pcluster_config(seed: Any, snapshot: Any = None, settings: Any = None) -> dict[str, Any]:
    """The filter; values of templates are converted to plain types at this door."""
    from ansible_collections.petal.hpc.plugins.module_utils._pcluster.render import configure
    from ansible_collections.petal.hpc.plugins.module_utils._pcluster.settings import Settings, snapshot_of
    from ansible_collections.petal.hpc.plugins.module_utils._seed.drafts import judged_before
    from ansible_collections.petal.hpc.plugins.module_utils._seed.model import Seed

    try:
        plain_seed, plain_snapshot, plain_settings = json.loads(json.dumps([seed, snapshot, settings]))
        made = configure(
            Seed.from_mapping(plain_seed, sold=judged_before),
            snapshot_of(plain_snapshot) if plain_snapshot else None,
            Settings.from_mapping(plain_settings),
        )
    except (PetalError, TypeError) as error:
        raise AnsibleFilterError(f"petal.hpc.pcluster_config: {error}") from error
    for problem in made.warnings:
        Display().warning("; ".join(filter(None, [str(problem), problem.hint])))
    return made.config


class FilterModule:
    """What Ansible looks for."""

    def filters(self) -> dict[str, Callable[..., Any]]:
        """Names and functions."""
        return {"pcluster_config": pcluster_config}
