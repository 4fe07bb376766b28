# Copyright (c) 2026, petal.hpc contributors
# GNU General Public License v3.0+ (see LICENSE or https://www.gnu.org/licenses/gpl-3.0.txt)
# SPDX-License-Identifier: GPL-3.0-or-later

"""What was found inside of container images, when each was unpacked, and how it counts for the volume that has them.

In the file of an image nobody sees more than bytes, so what is in it is looked at before that is made.
"""

from __future__ import annotations

from collections.abc import Iterator, Mapping, Sequence
from dataclasses import asdict, replace
from fnmatch import fnmatchcase
from typing import Any

from ansible_collections.petal.hpc.plugins.module_utils._audit.findings import Audit, AuditError, Find
from ansible_collections.petal.hpc.plugins.module_utils._components import images

#: Of one kind in one image; with more, the image stays private whatever is accepted.
FINDS_LIMIT = 1000
_KINDS = ("sensitive", "test_data", "unreadable")


def of_image(found: Audit) -> dict[str, Any]:
    """What an image's entry in the manifest says of its files, as JSON types; ``with_images`` reads it."""
    kinds: dict[str, Any] = {kind: [asdict(one) for one in getattr(found, kind)[:FINDS_LIMIT]] for kind in _KINDS}
    left = sum(max(0, len(getattr(found, kind)) - FINDS_LIMIT) for kind in ("sensitive", "unreadable"))
    return {**kinds, "left_out": left, "files": found.files, "files_read": found.read}


def with_images(audit: Audit, listed: Sequence[Mapping[str, Any]], accept: Sequence[str] = ()) -> Audit:
    """An audit with what is inside of the images too. Raises AuditError where an entry is none of a manifest's.

    :param accept: shell patterns, of ``IMAGE:/PATH`` here.
    """
    try:
        for name, image in zip(images.labels(listed), listed):
            audit = _with(audit, name, image, accept)
    except (AttributeError, KeyError, TypeError, ValueError) as error:
        raise AuditError(f"an image is not as the manifest has it ({type(error).__name__}: {error})") from error
    return audit


def _with(audit: Audit, name: str, image: Mapping[str, Any], accept: Sequence[str]) -> Audit:
    said = image.get("audit")
    if not said:
        return replace(audit, unreadable=(*audit.unreadable, Find(f"{name}:/", "image that nobody has looked into")))
    sensitive, test_data, unreadable = (tuple(_finds(name, said.get(kind) or ())) for kind in _KINDS)
    accepted = [one for one in sensitive if any(fnmatchcase(one.path, pattern) for pattern in accept)]
    left = int(said.get("left_out") or 0)
    more = (Find(f"{name}:/", f"directory with {left} more of these"),) if left else ()
    return replace(
        audit,
        sensitive=(*audit.sensitive, *(one for one in sensitive if one not in accepted), *more),
        test_data=(*audit.test_data, *test_data),
        accepted=(*audit.accepted, *accepted),
        unreadable=(*audit.unreadable, *unreadable),
        files=audit.files + int(said.get("files") or 0),
        read=audit.read + int(said.get("files_read") or 0),
        unread=(*audit.unread, *(f"{name}: {problem}" for problem in image.get("problems") or ())),
    )


def _finds(name: str, listed: Sequence[Mapping[str, Any]]) -> Iterator[Find]:
    for one in listed:
        yield Find(f"{name}:/{str(one['path']).lstrip('/')}", str(one["why"]))
