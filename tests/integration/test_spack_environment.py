"""Spack environments with the real Spack: solved, installed, killed, joined, refused, taken from a cache."""

from __future__ import annotations

import json
import os
import re
import signal
import subprocess
from collections.abc import Iterator
from pathlib import Path
from typing import Any

import pytest
from modules import start_module
from pages import blocks, blocks_of
from playing import ANSIBLE_PLAYBOOK, environment
from spack_lab import (
    Lab,
    fail,
    kill,
    made_at,
    members,
    origins,
    read,
    run,
    wait_for,
    warnings,
    write_compiler,
)


@pytest.fixture(scope="module")
def lab(tmp_path_factory: pytest.TempPathFactory) -> Iterator[Lab]:
    yield from made_at(tmp_path_factory.mktemp("spack"))


@pytest.fixture(scope="module")
def lab_with_compiler(tmp_path_factory: pytest.TempPathFactory) -> Iterator[Lab]:
    """A lab of its own: what follows is not to be built with that compiler."""
    for lab in made_at(tmp_path_factory.mktemp("compiler")):
        write_compiler(lab)
        yield lab


def test_check_mode_then_installed_then_nothing_changes(lab: Lab) -> None:
    lab.forget("first", "tree")
    given = lab.arguments("first", "tree@2.1.0")
    planned = run(check=True, **given)
    assert planned["changed"]
    # What only other tests can have left here.
    shared = {name: origins(planned).get(name) for name in ("compiler-wrapper", "gcc-runtime")}
    assert origins(planned) == {**shared, "tree": "source"}
    assert set(shared.values()) <= {"source", "installed"}
    assert not lab.environment("first").exists()
    assert not list(lab.tree.rglob("tree-2.1.0-*"))

    made = run(**given)
    assert made["changed"]
    assert made["environment"]["finished"]
    assert made["environment"]["solves"] == 1
    tree = made["environment"]["packages"][-1]
    assert (tree["name"], tree["version"], tree["origin"], tree["explicit"]) == ("tree", "2.1.0", "source", True)
    assert tree["seconds"] > 0
    assert subprocess.run([f"{tree['prefix']}/bin/tree", "--version"], check=True, capture_output=True).stdout

    asked = lab.calls()
    again = run(**given)
    assert lab.calls() == asked, "Spack need not be asked"
    assert not again["changed"]
    assert again["environment"]["packages"] == made["environment"]["packages"]
    assert not run(check=True, **given)["changed"]


def test_a_killed_installation_goes_on(lab: Lab) -> None:
    lab.forget("killed", "petal-quick")
    given = lab.arguments("killed", "petal-last")
    first = run(**{**given, "wait_s": 0})
    assert not first["environment"]["finished"]
    # The program before the slow one is finished, and Spack has not yet written that down.
    wait_for(lambda: "petal-slow@1.0 build" in lab.log("killed"))
    assert "petal-quick" in lab.log("killed").partition("[+]")[2]
    kill(members(lab.session("killed")))
    assert b"petal-quick" not in read(lab.tree / ".spack-db" / "index.json")
    assert lab.builds() == ["quick"]

    done = run(**given)
    assert done["changed"]
    assert done["environment"]["finished"]
    assert done["environment"]["pruned"]
    assert lab.builds() == ["quick", "slow", "last"]
    found = {item["name"]: item for item in done["environment"]["packages"]}
    assert found["petal-quick"]["origin"] == "source"
    assert done["progress"]["done"] == done["progress"]["total"]
    assert not run(**given)["changed"]


def test_a_killed_controller_loses_nothing(lab: Lab) -> None:
    given = lab.arguments("killed", "petal-last")
    run(**given)
    lab.forget("killed", "petal-slow")
    controller = start_module("spack_environment", **given)
    wait_for(lambda: "petal-slow@1.0 build" in lab.log("killed"))
    session = lab.session("killed")
    os.killpg(controller.pid, signal.SIGKILL)
    controller.communicate()
    assert session in members(session)
    for pid in members(session):
        assert b"PETAL_DETACHED=1" in Path(f"/proc/{pid}/environ").read_bytes()

    running = run(**{**given, "wait_s": 0})
    assert lab.session("killed") == session
    assert not running["environment"]["finished"]
    assert "petal-slow@1.0 build" in running["progress"]["item"]
    done = run(**{**given, "state": "finished"})
    assert done["changed"]
    assert done["environment"]["finished"]
    assert lab.builds() == ["slow", "last"]


