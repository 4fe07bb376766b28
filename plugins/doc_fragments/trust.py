# Copyright (c) 2026, petal.hpc contributors
# GNU General Public License v3.0+ (see LICENSE or https://www.gnu.org/licenses/gpl-3.0.txt)
# SPDX-License-Identifier: GPL-3.0-or-later

from __future__ import annotations


class ModuleDocFragment:
    """The option of the modules that take snapshots from elsewhere, or use them."""

    DOCUMENTATION = r"""
options:
  trust:
    description:
      - What the site trusts. Without it nothing but what was built in the own store.
      - C(signers) is a list of C(name), C(key) (C(SHA256:…), as C(ssh-keygen -lf KEY.pub) prints it), and of
        C(valid_from), C(valid_until), C(stores), C(accounts), C(registries) and C(revoked), as far as they matter.
      - C(stores) and C(accounts) are those whose snapshots are used without a signature. With C(required) nothing is.
      - With C(unsigned) what nobody has signed is used this time, whoever made it.
    type: dict
    default: {}
"""
