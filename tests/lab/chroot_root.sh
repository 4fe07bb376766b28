#!/usr/bin/env bash
# Throw-away Debian hosts for role tests: an overlay on a root that is made once and cached.
#
#   chroot_root.sh root          make the cached root if it is not there; print its path
#                                (PETAL_ROOT_PACKAGES: more packages for it, with commas between them)
#   chroot_root.sh start DIR     a new host with its state in DIR; DIR/enter runs a command on it
#   chroot_root.sh stop DIR      end all its processes and remove DIR
#
# A host is a mount and a process namespace held by one process. Nothing is mounted outside of it, so nothing is left
# behind when that process ends, however it ends. Needs root, and a Debian-like machine for the first root.
set -euo pipefail

self=$(realpath "$0")
cache=${XDG_CACHE_HOME:-$HOME/.cache}/petal/roots
packages=ca-certificates,mount,procps,python3,python3-apt,tcsh,zsh,zstd${PETAL_ROOT_PACKAGES:+,$PETAL_ROOT_PACKAGES}

say() { printf 'chroot_root: %s\n' "$*" >&2; }
die() { say "$*"; exit 1; }

# The distribution's own archives, as this machine's apt is configured to reach them.
sources() {
    apt-get indextargets --format "deb \$(REPO_URI) \$(RELEASE) \$(COMPONENT)|\$(ORIGIN)|\$(TARGET_OF)" 'Created-By: Packages' |
        while IFS='|' read -r line origin of; do
            [ "${origin,,}:$of" != "$ID:deb" ] || echo "$line"
        done | sort -u
}

# Proxies and tolerances of this machine's apt; nothing about caches, languages or hooks.
apt_settings() { apt-config dump | grep -E '^Acquire::(https?::Proxy|Check-|Retries|https::CaInfo)' || true; }

make_root() {
    # shellcheck source=/dev/null
    . /etc/os-release
    command -v apt-get >/dev/null || die "a root is made with apt from this machine's mirrors, and $PRETTY_NAME has none"
    local lines key root
    lines=$(sources)
    # Without its lists apt does not know whose archive is whose.
    [ -n "$lines" ] || { apt-get --quiet update >&2; lines=$(sources); }
    [ -n "$lines" ] || die "found no archive of $ID in this machine's apt sources"
    key=$({ echo "$lines $packages" && apt_settings && cat /usr/local/share/ca-certificates/*.crt; } 2>/dev/null | sha256sum | cut -c1-12)
    root=$cache/$ID${VERSION_ID:-}-$(dpkg --print-architecture)-$key
    mkdir -p "$cache"
    exec 9>"$cache/lock"
    flock 9
    if [ ! -d "$root" ]; then
        command -v mmdebstrap >/dev/null || {
            say "installing mmdebstrap"
            apt-get --quiet install --yes --no-install-recommends mmdebstrap >&2 || die "mmdebstrap is needed: apt-get install mmdebstrap"
        }
        say "making $root (once, about half a minute)"
        rm -rf "$cache"/.new-*
        local new=$cache/.new-$$ certificates=/usr/local/share/ca-certificates hook=true
        if compgen -G "$certificates/*.crt" >/dev/null; then
            hook="mkdir -p \"\$1\"$certificates && cp $certificates/*.crt \"\$1\"$certificates/ && chroot \"\$1\" update-ca-certificates"
        fi
        mmdebstrap --quiet --variant=minbase --include="$packages" --customize-hook="$hook" \
            "$VERSION_CODENAME" "$new" - <<<"$lines" >&2
        apt_settings >"$new/etc/apt/apt.conf.d/90host"
        echo petal-test >"$new/etc/hostname"
        printf '127.0.0.1 localhost petal-test\n' >"$new/etc/hosts"
        mv "$new" "$root"
    fi
    exec 9>&-
    printf '%s\n' "$root"
}

# The process that is the host: it holds the mounts and, as the first process, buries the orphans.
hold() {
    local root=$1 dir=$2 pid
    mount -t overlay overlay -o "lowerdir=$root,upperdir=$dir/upper,workdir=$dir/work" "$dir/merged"
    # Through the outer /proc this is the id by which others enter.
    read -r pid _ </proc/self/stat
    cd "$dir/merged"
    mount -t proc proc proc
    mount -t sysfs sysfs sys
    mount --rbind /dev dev
    mount -t tmpfs tmpfs run
    cat /etc/resolv.conf >etc/resolv.conf
    # Nothing of the machine's own mounts stays in here, where it would hold on to them.
    mkdir -p .outside
    pivot_root . .outside
    cd /
    echo "$pid" >"/.outside$dir/pid.new"
    mv "/.outside$dir/pid.new" "/.outside$dir/pid"
    umount --lazy /.outside
    rmdir /.outside
    while :; do sleep 3600 & wait $!; done
}

start() {
    local dir root pid
    root=$(make_root)
    stop "$1"
    mkdir -p "$1"/{upper,work,merged,bin}
    dir=$(realpath "$1")
    # Ansible's chroot connection wants to see a shell where it thinks the root is.
    ln -s /bin/sh "$dir/bin/sh"
    setsid unshare --mount --pid --fork --kill-child --propagation private "$self" hold "$root" "$dir" </dev/null >"$dir/log" 2>&1 &
    for _ in $(seq 100); do
        [ -s "$dir/pid" ] && break
        sleep 0.1
    done
    [ -s "$dir/pid" ] || die "the host did not start: $(cat "$dir/log")"
    pid=$(cat "$dir/pid")
    # The environment is a host's own: of the caller's only the proxies get in.
    cat >"$dir/enter" <<ENTER
#!/bin/bash
# enter IGNORED COMMAND [ARGUMENT...]
shift
exec nsenter --target=$pid --mount --pid --root --wd -- env -i \\
    PATH=/usr/local/sbin:/usr/local/bin:/usr/sbin:/usr/bin:/sbin:/bin HOME=/root LANG=C.UTF-8 \\
    \${http_proxy:+http_proxy="\$http_proxy"} \${https_proxy:+https_proxy="\$https_proxy"} \${no_proxy:+no_proxy="\$no_proxy"} \\
    "\$@"
ENTER
    chmod 0755 "$dir/enter"
}

stop() {
    local pid
    [ -e "$1" ] || return 0
    if pid=$(cat "$1/pid" 2>/dev/null) && [ -e "/proc/$pid/root" ] && tr '\0' ' ' <"/proc/$pid/cmdline" | grep -qF "$(realpath "$1")"; then
        kill -KILL "$pid"
        for _ in $(seq 50); do
            [ -e "/proc/$pid" ] || break
            sleep 0.1
        done
    fi
    rm -rf "$1"
}

[ "$(id -u)" = 0 ] || die "role tests make hosts of their own and need root (sudo)"
case ${1:-}:$# in
    root:1) make_root ;;
    start:2) start "$2" ;;
    stop:2) stop "$2" ;;
    hold:3) hold "$2" "$3" ;;
    *) sed -n '2,8s/^# \{0,1\}//p' "$0"; exit 2 ;;
esac
