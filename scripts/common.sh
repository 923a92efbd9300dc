# Sourced by the other scripts: finding what is missing on this machine, installing it, building.

ROOT=$(cd "$(dirname "${BASH_SOURCE[0]}")/.." && pwd)

# What a Debian 12 or Ubuntu 24.04 needs, as packages.
BUILD_PACKAGES=(gcc cmake ninja-build pkg-config liblua5.4-dev libjansson-dev libyaml-dev
                libssl-dev libnl-3-dev libnl-route-3-dev)
TEST_PACKAGES=(libcmocka-dev python3-pytest python3-pytest-xdist python3-yaml clang llvm
               libclang-rt-dev libnftables1 libslirp0 passt slirp4netns dnsmasq-base iproute2 util-linux
               openssl man-db tshark gtkwave sigrok-cli)
# Peers that Debian starts as services when they are installed: not on somebody's own machine. The
# tests that want them are skipped where they are not.
CI_PACKAGES=(chrony nginx-light mosquitto)

say() { printf '%s: %s\n' "$(basename "$0")" "$*" >&2; }
die() { say "$*"; exit 1; }

# Names of the packages among the arguments that are not installed.
missing_packages() {
    local package
    for package in "$@"; do
        dpkg-query -W -f='${Status}' "$package" 2>/dev/null | grep -q '^install ok installed$' ||
            printf '%s ' "$package"
    done
}

install_packages() {
    local missing as_root=()
    command -v dpkg-query >/dev/null ||
        { say "this is neither Debian nor Ubuntu: please have these installed: $*"; return; }
    read -ra missing <<<"$(missing_packages "$@")"
    [ ${#missing[@]} -eq 0 ] && return
    if [ "$(id -u)" -ne 0 ]; then
        command -v sudo >/dev/null ||
            die "missing packages, and no sudo: as root, run: apt-get install ${missing[*]}"
        as_root=(sudo)
    fi
    say "installing what is missing: ${missing[*]}"
    "${as_root[@]}" env DEBIAN_FRONTEND=noninteractive apt-get update -qq ||
        die "apt-get update failed: is there a network?"
    "${as_root[@]}" env DEBIAN_FRONTEND=noninteractive \
        apt-get install -y -q -o Dpkg::Use-Pty=0 --no-install-recommends "${missing[@]}" |
        progress '^(Get:|Unpacking|Setting up)' ||
        die "apt-get could not install: ${missing[*]}"
}

# progress PATTERN: of the lines read, show those that match: one over the other on a terminal, else
# a dot for every tenth.
progress() {
    local pattern=$1 line count=0
    while IFS= read -r line; do
        [[ $line =~ $pattern ]] || continue
        count=$((count + 1))
        if [ -t 2 ]; then
            printf '\r\033[K%.78s' "$line" >&2
        elif [ $((count % 10)) -eq 0 ]; then
            printf '.' >&2
        fi
    done
    [ $count -eq 0 ] || printf '\n' >&2
}

# build PRESET [TARGET]: configure where needed, then build; what the compiler says is shown when it
# fails.
build() {
    local preset=$1 log="$ROOT/build/$1.log"
    mkdir -p "$ROOT/build"
    say "building ($preset) in build/$preset"
    if ! { cmake -S "$ROOT" --preset "$preset" &&
            cmake --build "$ROOT/build/$preset" --target "${2:-all}"; } 2>&1 |
            tee "$log" | progress '^\[[0-9]+/[0-9]+\]'; then
        tail -n 40 "$log" >&2
        die "the build failed; all of it is in $log"
    fi
}
