"""The profile of a volume: what it gives to shells and to the scripts that they start, and what it leaves alone."""

from __future__ import annotations

import shutil
import subprocess
import sys
from dataclasses import dataclass
from pathlib import Path

import pytest
from jinja2 import Environment, FileSystemLoader, StrictUndefined
from playing import ROOT

SHELLCHECK = Path(sys.executable).with_name("shellcheck")
TEMPLATES = ("petal.sh", "petal.csh", "petal.bash_env")
#: Shells that read petal.sh, and those that read petal.csh. What a machine does not have is passed over.
SH = ("sh", "bash", "dash", "zsh", "ksh", "ksh93", "mksh")
CSH = ("csh", "tcsh")
JOB = '#!/bin/bash\nmodule load tool\necho "mine=${MINE-}"\n'


@dataclass(frozen=True)
class Volume:
    """A volume's profile, a Lmod that only says what it is asked, and a job script."""

    path: Path

    def run(self, shell: str, *lines: str, **environment: str) -> list[str]:
        """Source the profile in a shell and run lines; what they say, errors included."""
        program = shutil.which(shell)
        if program is None:
            pytest.skip(f"no {shell} on this machine")
        name = "petal.csh" if shell in CSH else "petal.sh"
        word = "source" if shell in CSH else "."
        script = self.path / "script"
        script.write_text("\n".join([f"{word} {self.path}/etc/profile.d/{name}", *lines]) + "\n")
        done = subprocess.run(
            [program, *(["-f"] if shell in (*CSH, "zsh") else []), str(script)],
            env={"PATH": "/usr/bin:/bin", "HOME": str(self.path), **environment},
            stdout=subprocess.PIPE,
            stderr=subprocess.STDOUT,
            text=True,
            check=False,
        )
        return done.stdout.splitlines()


@pytest.fixture
def volume(tmp_path: Path) -> Volume:
    init = {name: str(tmp_path / "share" / "lmod" / "lmod" / "init" / name) for name in ("sh", "bash", "zsh", "csh")}
    for directory in ("share/lmod/lmod/init", "modules/Core", "etc/lmod", "etc/profile.d"):
        (tmp_path / directory).mkdir(parents=True)
    (tmp_path / "etc" / "lmod" / "lmodrc.lua").touch()
    for name, file in init.items():
        says = f"echo module of {name}: $*"
        text = f"LMOD_CMD=here; export LMOD_CMD\nmodule() {{ {says}; }}\n"
        Path(file).write_text("alias module 'echo module of csh: \\!*'\n" if name == "csh" else text)
    loader = FileSystemLoader(ROOT / "roles" / "software_volume" / "templates")
    # As Ansible does: what is included ends without its last newline. A shell script is no web page.
    templates = Environment(loader=loader, trim_blocks=True, undefined=StrictUndefined)
    for name in TEMPLATES:
        text = templates.get_template(f"{name}.j2").render(
            software_volume_mount_dir=str(tmp_path),
            software_volume_module_paths=[str(tmp_path / "modules" / "Core")],
            software_volume_lmod_init=init,
        )
        (tmp_path / "etc" / "profile.d" / name).write_text(text)
    (tmp_path / "job").write_text(JOB)
    (tmp_path / "job").chmod(0o755)
    return Volume(tmp_path)


@pytest.mark.parametrize("name", ["petal.sh", "petal.bash_env"])
def test_shellcheck_finds_nothing(volume: Volume, name: str) -> None:
    kind = "bash" if name == "petal.bash_env" else "sh"
    file = str(volume.path / "etc" / "profile.d" / name)
    # The files that are sourced are not there for it to read.
    command = [str(SHELLCHECK), f"--shell={kind}", "--exclude=SC1090,SC1091", file]
    done = subprocess.run(command, capture_output=True, text=True, check=False)
    assert done.returncode == 0, done.stdout


@pytest.mark.parametrize("shell", (*SH, *CSH))
def test_a_bash_script_has_module_whatever_shell_starts_it(volume: Volume, shell: str) -> None:
    expected = ["module of bash: load tool", "mine="]
    assert volume.run(shell, f"{volume.path}/job") == expected
    assert volume.run(shell, f"bash -eu {volume.path}/job") == expected


