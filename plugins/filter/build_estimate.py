# Copyright (c) 2026, petal.hpc contributors
# GNU General Public License v3.0+ (see LICENSE or https://www.gnu.org/licenses/gpl-3.0.txt)
# SPDX-License-Identifier: GPL-3.0-or-later

from __future__ import annotations

DOCUMENTATION = r"""
name: build_estimate
short_description: What a build on AWS takes, in words
version_added: "0.2.0"
author: [petal.hpc contributors (@petal-hpc)]
description:
  - Says which host a build launches, what it costs at most, and what is to be said of the prices.
options:
  _input:
    description: The result of M(petal.hpc.aws_price_info), with C(prices) and C(estimate).
    type: dict
    required: true
  build:
    description: C(software.build) of the seed, with C(instance_type) and C(spot).
    type: dict
    required: true
  region:
    description: The Region.
    type: str
    required: true
  image:
    description: RV(petal.hpc.aws_image_info#module:image).
    type: dict
    required: true
"""

EXAMPLES = r"""
- name: Say what a build would cost
  ansible.builtin.debug:
    msg: "{{ cost | petal.hpc.build_estimate({'instance_type': 'm7a.large', 'spot': false}, 'us-east-1', seen.image) }}"
"""

RETURN = r"""
_value:
  description: The host, the price, and a line for each thing to be said of it.
  type: list
  elements: str
"""

from collections.abc import Mapping
from typing import Any, Callable

from ansible.errors import AnsibleFilterError

from ansible_collections.petal.hpc.plugins.module_utils._aws.cost.words import takes


def build_estimate(cost: Any, build: Mapping[str, Any], region: str, image: Mapping[str, Any]) -> list[str]:
    """See DOCUMENTATION; anything but prices is an error."""
    if not isinstance(cost, Mapping) or not {"prices", "estimate"} <= set(cost):
        raise AnsibleFilterError("petal.hpc.build_estimate takes the result of petal.hpc.aws_price_info")
    return takes(build, str(region), image, cost["prices"], cost["estimate"])


class FilterModule:
    """Ansible's way to find the filter."""

    def filters(self) -> dict[str, Callable[..., list[str]]]:
        return {"build_estimate": build_estimate}
