"""What the pages say in pictures and tables is so: pictures stand alone, and figures are those of the code."""

from __future__ import annotations

import re
from pathlib import Path
from xml.etree import ElementTree

import pytest
import yaml
from pages import PAGES, ROOT

from ansible_collections.petal.hpc.plugins.module_utils._aws.cost import table
from ansible_collections.petal.hpc.plugins.module_utils._seed.instances import find
from ansible_collections.petal.hpc.plugins.module_utils._seed.platforms import (
    OPERATING_SYSTEMS,
    PCLUSTER_OPERATING_SYSTEMS,
)

PICTURES = sorted((ROOT / "docs" / "images").glob("*.svg"))
#: | stack | instance type | vCPUs | GiB | USD an hour | why |
ROW = re.compile(r"^\|[^|]+\| ([a-z0-9]+\.[a-z0-9]+) \| (\d+) \| (\d+) \| ([\d.]+) \|", re.MULTILINE)
HOSTS = ROW.findall((ROOT / "docs" / "architecture.md").read_text(encoding="utf-8"))


@pytest.mark.parametrize("picture", PICTURES, ids=lambda path: path.name)
def test_a_picture_needs_nothing_from_elsewhere_and_says_what_it_shows(picture: Path) -> None:
    root = ElementTree.parse(picture).getroot()
    assert root.find("{http://www.w3.org/2000/svg}title") is not None
    fetched = [value for node in root.iter() for name, value in node.attrib.items() if name.endswith(("href", "src"))]
    assert fetched == []
    assert "@import" not in picture.read_text(encoding="utf-8")


@pytest.mark.parametrize("picture", PICTURES, ids=lambda path: path.name)
def test_a_picture_is_on_a_page(picture: Path) -> None:
    assert any(f"images/{picture.name})" in (ROOT / page).read_text(encoding="utf-8") for page in PAGES)


def test_the_flow_a_build_on_aws_a_workflow_of_awx_and_a_volume_have_pictures() -> None:
    assert [picture.stem for picture in PICTURES] == ["aws-build", "awx-workflow", "flow", "volume"]


def test_build_hosts_are_recommended() -> None:
    assert len(HOSTS) >= 6


@pytest.mark.parametrize(("name", "vcpus", "memory", "price"), HOSTS)
def test_a_build_host_is_as_the_tables_of_the_code_have_it(name: str, vcpus: str, memory: str, price: str) -> None:
    known = find(name)
    assert known is not None
    assert (known.vcpus, known.memory // 1024) == (int(vcpus), int(memory))
    assert float(price) == pytest.approx(table.instance_hour(name), abs=0.006)


def test_what_is_supported_is_what_is_pinned_and_asked_for() -> None:
    """SECURITY.md against the files that decide it."""
    page = (ROOT / "SECURITY.md").read_text(encoding="utf-8")
    rows = {line.split("|")[1].strip(): line.split("|")[2] for line in page.splitlines() if line.startswith("| ")}
    runtime = yaml.safe_load((ROOT / "meta" / "runtime.yml").read_text(encoding="utf-8"))
    pinned = re.findall(
        r"^ansible-core==(\d+\.\d+)", (ROOT / "requirements.in").read_text(encoding="utf-8"), re.MULTILINE
    )
    oldest = ".".join(runtime["requires_ansible"].removeprefix(">=").split(".")[:2])
    assert (
        rows["ansible-core on the controller"].strip() == f"{oldest} to {max(pinned, key=lambda text: int(text[2:]))}"
    )
    assert set(re.findall(r"`(\w+)`", rows["systems, provider local"])) == set(OPERATING_SYSTEMS)
    assert set(re.findall(r"`(\w+)`", rows["systems, provider aws"])) == set(PCLUSTER_OPERATING_SYSTEMS)
    (library,) = (ROOT / "roles" / "pcluster_config" / "files").glob("library-*.in")
    assert rows["ParallelCluster"].strip() == library.stem.removeprefix("library-")