@pytest.mark.parametrize("shell", (*SH, *CSH))
@pytest.mark.parametrize("before", ["{home}/mine", "$HOME/mine"])
def test_what_was_to_be_read_before_a_bash_script_still_is(volume: Volume, shell: str, before: str) -> None:
    (volume.path / "mine").write_text("MINE=yes\n")
    again = f"{'source' if shell in CSH else '.'} {volume.path}/etc/profile.d/petal.{'csh' if shell in CSH else 'sh'}"
    said = volume.run(shell, again, f"{volume.path}/job", BASH_ENV=before.format(home=volume.path))
    assert said == ["module of bash: load tool", "mine=yes"]


@pytest.mark.parametrize("before", ["/not/there", 'a"b', "$(", "$HOME"])
def test_nothing_is_said_of_what_cannot_be_read(volume: Volume, before: str) -> None:
    said = volume.run("sh", f"bash -e {volume.path}/job", BASH_ENV=before)
    assert said == ["module of bash: load tool", "mine="]


def test_another_module_is_not_replaced_in_scripts(volume: Volume) -> None:
    (volume.path / "mine").write_text("module() { echo mine: $*; }\n")
    said = volume.run("sh", f"{volume.path}/job", BASH_ENV=f"{volume.path}/mine")
    assert said == ["mine: load tool", "mine="]


def test_a_script_without_the_volume_runs(volume: Volume) -> None:
    line = f"rm -r {volume.path}/etc; bash -c 'echo fine'"
    assert volume.run("sh", line) == ["fine"]


@pytest.mark.parametrize("shell", (*SH, *CSH))
def test_settings_of_lmod_that_are_there_are_kept(volume: Volume, shell: str) -> None:
    again = f"{'source' if shell in CSH else '.'} {volume.path}/etc/profile.d/petal.{'csh' if shell in CSH else 'sh'}"
    ours = f"{volume.path}/etc/lmod/lmodrc.lua"
    assert volume.run(shell, again, "echo $LMOD_RC", LMOD_RC="/site/a.lua:/b.lua") == [f"/site/a.lua:/b.lua:{ours}"]
    assert volume.run(shell, again, "echo $LMOD_RC") == [ours]


@pytest.mark.parametrize("shell", (*SH, *CSH))
def test_files_with_names_of_modules_are_a_list_too(volume: Volume, shell: str) -> None:
    again = f"{'source' if shell in CSH else '.'} {volume.path}/etc/profile.d/petal.{'csh' if shell in CSH else 'sh'}"
    ours = f"{volume.path}/etc/lmod/modulerc.lua"
    assert volume.run(shell, again, "env | grep LMOD_MODULERC | sort") == []
    Path(ours).touch()
    assert volume.run(shell, again, "env | grep LMOD_MODULERC | sort") == [f"LMOD_MODULERCFILE={ours}"]
    said = volume.run(shell, again, "env | grep LMOD_MODULERC", LMOD_MODULERCFILE="/a:/b.lua", MODULERCFILE="/c")
    assert said == [f"LMOD_MODULERCFILE=/a:/b.lua:{ours}"]
    assert volume.run(shell, again, "env | grep LMOD_MODULERC", MODULERCFILE="/c") == [f"LMOD_MODULERCFILE=/c:{ours}"]
    # Since 8.7 Lmod looks for another name first.
    said = volume.run(shell, again, "env | grep LMOD_MODULERC | sort", LMOD_MODULERC="/d", LMOD_MODULERCFILE="/a")
    assert said == [f"LMOD_MODULERC=/d:{ours}", f"LMOD_MODULERCFILE=/d:{ours}"]
    # What Lmod would read where nobody names anything.
    defaults = f"{volume.path}/share/lmod/etc/rc"
    Path(defaults).parent.mkdir()
    Path(defaults).touch()
    assert volume.run(shell, again, "echo $LMOD_MODULERCFILE") == [f"{defaults}:{ours}"]
    Path(f"{defaults}.lua").touch()
    assert volume.run(shell, again, "echo $LMOD_MODULERCFILE") == [f"{defaults}.lua:{ours}"]


@pytest.mark.parametrize("shell", ["bash", "dash", *CSH])
def test_who_types_is_told_of_the_processor(volume: Volume, shell: str) -> None:
    said = f"{volume.path}/etc/profile.d/petal.processor"
    Path(said).write_text("echo of the processor >&2\n")
    assert volume.run(shell, "echo fine") == ["fine"]
    program = shutil.which(shell)
    if program is None:
        pytest.skip(f"no {shell} on this machine")
    name = "petal.csh" if shell in CSH else "petal.sh"
    done = subprocess.run(
        [program, *(["-f"] if shell in CSH else []), "-i"],
        input=f"{'source' if shell in CSH else '.'} {volume.path}/etc/profile.d/{name}\nexit\n",
        env={"PATH": "/usr/bin:/bin", "HOME": str(volume.path)},
        capture_output=True,
        text=True,
        check=False,
    )
    assert done.stderr.count("of the processor\n") == 1, done


