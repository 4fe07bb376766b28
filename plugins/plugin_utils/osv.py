# Copyright (c) 2026, petal.hpc contributors
# GNU General Public License v3.0+ (see LICENSE or https://www.gnu.org/licenses/gpl-3.0.txt)
# SPDX-License-Identifier: GPL-3.0-or-later
"""Read an export of OSV on the controller: a file, a directory, or a zip, as osv.dev gives them. Asks no network."""

from __future__ import annotations

import json
import zipfile
from collections.abc import Iterator, Mapping
from pathlib import Path
from typing import Any

from ansible_collections.petal.hpc.plugins.module_utils._vulnerabilities.model import (
    Matcher,
    VulnerabilitiesError,
    packages,
)

ARGUMENTS: dict[str, dict[str, Any]] = {
    "sbom": {"type": "raw", "required": True},
    "osv": {"type": "path", "required": True},
}
#: One record; the largest of osv.dev has some MiB.
RECORD_LIMIT = 64 * 1024**2


def look(sbom: Any, osv: str) -> dict[str, Any]:
    """Known vulnerabilities of what a bill of materials lists, as the module returns them. Raises PetalError.

    :param sbom: CycloneDX in JSON, as text or as what was read of it. osv: the export's path.
    """
    matcher = Matcher(packages(_bill(sbom)))
    for place, data in _documents(Path(osv).expanduser()):
        _take(matcher, place, _records(place, data))
    found = matcher.findings
    if not found.records:
        raise VulnerabilitiesError(
            f"{osv} has no records of OSV's: expected JSON files, as in the all.zip of an ecosystem"
        )
    listed = sorted(found.found, key=lambda one: (one.package, one.version, one.id))
    return {
        "vulnerabilities": [one.to_dict() for one in listed],
        "not_compared": sorted(set(found.not_compared)),
        "records": found.records,
    }


def _take(matcher: Matcher, place: str, records: list[Any]) -> None:
    try:
        for record in records:
            matcher.take(record)
    except VulnerabilitiesError as error:
        raise VulnerabilitiesError(f"{place}: {error}") from error


def _bill(sbom: Any) -> Any:
    if not isinstance(sbom, (str, bytes)):
        return sbom
    try:
        return json.loads(sbom)
    except (ValueError, RecursionError) as error:
        raise VulnerabilitiesError(f"the bill of materials is not JSON ({error})") from error


def _documents(osv: Path) -> Iterator[tuple[str, bytes]]:
    try:
        if osv.is_dir():
            for path in sorted(osv.rglob("*.json")):
                yield str(path), _bounded(str(path), path.stat().st_size) or path.read_bytes()
        elif zipfile.is_zipfile(osv):
            with zipfile.ZipFile(osv) as archive:
                for entry in archive.infolist():
                    if entry.filename.endswith(".json"):
                        place = f"{osv}: {entry.filename}"
                        yield place, _bounded(place, entry.file_size) or archive.read(entry)
        else:
            yield str(osv), osv.read_bytes()
    except OSError as error:
        raise VulnerabilitiesError(f"the export of OSV {osv} cannot be read: {error.strerror or error}") from error
    except zipfile.BadZipFile as error:
        raise VulnerabilitiesError(f"the export of OSV {osv} is damaged: {error}") from error


def _bounded(place: str, size: int) -> bytes:
    if size > RECORD_LIMIT:
        raise VulnerabilitiesError(f"{place} has more than {RECORD_LIMIT // 1024**2} MiB, which is no record of OSV's")
    return b""


def _records(place: str, data: bytes) -> list[Any]:
    """The records of a document: one, a list of them, or what OSV's service answers (``vulns``)."""
    try:
        value = json.loads(data)
    except (ValueError, RecursionError) as error:
        raise VulnerabilitiesError(f"{place} is not JSON ({error})") from error
    if isinstance(value, Mapping) and isinstance(value.get("vulns"), list):
        return list(value["vulns"])
    return list(value) if isinstance(value, list) else [value]
