#!/usr/bin/python
# Copyright (c) 2026, petal.hpc contributors
# GNU General Public License v3.0+ (see LICENSE or https://www.gnu.org/licenses/gpl-3.0.txt)
# SPDX-License-Identifier: GPL-3.0-or-later

from __future__ import annotations

DOCUMENTATION = r"""
module: aws_price_info
short_description: What a build on AWS costs
version_added: "0.1.0"
author:
  - petal.hpc contributors (@petal-hpc)
description:
  - Gives the prices of a build host, its volume and its snapshot, and an estimate of what the build will cost.
  - Prices are those of AWS's Price List. Where it does not answer in a few seconds, or the credentials may not ask it,
    they are those of a dated table of common instance types. The answer says which.
  - What nobody tells is null, with a note that says so. It never fails because a price is not known.
options:
  instance_type:
    description: Type of the build host.
    type: str
    required: true
  os:
    description: Operating system, as V(alinux2023). Red Hat's licence is in the price of an hour.
    type: str
    default: alinux2023
  spot:
    description: Ask for the spot price too, and count with it where there is one.
    type: bool
    default: false
  volume_type:
    description: Type of the volume.
    type: str
    default: gp3
    choices: [gp2, gp3, io1, io2, st1, sc1, standard]
  size_gb:
    description: Size of the volume, and at most of its snapshot, in GiB.
    type: int
    default: 0
  iops:
    description: IOPS of the volume; what the type includes where it is not given.
    type: int
  throughput:
    description: Throughput of the volume in MiB/s; what the type includes where it is not given.
    type: int
  hours:
    description: How long the build will take.
    type: float
    default: 1
  timeout:
    description: Seconds to wait for each answer.
    type: int
    default: 3
extends_documentation_fragment:
  - petal.hpc.info
  - petal.hpc.aws
  - petal.hpc.aws.boto3
"""

EXAMPLES = r"""
- name: What will it cost?
  petal.hpc.aws_price_info:
    region: us-east-1
    instance_type: c6a.4xlarge
    spot: true
    size_gb: 100
    hours: 4
  register: cost

- name: Show it
  ansible.builtin.debug:
    msg: "About {{ cost.estimate.build_usd }} USD ({{ cost.prices.source }})"
"""

RETURN = r"""
prices:
  description: Prices in US dollars; null for what is not known.
  returned: success
  type: dict
  contains:
    region:
      description: The Region whose prices these are; another one than was asked for only where a note says so.
      type: str
    source:
      description: Where they come from, and of when.
      type: str
      sample: AWS Price List of 2026-07-01
    instance_hour_usd:
      description: An hour of the instance, on demand.
      type: float
    spot_hour_usd:
      description: An hour of it as a spot instance now, in the dearest zone; null unless O(spot=true).
      type: float
    volume_gb_month_usd:
      description: A GiB of the volume in a month.
      type: float
    volume_iops_month_usd:
      description: One IOPS in a month, above what the type includes.
      type: float
    volume_throughput_month_usd:
      description: One MiB/s in a month, above what the type includes.
      type: float
    snapshot_gb_month_usd:
      description: A GiB of the snapshot in a month.
      type: float
    notes:
      description: What is missing or different, and why.
      type: list
      elements: str
estimate:
  description:
    - What it will cost in US dollars; null where a price is missing.
    - Instance and volume for the hours of the build. Root volume, public address and traffic are not in it.
  returned: success
  type: dict
  contains:
    build_usd:
      description: Instance and volume together.
      type: float
    most_usd:
      description: The same with an on-demand instance, which follows a spot instance that is refused or withdrawn.
      type: float
    instance_usd:
      description: The instance.
      type: float
    volume_usd:
      description: The volume.
      type: float
    volume_month_usd:
      description: The volume, if it were kept for a month.
      type: float
    snapshot_month_usd:
      description: The snapshot in a month, at most; AWS counts only what was written.
      type: float
    hours:
      description: The hours that were counted.
      type: float
    spot:
      description: Whether the spot price was counted.
      type: bool
"""

from dataclasses import fields

from ansible_collections.amazon.aws.plugins.module_utils.modules import AnsibleAWSModule
from ansible_collections.petal.hpc.plugins.module_utils._aws.cost.api import find_prices
from ansible_collections.petal.hpc.plugins.module_utils._aws.cost.estimate import PricedBuild, estimate
from ansible_collections.petal.hpc.plugins.module_utils._core.errors import PetalError


def main() -> None:
    module = AnsibleAWSModule(
        argument_spec={
            "instance_type": {"type": "str", "required": True},
            "os": {"type": "str", "default": "alinux2023"},
            "spot": {"type": "bool", "default": False},
            "volume_type": {
                "type": "str",
                "default": "gp3",
                "choices": ["gp2", "gp3", "io1", "io2", "st1", "sc1", "standard"],
            },
            "size_gb": {"type": "int", "default": 0},
            "iops": {"type": "int"},
            "throughput": {"type": "int"},
            "hours": {"type": "float", "default": 1},
            "timeout": {"type": "int", "default": 3},
        },
        supports_check_mode=True,
    )
    options = {field.name: module.params.get(field.name) for field in fields(PricedBuild)}
    try:
        wanted = PricedBuild(**{**options, "region": module.region or ""}).check()
    except PetalError as error:
        module.fail_json(msg=str(error))
    prices = find_prices(module, wanted, module.params["timeout"])
    module.exit_json(changed=False, prices=prices.to_dict(), estimate=estimate(wanted, prices))


if __name__ == "__main__":
    main()
