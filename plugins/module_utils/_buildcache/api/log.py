# Copyright (c) 2026, petal.hpc contributors
# GNU General Public License v3.0+ (see LICENSE or https://www.gnu.org/licenses/gpl-3.0.txt)
# SPDX-License-Identifier: GPL-3.0-or-later
"""The history of a seed in a cache, written and read."""

from __future__ import annotations

import secrets
import time
from collections.abc import Mapping
from typing import Any

from ansible.module_utils.basic import AnsibleModule

from ansible_collections.petal.hpc.plugins.module_utils._buildcache import history
from ansible_collections.petal.hpc.plugins.module_utils._buildcache.api.stores import Store
from ansible_collections.petal.hpc.plugins.module_utils._buildcache.model import BuildcacheError, Contents


def note(store: Store, contents: Contents, given: Mapping[str, Any], check_mode: bool) -> dict[str, Any]:
    """Write a line, and take away what is more than a cache keeps; the line. Raises BuildcacheError."""
    now = time.time()
    line = history.line_of(given["found"], given["by"], given["fingerprint"] or "", now)
    path = history.line_path(given["seed"], given["by"], now, secrets.token_hex(4))
    if not check_mode:
        store.write(path, history.line_text(line))
        store.remove(history.paths_of(contents.items, given["seed"])[: 1 - history.KEPT])
    return line.to_dict()


def newest(module: AnsibleModule, store: Store, contents: Contents, seed: str) -> list[dict[str, Any]]:
    """The newest lines of a seed, the oldest of them first. What cannot be read is said and left out."""
    paths = history.paths_of(contents.items, seed)[-history.READ :]
    texts = store.read(paths)
    lines = []
    for path in paths:
        try:
            line = history.parse_line(texts.get(path, b"").decode("utf-8", "replace"), f"{store.cache.url}/{path}")
        except BuildcacheError as error:
            module.warn(f"{error}; it is left out")
            continue
        lines.append({**line.to_dict(), "cache": store.cache.name})
    return lines
