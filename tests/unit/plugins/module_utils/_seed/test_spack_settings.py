"""Settings of Spack that a seed brings: what is its to say, and how it joins what a site says."""

from __future__ import annotations

from typing import Any

import pytest
from seed_samples import LOCAL, changed, problems, seed

from ansible_collections.petal.hpc.plugins.module_utils._seed import fingerprint, spack_settings

GOOD: dict[str, Any] = {
    "packages": {
        "all": {"providers": {"mpi": ["mpich"]}, "variants": "+shared"},
        "hdf5": {"variants": ["+cxx"], "require": ["@1.14:"], "version": [1.14]},
        "nvhpc": {"buildable": False, "externals": [{"spec": "nvhpc@24.5", "prefix": "/opt/nvidia/24.5"}]},
    },
    "concretizer": {"compiler_mixing": False},
    "config": {"shared_linking": {"type": "runpath"}, "deprecated": True},
    "modules": {
        "prefix_inspections": {"./lib": ["LD_LIBRARY_PATH"]},
        "default": {
            "lmod": {
                "all": {"suffixes": {"+cuda": "cuda"}, "environment": {"set": {"{name}_HOME": "{prefix}"}}},
                "projections": {"gromacs+cuda": "{name}/{version}-cuda"},
            }
        },
    },
}


def config(value: Any) -> dict[str, Any]:
    return changed(LOCAL, "software", "spack", "config", value)


def test_what_a_seed_may_say_is_kept_and_counts() -> None:
    found = seed(config(GOOD))
    assert found.to_dict()["software"]["spack"]["config"] == GOOD
    assert fingerprint.content(found)["spack"]["config"] == GOOD
    assert fingerprint.fingerprint(found) != fingerprint.fingerprint(seed(LOCAL))
    assert fingerprint.older(found) == []


@pytest.mark.parametrize("nothing", [{}, {"packages": {}}, {"packages": {}, "config": {}}])
def test_nothing_is_as_if_it_were_not_there(nothing: dict[str, Any]) -> None:
    assert fingerprint.fingerprint(seed(config(nothing))) == fingerprint.fingerprint(seed(LOCAL))


REFUSED: list[tuple[Any, str, str]] = [
    ([], "", "a list stands here"),
    ({"mirrors": {"a": "https://example.org"}}, "mirrors", "software.binary_cache"),
    ({"bootstrap": {"enable": True}}, "bootstrap", "nothing is fetched for Spack itself"),
    ({"repos": ["/srv"]}, "repos", "software.spack.repos"),
    ({"package": {}}, "package", "did you mean packages?"),
    ({"packages": []}, "packages", "no mapping stands here"),
    ({"packages": {"zlib": "+pic"}}, "packages.zlib", "write {variants"),
    ({"packages": {"zlib": {"variant": "+pic"}}}, "packages.zlib.variant", "did you mean variants?"),
    ({"packages": {"all": {"require": ["+mpi"]}}}, "packages.all.require", "the target of all packages stands there"),
    ({"packages": {"all": {"target": ["zen3"]}}}, "packages.all.target", "software.spack.target"),
    ({"packages": {"zlib": {"permissions": {"write": "world"}}}}, "packages.zlib.permissions", "nobody write it"),
    ({"config": {"install_tree": {"root": "/x"}}}, "config.install_tree", "software.spack.padded_length"),
    ({"config": {"install_tree:": {"root": "/x"}}}, "config.install_tree:", "leave it out"),
    ({"config": {"checksum": False}}, "config.checksum", "always compared with its checksum"),
    ({"config": {"verify_ssl": False}}, "config.verify_ssl", "connections that are checked"),
    ({"config": {"misc_cache": "/tmp/x"}}, "config.misc_cache", "where things are"),
    ({"config": {"build_jobs": 4}}, "config.build_jobs", "spack_jobs"),
    ({"config": {"hooks": 4}}, "config.hooks", "a seed may set shared_linking"),
    ({"concretizer": {"reuse": True}}, "concretizer.reuse", "must not depend on what lies in a cache"),
    ({"concretizer": {"os_compatible": {"debian13": ["debian12"]}}}, "concretizer.os_compatible", "on macOS alone"),
    ({"concretizer": {"targets": {"host_compatible": True}}}, "concretizer.targets", "software.spack.target"),
    ({"modules": {"mine": {"enable": ["lmod"]}}}, "modules.mine", "a seed may set default"),
    ({"modules": {"default": {"roots": {"lmod": "/x"}}}}, "modules.default.roots", "where things are"),
    (
        {"modules": {"default": {"lmod": {"core_compilers": ["gcc"]}}}},
        "modules.default.lmod.core_compilers",
        "software.compiler",
    ),
    ({"modules": {"default": {"lmod": {"all": {"template": "/x"}}}}}, "modules.default.lmod.all.template", "written"),
    ({"modules": {"default": {"lmod": {"exclude": []}}}}, "modules.default.lmod.exclude", "spack_modules_exclude"),
    ({"packages": {"zlib": {"require": "{{ lookup('pipe', 'id') }}"}}}, "packages.zlib.require", "a seed is data"),
    ({"packages": {"{% raw %}": {}}}, "packages.{% raw %}", "a seed is data"),
    ({"packages": {"zlib": {"variants": "+a\n+b"}}}, "packages.zlib.variants", "control character"),
    ({"packages": {"zlib": {"variants": "x" * 2000}}}, "packages.zlib.variants", "longer than"),
    ({"packages": {"zlib": {"variants": {1: "x"}}}}, "packages.zlib.variants.1", "it is no text"),
]


@pytest.mark.parametrize(("value", "place", "said"), REFUSED)
def test_what_is_decided_elsewhere_is_refused_and_says_where(value: Any, place: str, said: str) -> None:
    found = problems(config(value))
    assert found[0].path == "software.spack.config" + (f".{place}" if place else "")
    assert said in "\n".join(found[0].to_lines())


def test_a_seed_joins_what_the_site_says_and_wins() -> None:
    site: dict[str, Any] = {
        "spack_packages_config": {"all": {"providers": {"mpi": ["openmpi"], "blas": ["openblas"]}}, "zlib": {"a": 1}},
        "spack_jobs": 4,
    }
    found = spack_settings.variables(seed(config(GOOD)).software.spack.config, site)
    assert found["spack_packages_config"]["all"]["providers"] == {"mpi": ["mpich"], "blas": ["openblas"]}
    assert found["spack_packages_config"]["zlib"] == {"a": 1}
    assert found["spack_concretizer"] == {"compiler_mixing": False}
    assert site["spack_packages_config"]["all"] == {"providers": {"mpi": ["openmpi"], "blas": ["openblas"]}}
    assert spack_settings.variables({}, {}) == {name: {} for name in spack_settings.VARIABLES.values()}
