"""What an image has, by its documents and by its own Spack, as externals of a volume's Spack."""

from __future__ import annotations

import hashlib
import json
from collections.abc import Mapping, Sequence
from pathlib import Path
from typing import Any

import pytest
from ansible.errors import AnsibleFilterError

from ansible_collections.petal.hpc.plugins.filter.image_lacks import image_lacks
from ansible_collections.petal.hpc.plugins.module_utils._spack import externals, externals_api
from ansible_collections.petal.hpc.plugins.module_utils._spack.externals import ImageError, Offer

FINGERPRINT = "sha256:" + "ab" * 32
SYSTEM = {
    "spec": "gcc@12.2.0 languages:='c,c++,fortran'",
    "prefix": "/usr",
    "extra_attributes": {"compilers": {"c": "/usr/bin/gcc"}},
}
LOCK = {
    "roots": [{"hash": "aaa", "spec": "openmpi@4.1.4"}, {"hash": "ccc", "spec": "gcc@13.2.0"}],
    "concrete_specs": {
        "aaa": {
            "name": "openmpi",
            "version": "4.1.4",
            "parameters": {
                "build_system": "autotools",
                "cuda": False,
                "fabrics": ["ofi", "ucx"],
                "patches": ["0123"],
                "cflags": [],
                "odd": "a b",
            },
            "dependencies": [
                {"name": "gcc", "hash": "ccc", "parameters": {"deptypes": ["build"], "virtuals": ["c"]}},
                {"name": "zlib", "hash": "bbb", "parameters": {"deptypes": ["link"]}},
            ],
        },
        "bbb": {"name": "zlib", "version": "1.3.1", "parameters": {}},
        "ccc": {
            "name": "gcc",
            "version": "13.2.0",
            "parameters": {"bootstrap": True},
            "dependencies": [{"name": "gcc", "hash": "ddd", "parameters": {"deptypes": ["build"]}}],
        },
        "ddd": {"name": "gcc", "version": "12.2.0", "external": {"path": "/usr"}, "parameters": {}},
    },
}


def database(root: Path | str = "/shared-image") -> str:
    installs = {
        key: {"installed": True, "path": f"{root}/{name}"} for key, name in (("aaa", "openmpi"), ("ccc", "gcc"))
    }
    return json.dumps({"database": {"installs": installs}})


def test_what_somebody_asked_for_is_offered_with_what_made_it() -> None:
    mpi, gcc = externals.from_documents(json.dumps(LOCK), database())
    assert mpi == Offer(
        "openmpi@4.1.4",
        "openmpi",
        "4.1.4",
        "build_system=autotools ~cuda fabrics=ofi,ucx",
        "/shared-image/openmpi",
        "gcc@13.2.0",
    )
    assert (gcc.label, gcc.compiler, gcc.exact) == ("gcc@13.2.0", "", "gcc@=13.2.0")


def chosen(spec: str, name: str, version: str, **more: Any) -> dict[str, Any]:
    """A package of an environment."""
    return {
        "spec": spec,
        "name": name,
        "version": version,
        "explicit": True,
        "origin": "source",
        "prefix": "/x",
        **more,
    }


def test_an_image_gets_all_that_is_named_or_it_is_said() -> None:
    good = [
        chosen("cmake@3.24 %gcc@12", "cmake", "3.24.1"),
        chosen("builtin.zlib", "zlib", "1.3"),
        chosen("perl@5", "perl", "5.36.0", explicit=False, origin="external", prefix="/usr"),
    ]
    assert image_lacks(good) == []
    bad = [
        chosen("gcc", "gcc", "12.2.0", origin="external", prefix="/usr"),
        chosen("mpi@3:", "openmpi", "5.0.10"),
    ]
    assert image_lacks([*good, *bad]) == [
        "gcc would be gcc@12.2.0 of /usr, which no image gets: ask for another version, or leave it out",
        "mpi@3: is no package but what several provide, openmpi@5.0.10 among them: write that one",
    ]
    broken: list[Any] = [[{}], [1], 1]
    for wrong in broken:
        with pytest.raises(AnsibleFilterError, match="takes packages of an environment"):
            image_lacks(wrong)


