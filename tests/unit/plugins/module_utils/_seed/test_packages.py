"""What an index of packages says of a spec."""

from __future__ import annotations

import pytest

from ansible_collections.petal.hpc.plugins.module_utils._seed.packages import (
    Index,
    Package,
    PackageIndexError,
    doubts,
    is_of,
    no_package,
)
from ansible_collections.petal.hpc.plugins.module_utils._seed.spec import parse

HEADER = f"# Spack's package repository v1, commit {'a' * 40}"
LINES = [
    "gcc 12.5.0 !12.2.0 11.5.0 | +bootstrap languages",
    "hdf5 develop-2.0 2.1.0 1.14.6 1.14.4-3 1.12.3 | api build_type +hl +mpi",
    "idl |",
    "lab-only main",
    "mpi virtual openmpi mpich cray-mpich",
    "openmpi main 5.0.10 !4.0.6 | fabrics +pmi",
    "py-numpy 2.3.0",
    "samtools 1.23.1 1.21 1.17 1.16.1",
    "zlib 1.3.2 1.3.1 1.3 1.2.13 | +optimize +pic +shared",
    "zlib-api virtual",
    "zlib-ng 2.2.4 | +compat",
]
INDEX = Index("\n".join([HEADER, "# more about it", *LINES]) + "\n")


def said(text: str) -> list[str]:
    return [f"{doubt.message}; {doubt.hint}" for doubt in doubts(parse(text), INDEX)]


@pytest.mark.parametrize("line", LINES)
def test_a_line_is_read_and_written(line: str) -> None:
    package = Package.parse(line)
    assert str(package) == line
    assert INDEX.find(package.name) == package


@pytest.mark.parametrize("name", ["", "zli", "zlib-a", "zz", "aa", "#", "1.3.2"])
def test_what_is_not_there_is_not_found(name: str) -> None:
    assert INDEX.find(name) is None


@pytest.mark.parametrize(
    ("text", "hint"),
    [
        ("mpi@3:", "write the package that is meant, such as openmpi or mpich"),
        ("zlib-api", "write the package that is meant"),
    ],
)
def test_what_several_provide_is_no_package(text: str, hint: str) -> None:
    found = no_package(parse(text), INDEX)
    assert found is not None
    assert found.message.startswith(f"{parse(text).name} is no package but what several provide")
    assert found.hint == hint
    assert no_package(parse(text), INDEX, ["mpi", "zlib-api"]) is None


@pytest.mark.parametrize("text", ["openmpi@5", "zlib", "a-sites-own"])
def test_a_package_is_one(text: str) -> None:
    assert no_package(parse(text), INDEX) is None


@pytest.mark.parametrize("text", ["", "zlib 1.3", "# Spack's package repository v1, commit abc\nzlib 1.3"])
def test_no_index(text: str) -> None:
    with pytest.raises(PackageIndexError):
        Index(text)


def test_which_release_it_is_of() -> None:
    assert (INDEX.ref, INDEX.commit) == ("v1", "a" * 40)
    assert is_of(HEADER, "v1")
    assert is_of(HEADER + "\n", "a" * 40)
    assert not is_of(HEADER, "v2")
    assert not is_of(HEADER, None)
    assert not is_of("", "v1")


@pytest.mark.parametrize(
    "text",
    [
        "zlib",
        "zlib@1.2",  # 1.2.13
        "zlib@=1.3",
        "zlib@1.2:1.3.1",
        "zlib@1.3.2:",
        "zlib@:1.2",
        "zlib@9,1.3.1",
        "hdf5@1.14.4",  # 1.14.4-3
        "hdf5@develop-2.0",
        "zlib@git.v9=1.3",
        "zlib@git.feature/x",
        f"zlib@{'b' * 40}",
        "gcc@12.2.0",  # deprecated, but there
        "idl@8.9",  # an external only
        "zlib +pic ~shared optimize=true",
        "zlib pic=*",
        "zlib build_system=makefile",
        "zlib++mpi hl==any",  # may be variants of dependencies
        "zlib dev_path=/src",
        "hdf5+mpi api=v18 build_type=Release ^openmpi@5 fabrics=ucx,ofi",
        "hdf5 ^mpi",
        "hdf5 ^[virtuals=mpi] openmpi",
        "hdf5 %mpi=openmpi",
        "mpi@3:",
        "builtin.zlib",
        "site.no-such-package@9+x",
        "zlib cflags='-O3' target=x86_64_v3 %gcc@11",
    ],
)
def test_what_the_repository_has(text: str) -> None:
    assert said(text) == []


