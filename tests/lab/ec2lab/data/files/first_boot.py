"""First start of an instance, as cloud-init sees to it: the login user with the key pair's key, host keys, user data.

It keeps what it has done by the instance's id, so that what an image brings along does not stop it; keys that an image
brings along in authorized_keys stay there.
"""

import contextlib
import json
import os
import pwd
import subprocess
import urllib.error
import urllib.request
from pathlib import Path

METADATA = "http://169.254.169.254/latest"
CLOUD = Path("/var/lib/cloud")


def call(path: str, token: str = "", method: str = "GET") -> str:
    """One request to the metadata service; an empty string where it knows nothing."""
    headers = {"X-aws-ec2-metadata-token": token} if token else {"X-aws-ec2-metadata-token-ttl-seconds": "300"}
    request = urllib.request.Request(f"{METADATA}/{path}", headers=headers, method=method)
    try:
        with urllib.request.build_opener().open(request, timeout=10) as answer:
            return str(answer.read(), "utf-8")
    except urllib.error.HTTPError:
        return ""


def login_user(name: str, key: str) -> None:
    """The image's user, who may become root without a password and logs in with the key pair only."""
    made = False
    with contextlib.suppress(KeyError):
        pwd.getpwnam(name)
        made = True
    if not made:
        subprocess.run(["useradd", "--create-home", "--shell", "/bin/bash", "--groups", "sudo", name], check=True)
    sudoers = Path("/etc/sudoers.d/90-cloud-init-users")
    sudoers.write_text(f"{name} ALL=(ALL) NOPASSWD:ALL\n")
    sudoers.chmod(0o440)
    user = pwd.getpwnam(name)
    ssh = Path(user.pw_dir, ".ssh")
    ssh.mkdir(mode=0o700, exist_ok=True)
    keys = ssh / "authorized_keys"
    with keys.open("a") as file:
        file.write(key.rstrip("\n") + "\n" if key else "")
    keys.chmod(0o600)
    for path in (ssh, keys):
        os.chown(path, user.pw_uid, user.pw_gid)


def main() -> None:
    """Everything that happens once in the life of an instance, and what the console shows of it."""
    token = call("api/token", method="PUT")
    mine = CLOUD / "instances" / call("meta-data/instance-id", token)
    done = mine / "boot-finished"
    if done.exists():
        return
    mine.mkdir(parents=True, exist_ok=True)
    settings = json.loads(Path("/usr/lib/petal-lab/settings.json").read_text())
    for stale in Path("/etc/ssh").glob("ssh_host_*"):
        stale.unlink()
    host_key = Path("/etc/ssh/ssh_host_ed25519_key")
    subprocess.run(["ssh-keygen", "-q", "-t", "ed25519", "-N", "", "-C", "", "-f", host_key], check=True)
    print(
        "-----BEGIN SSH HOST KEY KEYS-----",
        host_key.with_suffix(".pub").read_text().strip(),
        "-----END SSH HOST KEY KEYS-----",
        sep="\n",
        flush=True,
    )
    login_user(settings["user"], call("meta-data/public-keys/0/openssh-key", token))
    user_data = call("user-data", token)
    if user_data.startswith("#!"):
        script = mine / "scripts" / "part-001"
        script.parent.mkdir()
        script.write_text(user_data)
        script.chmod(0o700)
        with Path("/var/log/cloud-init-output.log").open("ab") as log:
            subprocess.Popen([script], stdin=subprocess.DEVNULL, stdout=log, stderr=log, start_new_session=True)
    done.touch()


main()