def test_settings_name_compilers_that_spack_knows_and_build_nothing() -> None:
    mpi, gcc = externals.from_documents(json.dumps(LOCK), database())
    detected = {**SYSTEM, "spec": "gcc@13.2.0 languages:='c,c++'", "prefix": "/shared-image/gcc"}
    found = externals.settings(externals.with_compilers([mpi, gcc], [detected]), [SYSTEM], [], says_compiler=True)
    assert found["gcc"] == {"buildable": False, "externals": [SYSTEM, detected]}
    (entry,) = found["openmpi"]["externals"]
    assert entry["spec"].endswith(" %gcc@13.2.0")
    (entry,) = externals.settings([mpi], [SYSTEM], [], says_compiler=True)["openmpi"]["externals"]
    assert "%" not in entry["spec"]
    (entry,) = externals.settings([mpi, gcc], [], [], says_compiler=False)["openmpi"]["externals"]
    assert "%" not in entry["spec"]


@pytest.mark.parametrize(
    ("asked", "said"),
    [([], True), (["gcc@13.2.0"], True), (["gcc@13"], True), (["gcc@12"], False), (["gcc@13.2.0", "gcc@12"], False)],
)
def test_who_made_an_external_is_said_where_nothing_else_is_required(asked: list[str], said: bool) -> None:
    offers = externals.from_documents(json.dumps(LOCK), database())
    (entry,) = externals.settings(offers, [SYSTEM], asked, says_compiler=True)["openmpi"]["externals"]
    assert (" %gcc@13.2.0" in entry["spec"]) is said


def test_two_compilers_of_one_name_are_not_said() -> None:
    offers = externals.from_documents(json.dumps(LOCK), database())
    same = {**SYSTEM, "spec": "gcc@13.2.0 languages:=c"}
    (entry,) = externals.settings(offers, [same], [], says_compiler=True)["openmpi"]["externals"]
    assert "%" not in entry["spec"]


def test_the_compiler_of_the_system_is_known_once() -> None:
    found = externals.settings([externals.from_detected(SYSTEM)], [SYSTEM], [], says_compiler=True)
    assert found["gcc"]["externals"] == [SYSTEM]


def test_what_is_missing_is_named_with_what_there_is() -> None:
    there = [Offer("", "openmpi", "4.1.6", "+cuda", "/opt/openmpi"), Offer("", "zlib", "1.3", "", "/opt/zlib")]
    with pytest.raises(ImageError) as caught:
        externals.chosen(["openmpi@4.1.4", "r@4.2.0", "zlib"], there, [[], [], [1]], "The image ami-1", there)
    said = str(caught.value)
    assert said.startswith("The image ami-1 does not have openmpi@4.1.4, r@4.2.0 (software.in_ami).")
    assert "Found of these packages: openmpi@4.1.6 +cuda; zlib@1.3." in said


def test_a_compiler_without_programs_is_refused() -> None:
    _mpi, gcc = externals.from_documents(json.dumps(LOCK), database())
    with pytest.raises(ImageError, match="Spack finds no compiler in /shared-image/gcc"):
        externals.with_compilers([gcc], [SYSTEM])


class Answers:
    """In place of Spack, whose word on what fits is a text that begins the same; and in place of the host."""

    def __init__(
        self, found: Sequence[Sequence[Mapping[str, Any]]] = (), says: Mapping[str, str] | None = None
    ) -> None:
        self.found = found
        self.says = says or {}
        self.question: dict[str, Any] = {}

    def inside(self, _script: Any, question: Mapping[str, Any]) -> dict[str, Any]:
        self.question = dict(question)
        every = [*question["offered"], *(one["spec"] for group in self.found for one in group)]
        fits = [[i for i, one in enumerate(every) if one.startswith(text)] for text in question["wanted"]]
        return {"found": self.found, "fits": fits, "version": [1, 2]}

    def call(self, argv: Sequence[str]) -> tuple[int, str, str]:
        return 0, self.says.get(argv[-1], ""), ""


def wanted(root: Path, *specs: str, **more: Any) -> externals_api.Wanted:
    given = {"fingerprint": FINGERPRINT, "mount_dir": str(root), "image_id": "", "beside": [SYSTEM], **more}
    return externals_api.Wanted(specs=specs, **given)


@pytest.fixture
def image(tmp_path: Path) -> Path:
    (tmp_path / ".petal").mkdir()
    for name in ("spack/opt/.spack-db", "openmpi", "gcc"):
        (tmp_path / name).mkdir(parents=True)
    lock = json.dumps(LOCK)
    digest = f"sha256:{hashlib.sha256(lock.encode()).hexdigest()}"
    manifest = {"fingerprint": FINGERPRINT, "locks": {".petal/spack.lock": digest}}
    (tmp_path / ".petal/manifest.json").write_text(json.dumps(manifest))
    (tmp_path / ".petal/spack.lock").write_text(lock)
    (tmp_path / "spack/opt/.spack-db/index.json").write_text(database(tmp_path))
    return tmp_path


