#!/usr/bin/env bash
# run.sh [options] [script.lua ...]: install what is missing, build, run.
# Without a script: a tour against peers that the emulator starts itself; no internet, no root.
set -euo pipefail
source "$(dirname "${BASH_SOURCE[0]}")/common.sh"

if [ "${1:-}" = --help ]; then
    cat <<'USAGE'
usage: scripts/run.sh [options of luatos-emu] [script.lua] [more files or folders]

Installs what is missing (Debian or Ubuntu packages; asks sudo for it), builds the emulator and
runs the script. Without a script it runs scripts/demo/tour against the built-in lab network.
The options are luatos-emu's own: build/release/luatos-emu --help lists them.
USAGE
    exit 0
fi

install_packages "${BUILD_PACKAGES[@]}"
build release
emu="$ROOT/build/release/luatos-emu"
if [ $# -eq 0 ]; then
    set -- --lab "$ROOT/scripts/demo/tour"
    say "no script given: running the tour, scripts/demo/tour, on the built-in lab network"
fi
say "running: luatos-emu $*"

code=0
"$emu" "$@" || code=$?
if [ $code -eq 0 ]; then
    say "ended well (exit code 0)"
else
    say "ended with exit code $code; luatos-emu --help says what it means"
fi
exit $code
