"""``make containers-check``, a case each."""

from __future__ import annotations

import json
import re
from collections.abc import Callable, Iterator
from pathlib import Path
from typing import Any

import containers_check
import pytest
from containers_check import BUILDS, ON_NODES, WITH_MPI, Lab, Nodes, container, manifests, trusting
from minicluster.cluster import reason_not_to
from playing import play

pytestmark = pytest.mark.skipif(
    bool(containers_check.why_not()), reason=containers_check.why_not() or "it can be done here"
)


@pytest.fixture(scope="module")
def lab(tmp_path_factory: pytest.TempPathFactory) -> Iterator[Lab]:
    with containers_check.lab(tmp_path_factory.mktemp("lab")) as here:
        yield here


@pytest.fixture(scope="module")
def nodes(lab: Lab, tmp_path_factory: pytest.TempPathFactory) -> Iterator[Nodes]:
    if reason := reason_not_to():
        pytest.skip(reason)
    with containers_check.nodes(lab, tmp_path_factory.mktemp("nodes")) as running:
        yield running


@pytest.mark.parametrize("case", BUILDS, ids=lambda case: case.__name__)
def test_what_is_built(case: Callable[[Lab, Path], None], lab: Lab, store: Path) -> None:
    case(lab, store)


@pytest.mark.parametrize("case", ON_NODES, ids=lambda case: case.__name__)
def test_what_runs_on_nodes(case: Callable[[Nodes], None], nodes: Nodes) -> None:
    case(nodes)


@pytest.mark.parametrize("case", WITH_MPI, ids=lambda case: case.__name__)
def test_mpi_of_an_image_runs_in_jobs(case: Callable[[Nodes], None], nodes: Nodes) -> None:
    if nodes.without_mpi:
        pytest.skip(nodes.without_mpi)
    case(nodes)


MIRROR = """\
- hosts: localhost
  gather_facts: false
  tasks:
    - petal.hpc.seed_info: {path: "{{ seed }}"}
      register: read
    - ansible.builtin.include_role: {name: petal.hpc.containers, tasks_from: mirror}
      vars: {containers_list: "{{ read.containers }}"}
"""


def test_a_mirror_directory_answers_for_the_registry(lab: Lab, store: Path, tmp_path: Path) -> None:
    asked, mirror = container(lab.image()), tmp_path / "mirror"
    given: dict[str, Any] = {"containers_mirror_dir": mirror, "containers_auth_from": f"file:{lab.registry.auth_file}"}
    tasks = tmp_path / "mirror.yml"
    tasks.write_text(MIRROR)
    for _run in range(2):
        with trusting(lab.registry):
            filled = play(str(tasks), seed=lab.seed(asked), containers_runtime="node", **given)
        assert filled.rc == 0, filled.output
    known = json.loads((mirror / "images/references.json").read_text())
    assert list(known) == [lab.image()]
    # The registry is not trusted here, nor is there a login.
    offline = lab.build(store, asked, containers_mirror_dir=mirror, containers_auth_from="")
    assert offline.rc == 0, offline.output
    (manifest,) = manifests(store).values()
    assert manifest["images"][0]["digest"] == known[lab.image()]["x86_64"]


def test_check_mode_fetches_nothing(lab: Lab, store: Path) -> None:
    with trusting(lab.registry):
        done = play(
            "build_volume",
            "--check",
            seed=lab.seed(container(lab.image())),
            store=store,
            containers_auth_from=f"file:{lab.registry.auth_file}",
        )
    assert done.rc == 0, done.output
    assert re.search("Check mode: nothing was changed", done.output), done.output
    assert manifests(store) == {}
