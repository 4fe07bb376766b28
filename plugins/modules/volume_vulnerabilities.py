#!/usr/bin/python
# Copyright (c) 2026, petal.hpc contributors
# GNU General Public License v3.0+ (see LICENSE or https://www.gnu.org/licenses/gpl-3.0.txt)
# SPDX-License-Identifier: GPL-3.0-or-later

# This is a virtual module that is entirely implemented as an action plugin and runs on the controller.

from __future__ import annotations

DOCUMENTATION = r"""
module: volume_vulnerabilities
short_description: Say which known vulnerabilities the software of a volume has
version_added: "0.1.0"
author:
  - petal.hpc contributors (@petal-hpc)
description:
  - Compares a volume's bill of materials with an export of OSV (U(https://osv.dev)), which is on the controller. It
    asks no network.
  - Python packages are compared by PEP 440, those that Spack has built (C(py-NAME)) too; ranges of type SEMVER by
    SemVer; packages of operating systems in the order that dpkg, rpm and apk have; everything else by the lists of
    versions that records have. Other packages of Spack are looked up by their names among the projects of the
    ecosystem OSS-Fuzz, those of Debian, Ubuntu and Alpine by their source packages, and those of Rocky Linux,
    AlmaLinux, Red Hat and openSUSE by their own names. Packages inside of container images are among them.
  - What a record names, and has in ranges alone that this does not compare (those of Git), is in RV(not_compared). A
    record that was withdrawn does not count.
extends_documentation_fragment:
  - petal.hpc.info
options:
  sbom:
    description: The bill of materials, CycloneDX in JSON, as text or as what was read of it.
    type: raw
    required: true
  osv:
    description:
      - On the controller, a file with a record or a list of them, a directory with such files, or a zip of them, such
        as U(https://osv-vulnerabilities.storage.googleapis.com/PyPI/all.zip).
    type: path
    required: true
seealso:
  - plugin: petal.hpc.sbom
    plugin_type: filter
  - module: petal.hpc.volume_audit
"""

EXAMPLES = r"""
- name: Read the bill of materials of a volume that is deployed
  ansible.builtin.slurp:
    src: /shared/.petal/sbom.cdx.json
  register: sbom

- name: Look for known vulnerabilities
  petal.hpc.volume_vulnerabilities:
    sbom: "{{ sbom.content | b64decode }}"
    osv: /srv/osv/PyPI/all.zip
  register: known

- name: Refuse those that are high
  ansible.builtin.assert:
    that: known.vulnerabilities | selectattr('severity', 'in', ['HIGH', 'CRITICAL']) | length == 0
"""

RETURN = r"""
vulnerabilities:
  description: What is known, by package.
  returned: success
  type: list
  elements: dict
  contains:
    id:
      description: Its identifier at OSV.
      type: str
    aliases:
      description: What others call it, such as a CVE.
      type: list
      elements: str
    severity:
      description: The word of the database for it, such as V(HIGH), else its CVSS vector; empty where nobody says.
      type: str
    package:
      description: The package, as the bill of materials names it.
      type: str
    version:
      description: Its version there.
      type: str
    fixed:
      description: Versions that do not have it any more; empty where there is none, or nobody says.
      type: list
      elements: str
    summary:
      description: What it is, at most 200 characters.
      type: str
not_compared:
  description: Packages that a record names, and whose versions could not be compared with it.
  returned: success
  type: list
  elements: str
  sample: ["zlib 1.3 (OSV-2021-777)"]
records:
  description: How many records were read.
  returned: success
  type: int
"""
