#!/bin/sh
# Measure the release build against plain C on loopback: ./bench.sh --help
# A yardstick for people, on a quiet machine; never part of the tests.
# LUATOS_EMU=PATH measures that program instead of the release build.
set -eu

here=$(cd "$(dirname "$0")" && pwd)
root=$(dirname "$here")
tools=$root/build/bench
emulator=${LUATOS_EMU:-$root/build/release/luatos-emu}

run() {
    printf '+ %s\n' "$*"
    (cd "$root" && "$@")
}

build_emulator() {
    [ -f "$root/build/release/build.ninja" ] || run cmake --preset release
    run cmake --build --preset release
}

build_tools() {
    mkdir -p "$tools"
    for name in server client launch flood spi; do
        source=$here/bench/$name.c
        if [ ! -x "$tools/$name" ] || [ "$source" -nt "$tools/$name" ]; then
            run "${CC:-cc}" -std=c17 -D_GNU_SOURCE -O2 -Wall -Wextra -o "$tools/$name" "$source"
        fi
    done
}

own_network=
case " $* " in
*" --help "* | *" -h "*) ;;
*)
    [ -n "${LUATOS_EMU:-}" ] || build_emulator
    build_tools
    unshare -rn true 2>/dev/null && own_network=yes
    ;;
esac
exec ${own_network:+unshare -rn} python3 "$here/bench/bench.py" ${own_network:+--own-network} \
    --tools "$tools" --emulator "$emulator" "$@"
