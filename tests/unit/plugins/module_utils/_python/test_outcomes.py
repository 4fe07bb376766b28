# Copyright (c) 2026, petal.hpc contributors
# GNU General Public License v3.0+ (see LICENSE or https://www.gnu.org/licenses/gpl-3.0.txt)
# SPDX-License-Identifier: GPL-3.0-or-later

from __future__ import annotations

from typing import Any

import pytest
from hypothesis import given
from hypothesis import strategies as st

from ansible_collections.petal.hpc.plugins.module_utils._python import outcomes
from ansible_collections.petal.hpc.plugins.module_utils._python.model import (
    Environment,
    Interpreter,
    PythonEnvironmentError,
)
from ansible_collections.petal.hpc.plugins.module_utils._python.outcomes import Distribution

SCI = Environment("sci", "2026.1", ("NumPy==2.2.*", "PyYAML"))
SYSTEM = Interpreter("/usr/bin/python3.11", "3.11.2", "system")


def _archive(file: str, digest: str) -> str:
    return f'{{ url = "https://x.example.org/b3/{file}", size = 2, hashes = {{ sha256 = "{digest * 64}" }} }}'


PYLOCK = f"""lock-version = "1.0"
created-by = "uv"

[[packages]]
name = "numpy"
version = "2.2.6"
sdist = {_archive("numpy-2.2.6.tar.gz", "5")}
wheels = [{
    ", ".join(
        [
            _archive("numpy-2.2.6-cp311-cp311-manylinux_2_17_x86_64.manylinux2014_x86_64.whl", "6"),
            _archive("numpy-2.2.6-cp311-cp311-musllinux_1_2_x86_64.whl#sha256=1", "7"),
        ]
    )
}]

[[packages]]
name = "local"
directory = {{ path = "x" }}
"""
RECORD: dict[str, Any] = {
    "python": SYSTEM.to_dict(),
    "check": ["python", "-c", "import numpy, yaml"],
    "packages": [
        {"name": "numpy", "version": "2.2.6", "hash": "sha256:0", "requested": True},
        {"name": "pyyaml", "version": "6.0", "hash": None, "requested": True},
        {"name": "transitive", "version": "1", "hash": None, "requested": False},
    ],
}


def test_what_is_to_be_built_and_is_not_there() -> None:
    lock = "numpy==2.2.1 \\\n    --hash=sha256:0\nours @ https://example.org/x.tar.gz\n"
    environment = Environment("a", "1", ("numpy",), build=("NumPy", "ours", "nunpy"))
    assert outcomes.idle_builds(environment, lock) == ["nunpy"]


def test_the_lock_says_how_it_is_installed() -> None:
    assert "# Install elsewhere: uv pip sync --require-hashes FILE, or" in outcomes.lock_text(SCI, "d", SYSTEM, "")
    built = Environment("a", "1", ("mpi4py",), build=("mpi4py",))
    assert "pip install --require-hashes --only-binary :all: --no-binary mpi4py -r FILE" in outcomes.lock_text(
        built, "d", SYSTEM, ""
    )


@pytest.mark.parametrize("output", ["", "hello", "[1]", '[{"name": "a"}]', '{"a": 1}', "[" * 100_000])
def test_what_is_installed_cannot_be_read(output: str) -> None:
    with pytest.raises(PythonEnvironmentError, match="cannot be read"):
        outcomes.distributions(output)


@pytest.mark.parametrize(
    ("name", "files", "names"),
    [
        ("numpy", ["numpy/__init__.py", "numpy/linalg/__init__.py", "numpy/tests/__init__.py"], ["numpy"]),
        ("pyyaml", ["yaml/__init__.py", "_yaml/__init__.py"], ["yaml"]),
        ("pillow", ["PIL/__init__.py"], ["PIL"]),
        ("six", ["six.py"], ["six"]),
        ("ipython", ["IPython/__init__.py"], ["IPython"]),
        ("cffi", ["_cffi_backend.cpython-311-x86_64-linux-gnu.so", "cffi/__init__.py"], ["cffi"]),
        (
            "setuptools",
            ["_distutils_hack/__init__.py", "pkg_resources/__init__.py", "setuptools/__init__.py"],
            ["setuptools"],
        ),
        ("biopython", ["Bio/__init__.py", "BioSQL/__init__.py", "Bio/Align/__init__.py"], ["Bio", "BioSQL"]),
        (
            "google-cloud-storage",
            [
                "google/cloud/storage/__init__.py",
                "google/cloud/_storage/__init__.py",
                "google/cloud/storage/_m/__init__.py",
            ],
            ["google.cloud.storage"],
        ),
        ("ruamel-yaml", ["ruamel/yaml/__init__.py"], ["ruamel.yaml"]),
        ("odd", ["tests/__init__.py", "odd_thing/__init__.py"], ["odd_thing"]),
        ("private", ["_private.abi3.so"], ["_private"]),
        ("types-requests", ["requests-stubs/__init__.pyi"], []),
        ("tool", ["../../../bin/tool", "tool-1.0.dist-info/RECORD", "distutils-precedence.pth"], []),
    ],
)
def test_import_names(name: str, files: list[str], names: list[str]) -> None:
    assert outcomes.import_names(Distribution(name, "1", tuple(files))) == names


