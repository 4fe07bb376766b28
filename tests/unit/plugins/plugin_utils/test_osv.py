"""Exports of OSV as they lie on disks: a file, a directory, a zip."""

from __future__ import annotations

import json
import zipfile
from pathlib import Path
from typing import Any

import pytest

from ansible_collections.petal.hpc.plugins.module_utils._vulnerabilities.model import VulnerabilitiesError
from ansible_collections.petal.hpc.plugins.plugin_utils.osv import look
from ansible_collections.petal.hpc.plugins.plugin_utils.sbom import volume_sbom

SIX = {
    "id": "OSV-1",
    "affected": [{"package": {"ecosystem": "PyPI", "name": "six"}, "versions": ["1.16.0"]}],
}
OTHER = {**SIX, "id": "OSV-2"}
#: By what makes a volume's.
SBOM = volume_sbom(
    {
        "name": "bio",
        "fingerprint": f"sha256:{'0' * 64}",
        "build_id": "b",
        "created": "2026-11-22T00:00:00Z",
        "packages": [{"name": "six", "version": "1.16.0", "manager": "pypi", "hash": "", "license": "MIT"}],
    }
)


def ids(osv: Path, sbom: Any = SBOM) -> list[str]:
    return [one["id"] for one in look(sbom, str(osv))["vulnerabilities"]]


def test_a_directory_is_read_to_its_bottom(tmp_path: Path) -> None:
    (tmp_path / "PyPI").mkdir()
    (tmp_path / "PyPI/OSV-2.json").write_text(json.dumps(OTHER))
    (tmp_path / "OSV-1.json").write_text(json.dumps(SIX))
    (tmp_path / "README.md").write_text("no record")
    found = look(SBOM, str(tmp_path))
    assert [one["id"] for one in found["vulnerabilities"]] == ["OSV-1", "OSV-2"]
    assert found["records"] == 2


def test_a_zip(tmp_path: Path) -> None:
    with zipfile.ZipFile(tmp_path / "all.zip", "w") as archive:
        archive.writestr("OSV-1.json", json.dumps(SIX))
        archive.writestr("modified_id.csv", "no record")
    assert ids(tmp_path / "all.zip") == ["OSV-1"]


@pytest.mark.parametrize("value", [SIX, [SIX], {"vulns": [SIX]}], ids=["one", "list", "answer"])
def test_a_file(tmp_path: Path, value: Any) -> None:
    (tmp_path / "osv.json").write_text(json.dumps(value))
    assert ids(tmp_path / "osv.json") == ["OSV-1"]
    assert ids(tmp_path / "osv.json", json.loads(SBOM)) == ["OSV-1"]


def test_clear_errors(tmp_path: Path) -> None:
    with pytest.raises(VulnerabilitiesError, match=r"none cannot be read: No such file"):
        look(SBOM, str(tmp_path / "none"))
    with pytest.raises(VulnerabilitiesError, match="has no records of OSV's"):
        look(SBOM, str(tmp_path))
    (tmp_path / "a.json").write_text("{")
    with pytest.raises(VulnerabilitiesError, match=r"a\.json is not JSON"):
        look(SBOM, str(tmp_path))
    (tmp_path / "a.json").write_text("{}")
    with pytest.raises(VulnerabilitiesError, match=r"a\.json: it is no record of OSV's"):
        look(SBOM, str(tmp_path))
    with pytest.raises(VulnerabilitiesError, match="the bill of materials is not JSON"):
        look("{", str(tmp_path))
