#!/usr/bin/python
# Copyright (c) 2026, petal.hpc contributors
# GNU General Public License v3.0+ (see LICENSE or https://www.gnu.org/licenses/gpl-3.0.txt)
# SPDX-License-Identifier: GPL-3.0-or-later

# This is a virtual module that is entirely implemented as an action plugin and runs on the controller.

from __future__ import annotations

DOCUMENTATION = r"""
module: build_report
short_description: Make the report of a build of a software volume
version_added: "0.1.0"
author:
  - petal.hpc contributors (@petal-hpc)
description:
  - Makes one page of HTML of a volume's manifest and of the record of its Spack environment, and keeps it on the
    controller. It has all in itself, runs no script and asks no network.
  - It has a timeline of the packages with what each waited for and the longest chain, what takes how much of the
    volume, where each package is from, licences, and what was checked.
  - What nobody noted, such as when a package was installed that was there before, is not drawn, and the page says so.
  - The same manifest and record give the same page.
attributes:
  check_mode:
    description: Returns the page, says whether it would be kept anew, and keeps nothing.
    support: full
  diff_mode:
    description: Has no difference that anybody could read.
    support: none
options:
  manifest:
    description: The manifest of a volume.
    type: dict
    required: true
  environment:
    description: The environment as M(petal.hpc.spack_environment) returns it. Without it there are no times.
    type: dict
    default: {}
  directory:
    description:
      - Directory on the controller for C(BUILD_ID.html). It is made where it is missing.
      - Without it, C(petal/reports) in the user's cache directory (E(XDG_CACHE_HOME), or C(~/.cache)), which keeps the
        newest 200.
      - Where it cannot be written, a warning says so, and RV(path) is empty.
    type: path
requirements:
  - squarify on the controller
seealso:
  - module: petal.hpc.spack_environment
  - module: petal.hpc.volume_components
  - plugin: petal.hpc.sbom
    plugin_type: filter
"""

EXAMPLES = r"""
- name: Read the manifest of a volume that is deployed
  ansible.builtin.slurp:
    src: /shared/.petal/manifest.json
  register: manifest

- name: Make its report, without times
  petal.hpc.build_report:
    manifest: "{{ manifest.content | b64decode | from_json }}"
    directory: ~/reports
  register: report

- name: Say where it is
  ansible.builtin.debug:
    var: report.path
"""

RETURN = r"""
path:
  description: Where it is on the controller; empty where it could not be kept there.
  returned: success
  type: str
  sample: /home/ada/.cache/petal/reports/20261122T101500Z-1a2b3c4d.html
html:
  description: The page, where it is not in RV(path).
  returned: in check mode, or where it could not be kept on the controller
  type: str
"""
