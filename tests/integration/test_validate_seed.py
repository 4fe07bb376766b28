"""validate_seed as users run it: by file and by name, good seeds and bad ones."""

from __future__ import annotations

import json
import subprocess
import time
from pathlib import Path

import pytest
from playing import ROOT, command, environment, finished, play

SEED = "cluster: {name: bio, provider: local, os: rocky9, architecture: x86_64}\nsoftware: {spack_packages: [zlib]}\n"
DIGEST = "sha256:"


@pytest.fixture
def seed(tmp_path: Path) -> Path:
    path = tmp_path / "seed file.yaml"  # with a space, as users have them
    path.write_text(SEED)
    return path


def test_a_good_seed(seed: Path) -> None:
    run = play("validate_seed", seed=seed)
    assert run.rc == 0, run.output
    assert "bio: valid, local, rocky9 x86_64" in run.output
    assert DIGEST in run.output


def test_check_mode_is_the_same(seed: Path) -> None:
    run = play("validate_seed", "--check", seed=seed)
    assert run.rc == 0, run.output
    assert DIGEST in run.output


def test_by_name_and_with_what_it_returns(seed: Path) -> None:
    done = subprocess.run(
        command("petal.hpc.validate_seed", seed=seed),
        cwd=ROOT,
        env=environment(ANSIBLE_SHOW_CUSTOM_STATS="true", ANSIBLE_STDOUT_CALLBACK="ansible.builtin.default"),
        capture_output=True,
        text=True,
        check=True,
    )
    assert "petal_seed_valid" in done.stdout
    assert "petal_fingerprint" in done.stdout


def test_relative_paths_count_from_the_working_directory(seed: Path) -> None:
    run = play(str(ROOT / "playbooks" / "validate_seed.yml"), cwd=seed.parent, seed=seed.name)
    assert run.rc == 0, run.output


def test_a_text_in_a_file_of_variables(seed: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setenv("XDG_CACHE_HOME", str(seed.parent / "cache"))
    of_file = play("validate_seed", seed=seed)
    form = seed.parent / "form.yml"
    form.write_text("seed: |\n" + "".join(f"  {line}\n" for line in SEED.splitlines()))
    done = finished([*command("validate_seed"), "-e", f"@{form}"])
    assert done.rc == 0, done.output
    assert said_of(done.output) == said_of(of_file.output)
    assert [path.read_text() for path in (seed.parent / "cache" / "petal" / "seeds").iterdir()] == [SEED]


def said_of(output: str) -> list[str]:
    """Without how long it took."""
    return [line for line in output.splitlines() if not line.startswith("[")]


def test_every_seed_that_is_shipped() -> None:
    for path in sorted((ROOT / "seeds").glob("*.y*ml")):
        run = play("validate_seed", seed=path)
        assert run.rc == 0, run.output
        assert "WARNING" not in run.output, run.output


def test_warnings_are_shown(seed: Path) -> None:
    seed.write_text(SEED.replace("zlib]", "zlib@develop]"))
    run = play("validate_seed", seed=seed)
    assert run.rc == 0, run.output
    assert "[WARNING]" in run.output
    assert "software.spack_packages[0] (line 2): @develop moves" in " ".join(run.output.split())


BAD = {
    "no seed is named": None,
    "software.spack_package (line 2): this key is unknown": SEED.replace("packages", "package"),
    "did you mean spack_packages?": SEED.replace("packages", "package"),
    'quote it: "3.10"': SEED + "users: [{name: 3.10, uid: 1}]\n",
    "line 1, column 11: this is no valid YAML": "cluster: {",
    "no regular file": Path("/dev/zero"),
    "it is a directory": Path("/"),
    "there is no such file": Path("/nonexistent/seed.yaml"),
    "this is a line of a seed, and no file has such a name": Path("cluster: {name: x}"),
    "it is not UTF-8 text": b"\xff\xfe",
    "tags are not allowed": "a: !!python/object/apply:os.system ['id']",
    "more than 20000 values": "a0: &a0 [x, x]\n"
    + "".join(f"a{i}: &a{i} [*a{i - 1}, *a{i - 1}]\n" for i in range(1, 64)),
    "more than 50 levels": "[" * 100_000,
}


@pytest.mark.parametrize("message", BAD)
def test_a_bad_seed_is_one_clear_error(message: str, seed: Path) -> None:
    content = BAD[message]
    if isinstance(content, str):
        seed.write_text(content)
    elif isinstance(content, bytes):
        seed.write_bytes(content)
    start = time.monotonic()
    run = play("validate_seed", seed=content if isinstance(content, Path) else "" if content is None else seed)
    assert time.monotonic() - start < 30
    assert run.rc == 2, run.output
    assert message in run.output
    assert "Traceback" not in run.output


def test_without_a_seed_there_is_one_clear_error() -> None:
    run = play("validate_seed")
    assert run.rc == 2
    assert "no seed is named" in run.output
    assert "-e seed=FILE" in run.output


def test_templates_in_a_seed_are_never_evaluated(seed: Path, tmp_path: Path) -> None:
    mark = tmp_path / "evaluated"
    template = json.dumps(f"{{{{ lookup('ansible.builtin.pipe', 'touch {mark}') }}}}")
    for text in (
        f"cluster: {{name: {template}}}\n",
        f"cluster: {{name: x}}\n{template}: 1\n",
        f"cluster: {{name: x}}\nsoftware: {{spack_packages: [{template}]}}\n",
        f"cluster: {{name: x}}\nsoftware: {{python_environments: [{{name: a, packages: ['x; a == {template}']}}]}}\n",
        "cluster: {name: x}\nsoftware: {python_environments: [{name: a, packages: "
        f"[{json.dumps('x; os_name == ' + repr('{{ lookup(1) }}'))}]}}]}}\n",
    ):
        seed.write_text(text)
        play("validate_seed", seed=seed)
        assert not mark.exists()
