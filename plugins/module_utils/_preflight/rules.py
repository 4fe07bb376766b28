# Copyright (c) 2026, petal.hpc contributors
# GNU General Public License v3.0+ (see LICENSE or https://www.gnu.org/licenses/gpl-3.0.txt)
# SPDX-License-Identifier: GPL-3.0-or-later

"""What keeps a build from ending well, known before anything is made: a list of small rules over facts."""

from __future__ import annotations

from collections.abc import Callable, Iterator

from ansible_collections.petal.hpc.plugins.module_utils._host.parse import human
from ansible_collections.petal.hpc.plugins.module_utils._preflight.model import COMMANDS, Facts
from ansible_collections.petal.hpc.plugins.module_utils._preflight.room import in_store

Rule = Callable[[Facts], Iterator[str]]
#: What brings a Python library that the controller needs, where it has another name.
CONTROLLER_LIBRARIES = {"cyclonedx": "cyclonedx-python-lib", "botocore": "boto3"}
#: The same of a command.
CONTROLLER_COMMANDS = {"ssh": "openssh-client", "ssh-keygen": "openssh-client"}


def root(facts: Facts) -> Iterator[str]:
    """Loop devices and mounts need it."""
    host = facts.host
    if host and not host.root:
        within = f", and this {host.container} container withholds CAP_SYS_ADMIN" if host.container else ""
        yield (
            f"{host.name}: the build needs root with the right to mount{within}. Run it as root or with "
            "--become, on a host, a virtual machine or in a privileged container."
        )


def commands(facts: Facts) -> Iterator[str]:
    """All that the build will call, at once."""
    host = facts.host
    if host and host.missing:
        packages = sorted({COMMANDS.get(command, command) for command in host.missing})
        yield (
            f"{host.name}: these commands are missing: {', '.join(host.missing)}. "
            f"Install {'the package' if len(packages) == 1 else 'the packages'} {' '.join(packages)}."
        )


def loop_devices(facts: Facts) -> Iterator[str]:
    """A container has them only where it was given them; no package brings them there."""
    host = facts.host
    if not host or not host.loop:
        return
    if host.container:
        advice = (
            f"This is a {host.container} container: start it privileged and with the host's /dev (--privileged "
            "--volume /dev:/dev), or build on a host or in a virtual machine (-e build_host=NAME)."
        )
    else:
        advice = "Load the kernel's module loop (modprobe loop), or take a kernel that has it."
    yield f"{host.name}: there are no loop devices, on which a volume is built ({host.loop}). {advice}"


def ext4(facts: Facts) -> Iterator[str]:
    """The file system of every volume."""
    if facts.host and not facts.host.ext4:
        yield (
            f"{facts.host.name}: the kernel has no ext4, the file system of a volume (/proc/filesystems). Load it "
            "(modprobe ext4) or take a kernel that has it."
        )


def room(facts: Facts) -> Iterator[str]:
    """What cannot fit is not begun."""
    host = facts.host
    store = host.rooms.get("store") if host else None
    if not host or not store or not store.total:
        return
    need = in_store(facts.seed, facts.size_gb, host.kept)
    if store.free < need:
        yield (
            f"{host.name}: the disk with {store.path} has {human(store.free)} free of {human(store.total)}, and this "
            f"seed takes at least {human(need)} there (the volume's image and its snapshot). Free some space "
            "(petal.hpc.list_volumes and delete_volume; petal.hpc.cleanup for what dead builds left), or put the store "
            "on a larger disk (-e store=DIR)."
        )
    for name, place in host.rooms.items():
        if name != "store" and place.is_full and place.device != store.device:
            yield (
                f"{host.name}: the disk with {place.path}, where the build keeps {name}, is full "
                f"({human(place.free)} free of {human(place.total)}). Free some space there."
            )


def libraries(facts: Facts) -> Iterator[str]:
    """Of the controller."""
    controller = facts.controller
    if controller.libraries:
        packages = sorted({CONTROLLER_LIBRARIES.get(library, library) for library in controller.libraries})
        yield (
            f"controller: the Python that runs ansible-playbook lacks {', '.join(controller.libraries)}. "
            f"Install: python -m pip install {' '.join(packages)}."
        )
    if controller.collections:
        yield (
            f"controller: these collections are missing: {', '.join(controller.collections)}. "
            f"Install: ansible-galaxy collection install {' '.join(controller.collections)}."
        )
    if controller.commands:
        packages = sorted({CONTROLLER_COMMANDS.get(command, command) for command in controller.commands})
        yield (
            f"controller: these commands are missing: {', '.join(controller.commands)}. "
            f"Install {' '.join(packages)} (Debian's name)."
        )


#: In the order in which they are said.
RULES: tuple[Rule, ...] = (libraries, root, commands, loop_devices, ext4, room)


def problems(facts: Facts) -> list[str]:
    """All that is wrong, each as one text that says where, what and what to do; empty where a build may begin."""
    return [text for rule in RULES for text in rule(facts)]