def test_a_package_that_does_not_compile(lab: Lab) -> None:
    given = lab.arguments("broken", "petal-broken", "petal-quick")
    failed = fail(**given)
    message = failed["msg"]
    assert message.startswith("petal-broken@1.0 did not build on ")
    assert "in its phase build" in message
    assert "error: 'nothing' undeclared" in message.replace("\u2018", "'").replace("\u2019", "'")
    assert "__spack_path_placeholder__" not in message
    (failure,) = failed["environment"]["failed"]
    assert (failure["package"], failure["phase"]) == ("petal-broken", "build")
    assert failure["log"] in message
    assert failure["tail"] in Path(failure["log"]).read_text() or failure["tail"]
    # It is tried again, not remembered.
    assert "petal-broken@1.0 did not build" in fail(**given)["msg"]


def test_what_spack_refuses(lab: Lab) -> None:
    message = fail(**lab.arguments("refused", "petal-quick@99"))["msg"]
    assert message.startswith("Spack refuses the specs of the environment refused, nothing was built: ")
    assert "petal-quick@99" in message
    assert "Traceback" not in message
    assert "name '../x' is not allowed" in fail(**lab.arguments("../x", "petal-quick"))["msg"]


def builds_of(result: dict[str, Any], name: str) -> list[str]:
    """Hashes of the builds of a package, each of which is there."""
    packages = [item for item in result["environment"]["packages"] if item["name"] == name]
    assert all(Path(item["prefix"], "bin", name).is_file() for item in packages)
    return [item["hash"] for item in packages]


def test_builds_of_one_package_stand_side_by_side(lab: Lab) -> None:
    specs = ["petal-quick~extra", "petal-quick+extra", "petal-side ^petal-quick~extra"]
    given = lab.arguments("side", *specs)
    done = run(**given)
    assert done["environment"]["finished"]
    assert done["environment"]["solves"] == 1
    assert warnings(done) == []
    plain, extra = sorted(builds_of(done, "petal-quick"))
    assert plain != extra
    assert len(builds_of(done, "petal-side")) == 1
    assert [item["explicit"] for item in done["environment"]["packages"] if item["name"] == "petal-quick"] == [
        True,
        True,
    ]
    assert not run(**given)["changed"]


def test_what_only_recipes_exclude_is_told(lab: Lab) -> None:
    done = run(**lab.arguments("deep", "petal-side+extra", "petal-slow ^petal-quick~extra", wait_s=120))
    assert done["environment"]["finished"]
    assert done["environment"]["solves"] == 3
    assert len(builds_of(done, "petal-quick")) == 2
    (told,) = warnings(done)
    assert "several builds of petal-quick 1.0, 1.0." in told


def test_a_time_out_ends_the_session(lab: Lab) -> None:
    given = lab.arguments("endless", "petal-endless")
    failed = fail(**given, timeout=5)
    assert "after its time-out of 5 s" in failed["msg"]
    assert "It was at work on petal-endless@1.0." in failed["msg"]
    assert not [pid for pid in Path("/proc").glob("[0-9]*") if b"sleep\x00300" in read(pid / "cmdline")]


def test_other_specs_end_the_old_installation(lab: Lab) -> None:
    run(**lab.arguments("endless", "petal-endless", wait_s=0))
    session = lab.session("endless")
    assert members(session)
    # Specs that are refused do no harm to it.
    fail(**lab.arguments("endless", "petal-quick@99"))
    assert members(session)
    done = run(**lab.arguments("endless", "petal-quick"))
    assert done["environment"]["finished"]
    assert not members(session)