@pytest.mark.parametrize("shell", ["ksh", "ksh93", "mksh"])
def test_korn_shells_do_not_use_the_functions_of_others(volume: Volume, shell: str) -> None:
    """Lmod's own for ksh have `local`, which ksh93 does not know: an error at each call."""
    profile = f". {volume.path}/etc/profile.d/petal.sh"
    said = volume.run(shell, "module() { local x; echo of the system; }", profile, "module load tool")
    assert said == ["module of sh: load tool"]


# -- Spack


SETUP = """echo set up
_spack_shell_wrapper() { echo "spack $*"; }
spack() { _spack_shell_wrapper "$@"; }
"""


@pytest.fixture
def with_spack(volume: Volume) -> Volume:
    """A volume with a Spack that says what it is asked, and when it was set up."""
    for name, text in {
        "bin/spack": "#!/bin/sh\necho bin $*\n",
        "var/petal/python/bin/python3": "#!/bin/sh\n",
        "share/spack/setup-env.sh": SETUP,
        "share/spack/setup-env.csh": "echo set up\n",
        "share/spack/csh/spack.csh": "echo spack $_sp_args\n",
    }.items():
        path = volume.path / "spack" / name
        path.parent.mkdir(parents=True, exist_ok=True)
        path.write_text(text)
        path.chmod(0o755)
    return volume


@pytest.mark.parametrize("shell", (*SH, *CSH))
def test_spack_is_a_command_and_gets_ready_when_it_is_called(with_spack: Volume, shell: str) -> None:
    root = with_spack.path / "spack"
    again = (
        f"{'source' if shell in CSH else '.'} {with_spack.path}/etc/profile.d/petal.{'csh' if shell in CSH else 'sh'}"
    )
    said = with_spack.run(shell, again, "echo $SPACK_ROOT $SPACK_PYTHON", "spack find -l zlib")
    assert said == [f"{root} {root}/var/petal/python/bin/python3", "set up", "spack find -l zlib"]


@pytest.mark.parametrize("shell", SH)
def test_spack_is_set_up_once_in_a_shell(with_spack: Volume, shell: str) -> None:
    assert with_spack.run(shell, "spack find", "spack arch") == ["set up", "spack find", "spack arch"]


@pytest.mark.parametrize("shell", (*SH, *CSH))
def test_a_bash_script_has_spack_whatever_shell_starts_it(with_spack: Volume, shell: str) -> None:
    (with_spack.path / "job").write_text("#!/bin/bash\nset -eu\nspack find\n")
    expected = ["set up", "spack find"]
    assert with_spack.run(shell, f"{with_spack.path}/job") == expected
    # Whose path has it already, as of a shell in which it was used.
    path = f"{with_spack.path}/spack/bin:/usr/bin:/bin"
    assert with_spack.run(shell, f"{with_spack.path}/job", PATH=path) == expected


@pytest.mark.parametrize("shell", (*SH, *CSH))
def test_a_spack_of_ones_own_is_left_alone(with_spack: Volume, shell: str) -> None:
    own = with_spack.path / "own"
    (own / "bin").mkdir(parents=True)
    (own / "bin" / "spack").write_text("#!/bin/sh\necho own $*\n")
    (own / "bin" / "spack").chmod(0o755)
    environment = {"PATH": f"{own}/bin:/usr/bin:/bin", "SPACK_ROOT": str(own)}
    lines = ["spack find", "echo $SPACK_ROOT", f"{with_spack.path}/job"]
    (with_spack.path / "job").write_text("#!/bin/bash\nspack arch\n")
    assert with_spack.run(shell, *lines, **environment) == ["own find", str(own), "own arch"]


def test_what_cannot_be_set_up_is_not_tried_for_ever(with_spack: Volume) -> None:
    (with_spack.path / "spack" / "share" / "spack" / "setup-env.sh").write_text("return 0\n")
    said = with_spack.run("bash", "spack find")
    assert len(said) == 1
    assert "command not found" in said[0]


@pytest.mark.parametrize("shell", (*SH, *CSH))
def test_without_spack_on_the_volume_there_is_none(volume: Volume, shell: str) -> None:
    assert "not found" in volume.run(shell, "spack find")[-1]
