#!/usr/bin/env bash
# fuzz.sh: build the fuzz targets and run each for some seconds; the last line is the verdict.
set -euo pipefail
source "$(dirname "${BASH_SOURCE[0]}")/common.sh"

if [ "${1:-}" = --help ] || [ $# -lt 1 ]; then
    cat <<'USAGE'
usage: scripts/fuzz.sh SECONDS [TARGET...]
       scripts/fuzz.sh SECONDS --except TARGET...

Builds the libFuzzer targets with AddressSanitizer and UBSan (clang) and runs each one for SECONDS,
as many at once as there are processors; 0 runs the seeds only. Targets are named without "fuzz_":
scripts/fuzz.sh 60 dns_msg netc

Seeds lie in fixtures/fuzz/TARGET. What the fuzzer finds interesting is kept in
build/fuzz/corpus/TARGET and used again; an input that fails is written to build/fuzz/crashes. To
see it fail: build/fuzz/fuzz_TARGET build/fuzz/crashes/TARGET-...
USAGE
    [ $# -ge 1 ]
    exit
fi

seconds=$1
shift
[[ $seconds =~ ^[0-9]+$ ]] || die "SECONDS is a number, not \"$seconds\""

out="$ROOT/build/fuzz"
build fuzz fuzz
mapfile -t targets < <(cd "$out" && find . -maxdepth 1 -name 'fuzz_*' -type f -perm -u+x \
    -printf '%f\n' | sed 's/^fuzz_//' | sort)
except=()
if [ "${1:-}" = --except ]; then
    shift
    except=("$@")
fi
for target in "$@"; do
    [[ " ${targets[*]} " == *" $target "* ]] || die "no target \"$target\"; there are: ${targets[*]}"
done
if [ ${#except[@]} -gt 0 ]; then
    mapfile -t targets < <(printf '%s\n' "${targets[@]}" | grep -vxF "$(printf '%s\n' "${except[@]}")")
elif [ $# -gt 0 ]; then
    targets=("$@")
fi
mkdir -p "$out/crashes" "$out/logs"

fuzz() { # fuzz TARGET: its log says what went wrong
    local corpus="$out/corpus/$1" seeds="$ROOT/fixtures/fuzz/$1" limit=(-max_total_time="$seconds")
    [ "$seconds" = 0 ] && limit=(-runs=0)
    mkdir -p "$corpus" "$seeds"
    ASAN_OPTIONS=detect_leaks=1 UBSAN_OPTIONS=print_stacktrace=1 "$out/fuzz_$1" \
        "${limit[@]}" -timeout=60 -rss_limit_mb=1024 -artifact_prefix="$out/crashes/$1-" \
        -print_final_stats=1 "$corpus" "$seeds" >"$out/logs/$1.log" 2>&1
}

failed=()
total=${#targets[@]}
while [ ${#targets[@]} -gt 0 ]; do
    batch=("${targets[@]:0:$(nproc)}")
    targets=("${targets[@]:${#batch[@]}}")
    pids=()
    for target in "${batch[@]}"; do
        fuzz "$target" &
        pids+=($!)
    done
    for i in "${!batch[@]}"; do
        target=${batch[$i]}
        if wait "${pids[$i]}"; then
            say "$target: $(awk '/number_of_executed_units/ { print $2 }' "$out/logs/$target.log")" \
                "inputs, nothing found"
        else
            failed+=("$target")
            grep -E 'ERROR|Assertion|runtime error|SUMMARY|unit written' \
                "$out/logs/$target.log" >&2 || true
            say "$target: FAILED; all it said is in build/fuzz/logs/$target.log"
        fi
    done
done

[ ${#failed[@]} -eq 0 ] || die "FAILED: ${failed[*]}"
say "PASSED: $total targets, $seconds s each"
