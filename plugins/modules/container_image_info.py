#!/usr/bin/python
# Copyright (c) 2026, petal.hpc contributors
# GNU General Public License v3.0+ (see LICENSE or https://www.gnu.org/licenses/gpl-3.0.txt)
# SPDX-License-Identifier: GPL-3.0-or-later

from __future__ import annotations

DOCUMENTATION = r"""
module: container_image_info
short_description: Ask registries what tags of container images stand for
version_added: "0.2.0"
author:
  - petal.hpc contributors (@petal-hpc)
description:
  - Resolves references of container images to the digests of the manifests for one platform, on the controller.
  - A mirror directory that knows a reference answers for the registry.
requirements:
  - python-dxf, on the controller, where a registry is asked
options:
  images:
    description: The references, as seeds name them.
    type: list
    elements: str
    required: true
  architecture:
    description: The architecture that the images are for.
    type: str
    required: true
    choices: [x86_64, arm64]
  logins:
    description: The text of an auth file with logins for registries, as P(petal.hpc.registry_logins#lookup) gives it.
    type: raw
  insecure_registries:
    description: Registries that are asked without TLS, as C(HOST:PORT). Logins are never sent to them.
    type: list
    elements: str
  mirror_dir:
    description: A mirror directory that the playbook C(mirror) has filled, where it is on the controller.
    type: str
extends_documentation_fragment:
  - petal.hpc.info
"""

EXAMPLES = r"""
- name: Ask what a tag stands for
  petal.hpc.container_image_info:
    images: [ghcr.io/lab/tools:1.2]
    architecture: x86_64
  register: tools
"""

RETURN = r"""
images:
  description: By references, C(digest), C(source) (V(registry) or V(mirror)) and C(size) in bytes, where known.
  returned: success
  type: dict
digests:
  description: By references, the digest of the manifest for the platform.
  returned: success
  type: dict
  sample:
    ghcr.io/lab/tools:1.2: sha256:94a00394bc5a8ef503fb59db0a7d0ae9e1110866e8aee8ba40cd864cea69ea1a
"""
