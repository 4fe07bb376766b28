"""A seed says which image has its software, and no other character of it changes."""

from __future__ import annotations

from pathlib import Path

import pytest

from ansible_collections.petal.hpc.plugins.module_utils._seed.errors import SeedError
from ansible_collections.petal.hpc.plugins.plugin_utils.seed_edit import edited, save_image
from ansible_collections.petal.hpc.plugins.plugin_utils.seed_text import keep

AMI = "ami-0123456789abcdef0"
VALUES = {("compute", "custom_ami"): AMI, ("software", "use_custom_ami"): True}
SEED = """\
# Ours. 'Quoted', too.
---
cluster: {name: bio,   region: us-east-1}  # two blanks
compute:
    # the head
    head_node: t3.xlarge   # small
    queues:
    - {name: q, instance_types: [c5.large]}
software:
  spack_packages:   # what they use
    - samtools@1.21
"""


def test_lines_are_put_in_and_comments_stay() -> None:
    lines = SEED.splitlines()
    assert edited(SEED, VALUES, "x").splitlines() == [
        *lines[:6],
        f"    custom_ami: {AMI}",
        *lines[6:9],
        "  use_custom_ami: true",
        *lines[9:],
    ]


@pytest.mark.parametrize(
    ("before", "after"),
    [
        (
            "compute: {head_node: a, custom_ami: ami-1}\nsoftware: {use_custom_ami: false} # x\n",
            f"compute: {{head_node: a, custom_ami: {AMI}}}\nsoftware: {{use_custom_ami: true}} # x\n",
        ),
        (
            "compute: {head_node: a}\nsoftware: {}\n",
            f"compute: {{custom_ami: {AMI}, head_node: a}}\nsoftware: {{use_custom_ami: true}}\n",
        ),
        (
            'compute:\n  custom_ami: "ami-1"  # old\n  head_node: a\nsoftware:\n  use_custom_ami:\n  a: b',
            f"compute:\n  custom_ami: {AMI}  # old\n  head_node: a\nsoftware:\n  use_custom_ami: true\n  a: b",
        ),
        (
            "compute:\n  head_node: a\nsoftware:\n  a: b",
            f"compute:\n  head_node: a\n  custom_ami: {AMI}\nsoftware:\n  a: b\n  use_custom_ami: true\n",
        ),
        (
            "compute:\r\n  head_node: a\r\nsoftware: {a: b}\r\n",
            f"compute:\r\n  head_node: a\r\n  custom_ami: {AMI}\nsoftware: {{use_custom_ami: true, a: b}}\r\n",
        ),
    ],
)
def test_values_take_the_place_of_others(before: str, after: str) -> None:
    assert edited(before, VALUES, "x") == after
    assert edited(after, VALUES, "x") == after


@pytest.mark.parametrize(
    ("text", "reason"),
    [
        ("software: {a: b}\n", "it has no compute"),
        ("compute:\nsoftware: {a: b}\n", "it has no compute"),
        ("x: &s {a: b}\ncompute: {head_node: a}\nsoftware: *s\n", "which stays as it is"),
    ],
)
def test_what_cannot_be_changed_alone_stays_and_is_told(text: str, reason: str) -> None:
    with pytest.raises(SeedError, match=reason) as caught:
        edited(text, VALUES, "x")
    assert f"compute.custom_ami: {AMI}, software.use_custom_ami: true" in str(caught.value)


def test_the_file_is_written_in_one_step_with_its_mode(tmp_path: Path) -> None:
    file, link = tmp_path / "seed.yaml", tmp_path / "link.yaml"
    file.write_text(SEED)
    file.chmod(0o640)
    link.symlink_to(file)
    assert save_image(str(link), "/", AMI, check=True)["changed"]
    assert file.read_text() == SEED
    made = save_image(str(link), "/", AMI)
    assert (made["changed"], made["path"]) == (True, str(file))
    assert file.read_text() == made["diff"]["after"]
    assert (file.stat().st_mode & 0o777, link.is_symlink()) == (0o640, True)
    assert not save_image(str(link), "/", AMI)["changed"]
    assert sorted(path.name for path in tmp_path.iterdir()) == ["link.yaml", "seed.yaml"]


def test_a_text_is_no_file_to_write_into(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setenv("XDG_CACHE_HOME", str(tmp_path))
    monkeypatch.chdir(tmp_path)
    kept = keep(SEED, "bio")
    for given in (SEED, kept):
        with pytest.raises(SeedError, match="the image cannot be written into a text: it is no file of yours"):
            save_image(given, "/", AMI)
    assert Path(kept).read_text() == SEED
