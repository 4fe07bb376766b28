from __future__ import annotations

from dataclasses import replace
from typing import Any

import pytest
from seed_samples import DELETE, FULL, LOCAL, changed, faults, seed

from ansible_collections.petal.hpc.plugins.module_utils._seed import fingerprint as fp
from ansible_collections.petal.hpc.plugins.module_utils._seed import hybrid

AMI = "ami-0fedcba9876543210"
PLAIN = changed(changed(FULL, "compute", "custom_ami", DELETE), "software", "use_custom_ami", DELETE)
SMALL = changed(PLAIN, "software", "spack_packages", ["samtools@1.17", "hdf5@1.14"])
IMAGE = changed(SMALL, "software", "in_ami", ["openmpi@4.1.4", "cmake@3.24"])
FOREIGN = changed(IMAGE, "compute", "custom_ami", AMI)


def test_the_part_in_the_image_is_a_seed_of_its_own() -> None:
    whole = seed(IMAGE)
    part = hybrid.image_part(whole)
    assert hybrid.is_one(whole) and not hybrid.is_one(part)
    assert part.software.spack_packages == ("openmpi@4.1.4", "cmake@3.24")
    assert part.software_volume.mount_dir == whole.software_volume.mount_dir + "-image"
    assert part.software_volume.ebs_settings.size <= hybrid.MOST_GB
    spack = replace(part.software.spack, config=whole.software.spack.config)
    assert (part.cluster, spack) == (whole.cluster, whole.software.spack)
    software = part.to_dict()["software"]
    others = ("stacks", "containers", "python_environments", "modules", "build_from_source", "in_ami")
    assert not any(software[key] for key in others)
    assert hybrid.image_part(whole) == part


def test_nothing_of_the_operating_system_takes_the_place_of_what_is_named() -> None:
    """By the settings of the part, so that its fingerprint says it; what the system has of gcc builds the image."""
    named = changed(IMAGE, "software", "in_ami", ["gcc@11.3.0", "cmake", "openmpi@4.1.4"])
    mine = changed(named, "software", "compiler", DELETE)
    mine = changed(mine, "software", "spack", {"config": {"packages": {"openmpi": {"variants": "+pmi"}}}})
    packages = hybrid.image_part(seed(mine)).software.spack.config["packages"]
    built = {"externals": [], "buildable": True}
    assert packages == {"cmake": built, "openmpi": {"variants": "+pmi", **built}}
    alone = changed(changed(IMAGE, "software", "in_ami", ["gcc@11.3.0"]), "software", "compiler", DELETE)
    assert hybrid.image_part(seed(alone)).software.spack.config == {}


@pytest.mark.parametrize(
    ("package", "given", "key"),
    [
        ("cmake", {"externals": [{"spec": "cmake@3.24", "prefix": "/opt/cmake"}]}, "externals"),
        ("openmpi", {"buildable": False}, "buildable"),
    ],
)
def test_what_is_elsewhere_by_the_settings_is_not_in_the_image(package: str, given: dict[str, Any], key: str) -> None:
    mine = changed(IMAGE, "software", "spack", {"config": {"packages": {package: given}}})
    (found,) = faults(mine).items()
    assert found[0] == f"software.spack.config.packages.{package}.{key}"
    assert f"{package} is in the image (software.in_ami: {package}@" in found[1]


def test_the_first_compiler_of_the_image_builds_the_rest() -> None:
    named = changed(IMAGE, "software", "in_ami", ["gcc@11.3.0", "openmpi@4.1.4"])
    mine = seed(changed(named, "software", "compiler", DELETE))
    assert (mine.software.compiler, hybrid.image_part(mine).software.compiler) == ("gcc@11.3.0", "gcc@11.3.0")


@pytest.mark.parametrize(
    ("path", "image", "volume"),
    [
        (("software", "spack_packages", ["hdf5@1.14"]), False, True),
        (("software", "in_ami", ["cmake@3.24"]), True, True),
        (("software", "spack", "target", "x86_64_v4"), True, True),
        (("shared_storage", 0, "mount_dir", "/other"), True, True),
        (("compute", "custom_ami", AMI), False, True),
        (("software", "use_custom_ami", False), False, False),
    ],
)
def test_the_fingerprint_of_each_says_what_is_where(path: tuple[Any, ...], image: bool, volume: bool) -> None:
    one, two = seed(IMAGE), seed(changed(IMAGE, *path))
    assert (fp.fingerprint(hybrid.image_part(one)) != fp.fingerprint(hybrid.image_part(two))) is image
    assert (fp.fingerprint(one) != fp.fingerprint(two)) is volume


def test_an_image_that_the_seed_names_counts_by_its_id() -> None:
    assert fp.content(seed(FOREIGN))["spack"]["image"] == AMI
    assert fp.content(seed(IMAGE))["spack"]["image"] == fp.fingerprint(hybrid.image_part(seed(IMAGE)))
    assert "image" not in fp.content(seed(PLAIN))["spack"]
    assert hybrid.described(seed(FOREIGN))["ami"] == AMI
    assert hybrid.foreign_image(seed(changed(FOREIGN, "software", "in_ami", []))) == ""


def test_there_may_be_nothing_else_than_the_modules_of_the_image() -> None:
    alone = {**IMAGE, "software": {"in_ami": ["cmake@3.24"]}}
    assert fp.content(seed(alone))["spack"]["in_ami"] == ["cmake@3.24"]


def test_what_cannot_be_meant_is_refused() -> None:
    assert "an image is one of AWS" in faults(changed(LOCAL, "software", "in_ami", ["cmake@3.24"]))["software.in_ami"]
    twice = faults(changed(IMAGE, "software", "spack_packages", ["cmake@3.30"]))
    assert "cmake is in the image (software.in_ami: cmake@3.24)" in twice["software.spack_packages[0]"]
    built = faults(changed(IMAGE, "software", "build_from_source", ["openmpi"]))
    assert "openmpi is in the image" in built["software.build_from_source[0]"]
    other = changed(changed(IMAGE, "software", "in_ami", ["gcc@11.3.0"]), "software", "compiler", "gcc@12.2.0")
    assert "the image has gcc as gcc@11.3.0" in faults(other)["software.compiler"]
    assert "software.compiler" not in faults(changed(other, "software", "compiler", "gcc@11.3.0"))


@pytest.mark.parametrize("compiler", [DELETE, "gcc@12.2.0"])
def test_the_compiler_of_all_is_in_the_image(compiler: Any) -> None:
    """What builds the image is not on the volume alone; somebody else's image is built by whatever that was."""
    on_volume = changed(IMAGE, "software", "spack_packages", ["hdf5@1.14", "gcc@12.2.0"])
    mine = changed(on_volume, "software", "compiler", compiler)
    assert "builds the packages of the image" in faults(mine)["software.spack_packages[1]"]
    assert faults(changed(mine, "compute", "custom_ami", AMI)) == {}
    if compiler is DELETE:
        assert faults(changed(mine, "software", "in_ami", ["llvm@16"])) == {}


def test_the_image_of_a_hybrid_is_no_legacy() -> None:
    assert not [one for one in seed(FOREIGN).warnings if one.path == "compute.custom_ami"]