@pytest.mark.parametrize(
    ("text", "message", "hint"),
    [
        ("samtool", "has no package samtool", "did you mean samtools?"),
        ("numpy", "has no package numpy", "did you mean py-numpy?"),
        ("clang@15", "has no package clang", ""),
        ("zlib_ng", "has no package zlib_ng", "did you mean zlib-ng?"),
        ("Zlib", "has no package Zlib", "did you mean zlib?"),
        ("builtin.zlip", "has no package zlip", "did you mean zlib?"),
        ("samtools@1.16.9", "has no version 1.16.9 of samtools", "the nearest: 1.16.1, 1.17; the newest: 1.23.1, 1.21"),
        ("zlib@=1.2", "has no version =1.2 of zlib", "the nearest: 1.2.13; the newest: 1.3.2, 1.3.1, 1.3"),
        ("zlib@2:", "has no version 2: of zlib", "the nearest: 1.3.2"),
        ("zlib@:1.1", "has no version :1.1 of zlib", "the nearest: 1.2.13"),
        ("zlib@develop", "has no version develop of zlib", "the nearest: 1.3.2; the newest: 1.3.2"),
        ("hdf5@1.13:1.13.9", "has no version 1.13:1.13.9 of hdf5", "the nearest: 1.12.3, 1.14.4-3"),
        ("gcc@12.2.1", "has no version 12.2.1 of gcc, unless the operating system brings it", "it has 12.5.0, 11.5.0"),
        ("lab-only@1.0", "has no version 1.0 of lab-only", "it has main"),
        ("zlib+pik", "zlib has no variant pik", "did you mean pic?"),
        ("zlib+mpi", "zlib has no variant mpi", "it has optimize, pic, shared"),
        ("samtools+curl", "samtools has no variant curl", "it has none"),
        ("zlib colour=red", "zlib has no variant colour", "it has optimize"),
        ("hdf5+api", "the variant api of hdf5 takes a value", "write api=VALUE"),
        ("zlib pic=yes", "the variant pic of zlib is on or off", "write +pic or ~pic"),
        ("hdf5 ^openmpi@9", "has no version 9 of openmpi", "it has 5.0.10"),
        ("hdf5 ^zlib+nothing", "zlib has no variant nothing", ""),
        ("hdf5 %gcc@10", "has no version 10 of gcc", "it has 12.5.0, 11.5.0"),
        ("hdf5 ^[virtuals=mpy] openmpi", "provides mpy", "did you mean mpi?"),
        ("hdf5 %mip=openmpi", "provides mip", "did you mean mpi?"),
        ("hdf5 %zlib=openmpi", "provides zlib", ""),
        ("site.mine ^zlib+nothing", "zlib has no variant nothing", ""),
    ],
)
def test_what_it_has_not(text: str, message: str, hint: str) -> None:
    only, *more = said(text)
    assert not more
    found, _semicolon, advice = only.partition("; ")
    assert message in found
    assert hint in advice


def test_nothing_like_it() -> None:
    assert said("qqqqqqqq") == ["Spack's package repository v1 has no package qqqqqqqq; "]


def test_everything_at_once_and_of_which_repository() -> None:
    assert said("zlib@9+pik ^samtool") == [
        "Spack's package repository v1 has no version 9 of zlib; the nearest: 1.3.2; the newest: 1.3.2, 1.3.1, 1.3",
        "zlib has no variant pik in Spack's package repository v1; did you mean pic? it has optimize, pic, shared",
        "Spack's package repository v1 has no package samtool; did you mean samtools?",
    ]
