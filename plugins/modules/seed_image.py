#!/usr/bin/python
# Copyright (c) 2026, petal.hpc contributors
# GNU General Public License v3.0+ (see LICENSE or https://www.gnu.org/licenses/gpl-3.0.txt)
# SPDX-License-Identifier: GPL-3.0-or-later

from __future__ import annotations

DOCUMENTATION = r"""
module: seed_image
short_description: Write into a seed which machine image has its software
version_added: "0.2.0"
author:
  - petal.hpc contributors (@petal-hpc)
description:
  - Sets C(compute.custom_ami) and C(software.use_custom_ami) of a seed on the controller. No other character of the
    file changes, comments included; where that cannot be done, the file stays as it is.
options:
  path:
    description:
      - The seed's file. A relative path counts from the directory in which the playbook was started, then from the
        directory of the playbook.
    type: str
    required: true
  image_id:
    description: The image.
    type: str
    required: true
attributes:
  check_mode:
    description: Can run in check mode and say what would be written.
    support: full
  diff_mode:
    description: Shows what changes in the file.
    support: full
seealso:
  - module: petal.hpc.software_image_info
"""

EXAMPLES = r"""
- name: Let the seed name its image
  petal.hpc.seed_image:
    path: bio.yaml
    image_id: ami-0123456789abcdef0
"""

RETURN = r"""
path:
  description: The file that has it.
  returned: success
  type: str
"""