def test_how_far_it_is(lab: Lab) -> None:
    def ask(name: str) -> dict[str, Any]:
        before = {path: path.stat().st_mtime_ns for path in lab.work_dir.glob("envs/**")}
        found = run(**{**lab.arguments(name), "specs": None, "state": "status"})
        assert not found["changed"]
        assert {path: path.stat().st_mtime_ns for path in lab.work_dir.glob("envs/**")} == before
        return found

    run(**lab.arguments("first", "tree@2.1.0"))
    fail(**lab.arguments("broken", "petal-broken", "petal-quick"))
    assert ask("nobody")["status"] == "absent"
    finished = ask("first")
    assert (finished["status"], finished["environment"]["finished"]) == ("finished", True)
    assert origins(finished)["tree"] == "source"
    failed = ask("broken")
    assert failed["status"] == "failed"
    assert [item["package"] for item in failed["environment"]["failed"]] == ["petal-broken"]
    assert "petal-broken@1.0 failed" in failed["log_tail"]

    run(**lab.arguments("asked", "petal-endless", wait_s=0))
    wait_for(lambda: "petal-endless@1.0 build" in lab.log("asked"))
    session = lab.session("asked")
    # Somebody waits for it meanwhile.
    waiting = start_module("spack_environment", **lab.arguments("asked", "petal-endless"))
    running = ask("asked")
    assert waiting.poll() is None
    assert (running["status"], running["environment"]["finished"]) == ("running", False)
    assert running["progress"]["item"] == "petal-endless@1.0 build"
    assert running["progress"]["done"] == running["progress"]["total"] - 1
    assert "petal-endless@1.0 build" in running["log_tail"]
    kill([*members(session), waiting.pid])
    waiting.communicate()
    assert ask("asked")["status"] == "stopped"
    assert not members(session)


def test_from_a_cache_but_for_what_shall_be_built(lab: Lab) -> None:
    url = f"file://{lab.root}/cache"
    cache = {"url": url, "source": False, "binary": True, "signed": False}
    run(**lab.arguments("uncached", "petal-last"))
    hashes = [f"/{item}" for item in lab.spack("find", "--format", "{hash:32}", "petal-last", "petal-slow").split()]
    lab.spack("buildcache", "push", "--unsigned", "--update-index", "--with-build-dependencies", url, *hashes)
    lab.forget("cached", "petal-slow")
    lab.mirrors(cache=cache)
    given = lab.arguments("cached", "petal-last", build_from_source=["petal-slow"])
    try:
        planned = run(check=True, **given)
        done = run(**given)
    finally:
        lab.mirrors()
    assert origins(planned)["petal-last"] == "cache"
    assert origins(planned)["petal-slow"] == "source"
    assert origins(done)["petal-last"] == "cache"
    assert origins(done)["petal-slow"] == "source"
    assert lab.builds() == ["slow"]


def test_what_cannot_be_moved_to_a_longer_prefix_is_built(lab: Lab) -> None:
    done = run(**lab.arguments("rooted", "petal-rooted"))
    url = f"file://{lab.root}/rooted"
    hashes = [f"/{item}" for item in lab.spack("find", "--format", "{hash:32}", "petal-rooted").split()]
    lab.spack("buildcache", "push", "--unsigned", "--update-index", "--with-build-dependencies", url, *hashes)
    lab.mirrors(cache={"url": url, "source": False, "binary": True, "signed": False})
    settings = lab.site / "config.yaml"
    before = json.loads(settings.read_text())

    def elsewhere(length: int) -> dict[str, Any]:
        # In another directory: to more padding in the same one Spack moves nothing that has an RPATH.
        install_tree = {"root": str(lab.root / f"volume-{length}" / "opt"), "padded_length": length}
        settings.write_text(json.dumps({"config": {**before["config"], "install_tree": install_tree}}))
        (lab.root / "builds").unlink(missing_ok=True)
        return run(**lab.arguments(f"elsewhere-{length}", "petal-rooted"))

    def place(result: dict[str, Any]) -> str:
        prefix = result["environment"]["packages"][-1]["prefix"]
        said = subprocess.run([f"{prefix}/bin/petal-rooted"], check=True, capture_output=True, text=True).stdout.strip()
        assert Path(said).samefile(prefix)
        return str(prefix)

    try:
        shorter = elsewhere(110)
        assert set(origins(shorter).values()) == {"cache"}
        assert lab.builds() == []
        assert warnings(shorter) == []
        longer = elsewhere(200)
    finally:
        settings.write_text(json.dumps(before))
        lab.mirrors()
    assert len(place(shorter)) < len(place(done)) < len(place(longer))
    assert origins(longer).pop("petal-rooted") == "source"
    assert origins(longer)["petal-quick"] == "cache"
    assert lab.builds() == ["rooted"]
    (told,) = warnings(longer)
    assert told.startswith("petal-rooted@1.0 was built from source although a cache has it")
    assert "longer by 72 characters" in told
    assert not longer["environment"]["failed"]


