"""The table of instance types: what it says, and that it is what EC2 said."""

from __future__ import annotations

import instance_types
import pytest

from ansible_collections.petal.hpc.plugins.module_utils._seed import instance_table, instances, platforms
from ansible_collections.petal.hpc.plugins.module_utils._seed.instances import InstanceType


@pytest.mark.parametrize(
    "kind",
    [
        InstanceType("c5.4xlarge", "x86_64", 16, 8, 32768),
        InstanceType("t3.large", "x86_64", 2, 1, 8192, placement=False),
        InstanceType("c5d.large", "x86_64", 2, 1, 4096, disks=True),
        InstanceType("hpc6a.48xlarge", "x86_64", 96, 96, 393216, efa=1, spot=False),
        InstanceType(
            "hpc6id.32xlarge", "x86_64", 64, 64, 1048576, cards=2, efa=2, spot=False, two_interfaces=False, disks=True
        ),
        InstanceType("p4d.24xlarge", "x86_64", 96, 48, 1179648, 8, "NVIDIA", cards=4, efa=4, disks=True),
        InstanceType("inf1.xlarge", "x86_64", 4, 2, 8192, accelerators=1, accelerator_maker="AWS"),
    ],
    ids=lambda kind: kind.name,
)
def test_what_it_says(kind: InstanceType) -> None:
    assert instances.find(kind.name) == kind


def test_it_says_what_ec2_said() -> None:
    """As far as it is kept: the copy of EC2's answers that the table was made from."""
    source, described, _offered = instance_types.of_moto()
    if source != instance_table.SOURCE:
        pytest.skip(f"the table is of {instance_table.SOURCE}, here is {source}")
    kinds = {name: instances.from_ec2(entry) for name, entry in described.items()}
    assert {name: kind for name, kind in kinds.items() if kind} == instances.table()
    assert all(name.startswith("mac") for name, kind in kinds.items() if kind is None)


def test_what_is_written_is_read_again(monkeypatch: pytest.MonkeyPatch) -> None:
    kinds = dict(instances.table())
    monkeypatch.setattr(instance_table, "LINES", "\n".join(instances.write(kinds.values())))
    instances.table.cache_clear()
    try:
        assert instances.table() == kinds
    finally:
        instances.table.cache_clear()


def test_ec2s_form_and_back() -> None:
    for kind in instances.table().values():
        assert instances.from_ec2(instance_types.to_ec2(kind)) == kind


def test_architectures_follow_from_names() -> None:
    """As architecture_of says, which has to do for types that the table does not know."""
    assert {
        name for name, kind in instances.table().items() if platforms.architecture_of(name) != kind.architecture
    } == set()


def test_what_is_rented_for_its_network_has_efa() -> None:
    rented = [kind for kind in instances.table().values() if kind.rented_for_network]
    assert {"hpc6a.48xlarge", "p5.48xlarge", "trn1.32xlarge"} <= {kind.name for kind in rented}
    assert all(kind.efa for kind in rented)


def test_families() -> None:
    assert instances.sizes("hpc7a") == ["hpc7a.12xlarge", "hpc7a.24xlarge", "hpc7a.48xlarge", "hpc7a.96xlarge"]
    assert instances.sizes("c99") == []
    assert instances.nearest("c5m") in ("c5", "c5a", "c5d", "c5n", "c5ad")
    assert instances.nearest("zzzzzzzz") == ""
    assert "us-east-2" in instances.regions()["hpc6a"]
    assert "us-east-1" not in instances.regions()["hpc6a"]