def test_an_image_of_ours_is_read_by_its_documents(image: Path) -> None:
    compiler = {**SYSTEM, "spec": "gcc@13.2.0 languages:=c", "prefix": str(image / "gcc")}
    answers: Any = Answers([[compiler]])
    found = externals_api.ask(answers, answers, wanted(image, "gcc@13.2.0", "openmpi@4.1.4"))
    assert answers.question["detect"] == [(["gcc"], [f"{image}/gcc/bin"])]
    assert found["specs"] == ["gcc@=13.2.0", "openmpi@=4.1.4"]
    assert found["prefixes"] == [f"{image}/gcc", f"{image}/openmpi"]
    assert found["requires"][0]["path"] == f"{image}/.petal/image-{'ab' * 32}"
    assert not found["packages"]["openmpi"]["buildable"]


def test_an_image_that_is_not_as_it_was_built_is_refused(image: Path) -> None:
    answers: Any = Answers()
    with pytest.raises(ImageError, match=r"has the software sha256:ab.* is for an image with sha256:00"):
        externals_api.ask(answers, answers, wanted(image, "openmpi", fingerprint="sha256:" + "00" * 32))
    (image / ".petal/spack.lock").write_text("{}")
    with pytest.raises(ImageError, match=r"spack\.lock is not what the image was built with"):
        externals_api.ask(answers, answers, wanted(image, "openmpi"))
    (image / ".petal/manifest.json").write_text("[]")
    with pytest.raises(ImageError, match=r"has no software of petal\.hpc"):
        externals_api.ask(answers, answers, wanted(image, "openmpi"))


def test_what_the_documents_name_is_there(image: Path) -> None:
    (image / "openmpi").rmdir()
    answers: Any = Answers([[{**SYSTEM, "spec": "gcc@13.2.0", "prefix": str(image / "gcc")}]])
    with pytest.raises(ImageError, match="no such directory is there"):
        externals_api.ask(answers, answers, wanted(image, "openmpi@4.1.4"))


def test_a_name_that_several_provide_is_none_of_a_package(image: Path) -> None:
    every = ["openmpi", "mpich", "cray-mpich", "hpcx-mpi", "mpt", "mvapich", "spectrum-mpi"]
    answers: Any = Answers()
    answers.inside = lambda *_asked: {"providers": {"mpi": every, "java": ["openjdk"]}}
    with pytest.raises(ImageError) as caught:
        externals_api.ask(answers, answers, wanted(image, "mpi", "java", fingerprint="", image_id="ami-1"))
    said = "names java (openjdk), mpi (openmpi, mpich, cray-mpich, hpcx-mpi, mpt, mvapich, …): no package, but what"
    assert said in str(caught.value)


def test_an_image_of_somebody_else_is_asked_by_its_own_spack_and_looked_through(image: Path) -> None:
    (image / "bin").mkdir()
    (image / "bin/spack").touch()
    says = {
        "unset -f spack; command -v spack": f"Welcome\n{image}/bin/spack\n",
        "openmpi@4 +cuda": f"openmpi\t4.1.4\t{image}/openmpi\n",
        "cmake": "cmake\t3.20\t/elsewhere\n",
    }
    cmake = {"spec": "cmake@3.24.1", "prefix": "/usr"}
    answers: Any = Answers([[cmake]], says)
    asked = wanted(image, "openmpi@4 +cuda", "cmake@3.24", fingerprint="", image_id="ami-1")
    found = externals_api.ask(answers, answers, asked)
    ((names, paths),) = answers.question["detect"]
    assert names == ["cmake"] and "/usr/local/bin" in paths and "/usr/bin" not in paths
    assert found["packages"]["openmpi"]["externals"] == [{"spec": "openmpi@4.1.4 +cuda", "prefix": f"{image}/openmpi"}]
    assert found["packages"]["cmake"]["externals"] == [cmake]
    assert found["requires"] == []
    with pytest.raises(ImageError, match=r"ami-1 does not have cmake@3\.30.*cmake@3\.20; cmake@3\.24\.1"):
        externals_api.ask(answers, answers, wanted(image, "cmake@3.30", fingerprint="", image_id="ami-1"))
