/*
 * fuzz: what every fuzz target offers to libFuzzer (https://llvm.org/docs/LibFuzzer.html).
 *
 * A target is an x in fuzz_x.c; scripts/fuzz.sh runs them, from the seeds in fixtures/fuzz/x. What
 * must hold whatever the input is, is asserted.
 */
#pragma once

#include <stddef.h>
#include <stdint.h>

/* Returns 0. */
/* NOLINTNEXTLINE(readability-identifier-naming): libFuzzer's name */
int LLVMFuzzerTestOneInput(const uint8_t *data, size_t size);
