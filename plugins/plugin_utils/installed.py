# Copyright (c) 2026, petal.hpc contributors
# GNU General Public License v3.0+ (see LICENSE or https://www.gnu.org/licenses/gpl-3.0.txt)
# SPDX-License-Identifier: GPL-3.0-or-later
"""What is installed beside this Ansible, on the controller."""

from __future__ import annotations

import importlib.util
import json
from pathlib import Path

import yaml

from ansible_collections.petal.hpc.plugins.module_utils._aws import needs
from ansible_collections.petal.hpc.plugins.module_utils._core.errors import PetalError

COLLECTION = Path(__file__).parents[2]


def there(module: str) -> bool:
    """Whether a Python package, or a collection as ``ansible_collections.NAMESPACE.NAME``, is found."""
    try:
        return importlib.util.find_spec(module) is not None
    except (ImportError, ValueError):
        return False


def demand_aws(why: str) -> None:
    """Raise PetalError, with how to install it, where the collection for AWS is missing.

    :param why: it is needed, as the subject of a sentence. boto3 is looked for by what runs on the host in question.
    """
    if not there(f"ansible_collections.{needs.COLLECTION}"):
        raise PetalError(needs.lacking(why))


def version(collection: Path = COLLECTION) -> str:
    """The version of this collection: an installed one says it in its manifest, a clone in galaxy.yml.

    Raises PetalError where neither does.
    """
    try:
        manifest = collection / "MANIFEST.json"
        if manifest.is_file():
            return str(json.loads(manifest.read_text(encoding="utf-8"))["collection_info"]["version"])
        return str(yaml.safe_load((collection / "galaxy.yml").read_text(encoding="utf-8"))["version"])
    except (OSError, ValueError, KeyError, TypeError, yaml.YAMLError) as error:
        raise PetalError(
            f"the version of petal.hpc is in neither MANIFEST.json nor galaxy.yml of {collection} ({error}). "
            "Install the collection anew."
        ) from error
