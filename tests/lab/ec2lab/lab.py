"""The lab's main process inside the sandbox: data first, then the API, then the command that it is for."""

from __future__ import annotations

import os
import signal
import subprocess
import sys
import threading
from pathlib import Path

from ec2lab.data import index, network
from ec2lab.data.disks import Disks
from ec2lab.data.store import Tools, mount_store
from ec2lab.settings import API_PORT, INDEX_PORT, SERVICE_ADDRESS, Settings

# Where the sandbox's own mounts go: a file system that only it sees.
PRIVATE = Path("/mnt")
# moto reads these when it is first imported.
MOTO = {
    "MOTO_ENABLE_KEYPAIR_VALIDATION": "false",
    "MOTO_EC2_ENABLE_INSTANCE_TYPE_VALIDATION": "true",
    "MOTO_EC2_LOAD_DEFAULT_AMIS": "false",
    "MOTO_IAM_LOAD_MANAGED_POLICIES": "false",
}


def serve(settings: Settings) -> None:
    """Make the sandbox a lab. Returns when the API answers. Raises OSError, RuntimeError or CalledProcessError."""
    root = Path(settings.root)
    subprocess.run(["mount", "-t", "tmpfs", "-o", "mode=0755", "lab", PRIVATE], check=True)
    tools = Tools(root, PRIVATE / "tools")
    store = PRIVATE / "store"
    mount_store(tools, store, root.parent, settings.store_gib)
    network.set_up(tools)
    index.serve((SERVICE_ADDRESS, INDEX_PORT), Path(settings.wheels or "/nonexistent"))
    os.environ.update(MOTO)
    for name in list(os.environ):
        if name.startswith("AWS_"):
            del os.environ[name]
    from moto.moto_server.werkzeug_app import DomainDispatcherApplication, MotoRequestHandler, create_backend_app
    from werkzeug.serving import make_server

    from ec2lab.control.backend import install
    from ec2lab.control.gate import Gate
    from ec2lab.control.world import World

    world = World(settings, store, root, Disks(store), network.Network(tools))
    install(world)
    gate = Gate(world, DomainDispatcherApplication(create_backend_app))
    gate.sessions.serve()
    server = make_server(
        SERVICE_ADDRESS,
        API_PORT,
        gate,
        threaded=True,
        request_handler=type("Handler", (MotoRequestHandler,), {"log_request": _quiet}),
    )
    threading.Thread(target=server.serve_forever, daemon=True).start()


def _quiet(*_: object) -> None:
    """The call log says more than werkzeug's lines."""


def let_go() -> None:
    """Unmount the volumes that others have mounted: this namespace began with a copy of each, which would hold them."""
    for line in Path("/proc/mounts").read_text().splitlines():
        device, where = line.split()[:2]
        file = Path("/sys/block", Path(device).name, "loop", "backing_file")
        if device.startswith("/dev/loop") and file.exists() and "/volumes/" in file.read_text():
            subprocess.run(["umount", "--lazy", where], check=False)


def main(argv: list[str]) -> int:
    """Serve, run a command (or wait without one), and end with its status."""
    settings = Settings.from_json(argv[0])
    let_go()
    serve(settings)
    if not argv[1:]:
        sys.stdout.write("ready\n")
        sys.stdout.flush()
        signal.pause()
        return 0
    # Ctrl-C is the command's; the lab ends with it.
    signal.signal(signal.SIGINT, lambda *_: None)  # unlike SIG_IGN not handed down
    try:
        command = subprocess.Popen(argv[1:], env=settings.environment(os.environ))
    except OSError as error:
        sys.stderr.write(f"ec2lab: cannot run {argv[1]}: {error.strerror}\n")
        return 127
    status = command.wait()
    return status if status >= 0 else 128 - status


def bury() -> None:
    """Leave a first process behind that waits for orphans, and ends with this one's status; returns in the other."""
    child = os.fork()
    if child == 0:
        return
    signal.signal(signal.SIGINT, signal.SIG_IGN)
    while True:
        pid, status = os.wait()
        if pid == child:
            os._exit(os.waitstatus_to_exitcode(status) % 256)


if __name__ == "__main__":
    bury()
    status = main(sys.argv[1:])
    sys.stdout.flush()
    # Threads of instances and timers end with the sandbox.
    os._exit(status)