@given(st.lists(st.text(max_size=20)))
def test_import_names_are_names(files: list[str]) -> None:
    names = outcomes.import_names(Distribution("x", "1", tuple(files)))
    assert all(part.isidentifier() for name in names for part in name.split("."))


def test_check_imports_what_was_asked_for() -> None:
    installed = [
        Distribution("numpy", "2.2.6", ("numpy/__init__.py",)),
        Distribution("pyyaml", "6.0", ("yaml/__init__.py",)),
        Distribution("transitive", "1", ("transitive/__init__.py",)),
    ]
    assert outcomes.check_argv(SCI, installed) == ["python", "-c", "import numpy, yaml"]


def test_check_of_packages_without_anything_to_import() -> None:
    environment = Environment("a", "1", ("types-requests", "left-out; python_version < '3'"))
    installed = [Distribution("types-requests", "1", ("requests-stubs/__init__.pyi",))]
    assert (
        outcomes.check_argv(environment, installed)[2]
        == "import importlib.metadata; importlib.metadata.version('types-requests')"
    )


def test_check_of_an_empty_environment() -> None:
    assert outcomes.check_argv(Environment("a", "1", ()), []) == ["python", "-c", "import sys"]


def test_hash_of_the_archive_that_was_installed() -> None:
    archives = outcomes.archive_hashes(PYLOCK)
    wheel = Distribution(
        "numpy", "2.2.6", (), ("cp311-cp311-manylinux_2_17_x86_64", "cp311-cp311-manylinux2014_x86_64")
    )
    built_here = Distribution("numpy", "2.2.6", (), ("cp311-cp311-linux_x86_64",))
    assert outcomes.installed_hash(wheel, archives["numpy"]) == "sha256:" + "6" * 64
    assert outcomes.installed_hash(built_here, archives["numpy"]) == "sha256:" + "5" * 64
    assert "numpy-2.2.6-cp311-cp311-musllinux_1_2_x86_64.whl" in archives["numpy"]
    assert archives["local"] == {}
    assert outcomes.installed_hash(Distribution("local", "1"), {}) is None


@given(st.text())
def test_any_pylock_is_survived(text: str) -> None:
    outcomes.archive_hashes("[[packages]]\n" + text)


def test_locked() -> None:
    lock = (
        "# header\nnumpy==2.2.6 \\\n    --hash=sha256:00 \\\n    --hash=sha256:11\n    # via -r requirements.in\n"
        "X_y @ https://e.org/x.whl\n"
    )
    assert outcomes.locked(lock) == [("numpy", "2.2.6"), ("x-y", "https://e.org/x.whl")]


def test_manifest() -> None:
    manifest = outcomes.manifest(SCI, RECORD, True)
    assert manifest["module"] == {
        "name": "sci/2026.1",
        "kind": "python",
        "load": ["sci/2026.1"],
        "check": ["python", "-c", "import numpy, yaml"],
        "default": True,
        "summary": "Python 3.11.2 with numpy 2.2.6, pyyaml 6.0",
    }
    numpy = {"name": "numpy", "version": "2.2.6", "manager": "pypi", "hash": "sha256:0", "license": None}
    assert manifest["packages"][0] == numpy
    assert manifest["requires"][0]["path"] == "/usr/bin/python3.11"
    managed = {**RECORD, "python": Interpreter("/shared/envs/.python/x/bin/python3.12", "3.12.1", "managed").to_dict()}
    assert outcomes.manifest(SCI, managed, False)["requires"] == []


def test_summary_of_what_is_not_known_yet() -> None:
    unknown = [{"name": "numpy", "version": None, "hash": None, "requested": True}]
    assert outcomes.summary(SCI, {"packages": unknown}) == "Python with numpy"
    assert outcomes.summary(Environment("a", "1", (), "3.12"), {"packages": []}) == "Python 3.12"
