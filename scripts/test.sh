#!/usr/bin/env bash
# test.sh: install what is missing, build, run every test; the last line is the verdict.
set -euo pipefail
source "$(dirname "${BASH_SOURCE[0]}")/common.sh"

if [ "${1:-}" = --help ]; then
    cat <<'USAGE'
usage: scripts/test.sh [arguments for pytest]

Installs what is missing, builds with AddressSanitizer and UBSan, and runs
  1. the unit tests (cmocka)
  2. the conformance tests (pytest, in parallel, each with peers of its own)
  3. the fuzz targets: FUZZ_SECONDS each (default 5; 60 where CI=true; 0: not at all) for DNS,
     SNTP, addresses and certificates, a third of it for the others
With arguments, only the conformance tests that they select: scripts/test.sh -k sntp
USAGE
    exit 0
fi

verdicts=()
failed=0
stage() { # stage NAME COMMAND...
    local name=$1 began=$SECONDS
    shift
    say "$name ..."
    if "$@"; then
        verdicts+=("$name ok ($((SECONDS - began)) s)")
    else
        verdicts+=("$name FAILED")
        failed=1
    fi
}

unit_tests() {
    ctest --test-dir "$ROOT/build/dev" -L unit --output-on-failure -j "$(nproc)"
}

conformance_tests() {
    /usr/bin/python3 -m pytest "$ROOT/conformance" -q -n "${PYTEST_WORKERS:-$(($(nproc) * 2))}" \
        --luatos-emu="$ROOT/build/dev/luatos-emu" "$@"
}

[ "${CI:-}" = true ] || CI_PACKAGES=()
install_packages "${BUILD_PACKAGES[@]}" "${TEST_PACKAGES[@]}" "${CI_PACKAGES[@]}"
build dev
if [ $# -gt 0 ]; then
    stage "conformance tests" conformance_tests "$@"
else
    stage "unit tests" unit_tests
    stage "conformance tests" conformance_tests
    seconds=${FUZZ_SECONDS:-$([ "${CI:-}" = true ] && echo 60 || echo 5)}
    peers=(dns_msg endpoint ntp_msg tls_config) # what peers send and users paste comes first
    if [ "$seconds" != 0 ]; then
        stage "fuzzing, $seconds s a parser" "$ROOT/scripts/fuzz.sh" "$seconds" "${peers[@]}"
        stage "fuzzing, $(((seconds + 2) / 3)) s the rest" \
            "$ROOT/scripts/fuzz.sh" $(((seconds + 2) / 3)) --except "${peers[@]}"
    fi
fi
if [ $failed -eq 0 ]; then
    say "PASSED: $(IFS=';'; echo "${verdicts[*]}" | sed 's/;/; /g')"
else
    say "FAILED: $(IFS=';'; echo "${verdicts[*]}" | sed 's/;/; /g')"
fi
exit $failed