@pytest.mark.parametrize("version", ["99.0", "9.0"])
def test_a_compiler_comes_first_and_builds_the_rest(lab_with_compiler: Lab, version: str) -> None:
    """Newer than the host's: one environment of two groups. Older: an environment of its own."""
    compiler = f"gcc@{version}"
    given = lab_with_compiler.arguments(f"with-{version}", "petal-slow", compiler, compiler=compiler)
    done = run(**given)
    while not done["environment"]["finished"]:
        done = run(**given)
    packages = {(item["name"], item["version"]): item for item in done["environment"]["packages"]}
    assert packages["gcc", version]["explicit"]
    assert packages["gcc", version]["origin"] == "source"
    spec = json.loads(Path(packages["petal-slow", "1.0"]["prefix"], ".spack", "spec.json").read_text())["spec"]
    (built_by,) = [node["version"] for node in spec["nodes"] if node["name"] == "gcc"][:1]
    assert built_by == version
    again = run(**given)
    assert not again["changed"]
    assert again["environment"]["packages"] == done["environment"]["packages"]


def test_a_spack_that_is_there_and_nothing_else(lab: Lab) -> None:
    """No directory is named: it is one of Spack's own environments."""
    lab.forget("plain", "petal-quick")
    given: dict[str, Any] = {"spack": lab.command, "name": "plain", "specs": ["petal-quick"], "wait_s": 60}
    planned = run(check=True, _ansible_diff=True, **given)
    assert planned["changed"]
    assert "plain" not in lab.spack("env", "list")
    made = run(_ansible_diff=True, **given)
    assert made["environment"]["finished"]
    assert made["diff"]["after"] == planned["diff"]["after"]
    assert re.search(r"^petal-quick@1\.0 /\w{7}$", made["diff"]["after"], re.MULTILINE)
    assert lab.spack("env", "list").split() == ["plain"]
    assert lab.spack("-e", "plain", "find", "--format", "{name}").split()[-1] == "petal-quick"
    assert not run(**given)["changed"]
    assert run(**{**given, "state": "status", "specs": None})["status"] == "finished"

    away: dict[str, Any] = {"spack": lab.command, "name": "plain", "state": "absent"}
    gone = run(check=True, _ansible_diff=True, **away)
    assert (gone["changed"], gone["diff"]["before"], gone["diff"]["after"]) == (True, made["diff"]["after"], "")
    assert lab.spack("env", "list").split() == ["plain"]
    assert run(**away)["changed"]
    assert lab.spack("env", "list").split() == []
    assert not run(**away)["changed"]
    assert run(**{**away, "state": "status"})["status"] == "absent"
    assert "petal-quick" in lab.spack("find", "--format", "{name}"), "packages stay"


def test_an_environment_of_another_is_left_as_it_is(lab: Lab) -> None:
    lab.spack("env", "create", "--without-view", "theirs")
    given: dict[str, Any] = {"spack": lab.command, "name": "theirs"}
    for state in ("present", "status", "absent"):
        message = fail(**given, specs=["petal-quick"], state=state)["msg"]
        assert "an environment at" in message
        assert "that this module has not made" in message
    lab.spack("env", "remove", "--yes-to-all", "theirs")


