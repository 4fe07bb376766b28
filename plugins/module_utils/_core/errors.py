# Copyright (c) 2026, petal.hpc contributors
# GNU General Public License v3.0+ (see LICENSE or https://www.gnu.org/licenses/gpl-3.0.txt)
# SPDX-License-Identifier: GPL-3.0-or-later

"""The errors that all others are made of. Doors turn them into Ansible's."""

from __future__ import annotations


class PetalError(Exception):
    """Base of all errors of this collection; ``str()`` is one clear message."""


class IdentityError(PetalError):
    """A fingerprint or an id is none."""
