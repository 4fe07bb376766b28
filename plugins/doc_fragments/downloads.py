# Copyright (c) 2026, petal.hpc contributors
# GNU General Public License v3.0+ (see LICENSE or https://www.gnu.org/licenses/gpl-3.0.txt)
# SPDX-License-Identifier: GPL-3.0-or-later

from __future__ import annotations


class ModuleDocFragment:
    """Options of the modules that download with pip and uv."""

    DOCUMENTATION = r"""
options:
  cache_dir:
    description: Where downloads and temporary files are kept, off the volume.
    type: path
    default: /var/cache/petal
  index_url:
    description: The package index. Without it the tool's own default, PyPI. May hold credentials; they are not shown.
    type: str
  extra_index_urls:
    description: More package indexes, searched before O(index_url). A package comes from the first that has it.
    type: list
    elements: str
    default: []
  system_certificates:
    description: Trust the certificates that the operating system trusts, instead of the tool's own list.
    type: bool
    default: true
  host_config:
    description:
      - Let the configuration of pip and uv on the host (files and environment variables) in.
      - Without it only proxies, E(SSL_CERT_FILE) and E(SSL_CERT_DIR) are passed on.
    type: bool
    default: false
"""
