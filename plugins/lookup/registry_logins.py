# Copyright (c) 2026, petal.hpc contributors
# GNU General Public License v3.0+ (see LICENSE or https://www.gnu.org/licenses/gpl-3.0.txt)
# SPDX-License-Identifier: GPL-3.0-or-later

from __future__ import annotations

DOCUMENTATION = r"""
name: registry_logins
short_description: Logins for the registries of container images
version_added: "0.2.0"
author:
  - petal.hpc contributors (@petal-hpc)
description:
  - Gives the logins that images of a seed need, and no others, when they are needed.
  - Those of private registries of Amazon ECR come from AWS (C(GetAuthorizationToken)), by the controller's own
    credentials, where O(auth_from) has none for them.
options:
  _terms:
    description: The images, as seeds name them.
    type: list
    elements: str
    required: true
  auth_from:
    description:
      - Where an auth file is kept, as P(petal.hpc.secret#lookup) takes references. Podman, skopeo and docker write such
        files. Empty for none.
    type: str
    default: ""
  mirror_dir:
    description: A mirror directory on the controller. Images that it has need no login.
    type: str
    default: ""
  architecture:
    description: The architecture that the images are for, where O(mirror_dir) is given.
    type: str
    default: ""
  region:
    description: Region of AWS for O(auth_from), where an ARN does not say it.
    type: str
    default: ""
"""

EXAMPLES = r"""
- name: Ask a private registry what a tag stands for
  petal.hpc.container_image_info:
    images: ["{{ image }}"]
    architecture: x86_64
    logins: "{{ lookup('petal.hpc.registry_logins', image, auth_from='file:/etc/petal/auth.json') }}"
  vars:
    image: registry.example.org/lab/tools:1.2
"""

RETURN = r"""
_raw:
  description: The text of an auth file, in one element.
  type: list
  elements: str
"""

from typing import Any

from ansible.errors import AnsibleError, AnsibleLookupError
from ansible.plugins.loader import lookup_loader
from ansible.plugins.lookup import LookupBase

from ansible_collections.petal.hpc.plugins.module_utils._containers.logins import file, read
from ansible_collections.petal.hpc.plugins.module_utils._containers.mirror import digest
from ansible_collections.petal.hpc.plugins.module_utils._core.errors import PetalError
from ansible_collections.petal.hpc.plugins.module_utils._core.references import parse_reference
from ansible_collections.petal.hpc.plugins.plugin_utils.container_images import mirrored
from ansible_collections.petal.hpc.plugins.plugin_utils.registry_logins import ecr_token, needed
from ansible_collections.petal.hpc.plugins.plugin_utils.secret import Looks, secret

WHAT = "containers_auth_from"


class LookupModule(LookupBase):
    """Images in, an auth file out."""

    def run(self, terms: list[Any], variables: dict[str, Any] | None = None, **options: Any) -> list[str]:
        self.set_options(var_options=variables, direct=options)

        def look(plugin: str) -> Looks:
            return lookup_loader.get(plugin, loader=self._loader, templar=self._templar)  # type: ignore[no-any-return]

        kept, region = self.get_option("auth_from"), self.get_option("region")
        try:
            there = mirrored(self.get_option("mirror_dir"))
            architecture = self.get_option("architecture")
            named = [str(image) for term in terms for image in (term if isinstance(term, list) else [term])]
            named = [image for image in named if not digest(there, image, architecture)]
            text = named and kept and secret(parse_reference(kept, WHAT), WHAT, region, look, variables or {})
            return [file(needed(named, read(text, WHAT) if text else {}, ecr_token))]
        except (PetalError, AnsibleError) as error:
            raise AnsibleLookupError(str(error)) from None