def test_a_removed_environment_installs_no_more(lab: Lab) -> None:
    lab.forget("endless", "petal-quick")
    run(**lab.arguments("endless", "petal-endless", wait_s=0))
    wait_for(lambda: "petal-endless@1.0 build" in lab.log("endless"))
    session = lab.session("endless")
    assert run(**{**lab.arguments("endless"), "state": "absent"})["changed"]
    assert members(session) == []
    assert not lab.environment("endless").exists()


def test_no_spack_there(tmp_path: Path) -> None:
    given: dict[str, Any] = {"spack": tmp_path / "spack", "name": "none", "specs": ["petal-quick"]}
    for state in ("present", "status", "absent"):
        assert "there is no spack at" in fail(**given, state=state)["msg"]
    assert run(check=True, **given)["changed"]
    assert not run(check=True, **given, state="absent")["changed"]


def test_the_page_as_it_stands(lab: Lab, tmp_path: Path) -> None:
    """Its playbooks and its commands; only the Spack is another one, and what is big is small."""
    lab.forget("tools", "tree")
    lab.forget("overnight", "petal-quick")

    def there(text: str) -> str:
        return text.replace("/opt/spack/bin/spack", str(lab.command)).replace("openmpi@5, samtools", "petal-slow")

    for block in blocks("docs/spack_environment.md"):
        if block.language == "yaml":
            (tmp_path / block.lines[0].removeprefix("# ")).write_text(there("\n".join(block.lines)))
    test = "tests/integration/test_spack_environment.py::test_the_page_as_it_stands"
    printed: list[str] = []
    for block in blocks_of("docs/spack_environment.md", test):
        for command in block.commands:
            done = subprocess.run(
                ["bash", "-c", there(command)],
                cwd=tmp_path,
                env=environment(PATH=f"{ANSIBLE_PLAYBOOK.parent}:/usr/sbin:/usr/bin:/sbin:/bin"),
                stdin=subprocess.DEVNULL,
                capture_output=True,
                text=True,
                check=False,
            )
            assert done.returncode == 0, f"{command}\n{done.stdout}{done.stderr}"
            printed.append(done.stdout)
    planned, made, again, listed, found, loaded, started, waited = printed
    for text in (planned, made):
        assert "changed=1 " in text
        assert re.search(r"^\+tree@2\.1\.0 /\w{7}$", text, re.MULTILINE)
    assert "changed=0 " in again
    assert re.search(r"tree: .*/tree-2\.1\.0-|\"tree\": \".*/tree-2\.1\.0-", again)
    assert listed.split() == ["tools"]
    assert "tree@2.1.0" in found
    assert "tree-2.1.0-" in loaded
    assert "changed=1 " in started
    assert re.search(r"(running|finished): \d+ of \d+", waited)
    assert lab.spack("env", "list").split() == ["tools"]
    assert lab.builds() == ["quick", "slow"]
    assert "RETRYING" not in "".join(printed)


@pytest.mark.parametrize("callback", ["ansible.builtin.default", "petal.hpc.progress"])
def test_any_callback_shows_how_far_it_is(lab: Lab, tmp_path: Path, callback: str) -> None:
    """Once each: a playbook of no phases is shown by petal.hpc.progress as by Ansible's own."""
    lab.forget("shown", "petal-quick")
    given = {**lab.arguments("shown", "petal-last"), "wait_s": 1, "until_finished": True}
    task = {"name": "Have them", "petal.hpc.spack_environment": given}
    book = tmp_path / "book.yml"
    book.write_text(
        json.dumps([{"name": "Install", "hosts": "localhost", "gather_facts": False, "tasks": [task]}], default=str)
    )
    done = subprocess.run(
        [str(ANSIBLE_PLAYBOOK), str(book)],
        env=environment(ANSIBLE_STDOUT_CALLBACK=callback),
        stdin=subprocess.DEVNULL,
        capture_output=True,
        text=True,
        check=False,
    )
    assert done.returncode == 0, done.stdout
    assert re.search(r"^Have them: \d+ of \d+ done after 0:\d\d:\d\d", done.stdout, re.MULTILINE)
    assert done.stdout.count("TASK [Have them]") == 1
    assert "RETRYING" not in done.stdout
