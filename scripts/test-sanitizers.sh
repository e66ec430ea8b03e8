#!/usr/bin/env bash
# Builds and runs the tests under sanitizers. Slow: half an hour on two cores.
#
#   test-sanitizers.sh [asan|tsan]...     (both)
#
# asan: address and undefined behaviour; label unit, the corpus of broken files
#       included (needs SHOAL_GOLDEN_DIR or ../shared/golden).
# tsan: threads; label unit, on the in-memory network and without OpenMP: the
#       distribution's libzmq and libgomp report false races (docs/adr/0002),
#       and what gRPC does among its own threads is not looked at.
source "$(dirname "${BASH_SOURCE[0]}")/common.sh"
source "${SHOAL_ROOT}/scripts/test-data.sh"

cd "${SHOAL_ROOT}"
presets=("$@")
[[ ${#presets[@]} -gt 0 ]] || presets=(asan tsan)
for preset in "${presets[@]}"; do
  [[ "${preset}" == asan || "${preset}" == tsan ]] ||
    die "unknown preset '${preset}'; there are asan and tsan"
done

scripts/install-deps.sh
say "Test data"
find_test_data

export ASAN_OPTIONS="${ASAN_OPTIONS:-strict_string_checks=1:detect_stack_use_after_return=1}"
export UBSAN_OPTIONS="${UBSAN_OPTIONS:-print_stacktrace=1}"
export TSAN_OPTIONS="${TSAN_OPTIONS:-second_deadlock_stack=1:ignore_noninstrumented_modules=1}"

failed=()
for preset in "${presets[@]}"; do
  folder="${SHOAL_ROOT}/build/${preset}"
  say "Build (${preset}, ${SHOAL_JOBS} jobs) in ${folder}"
  configure "${preset}" "${folder}"
  build "${folder}" shoal_tests_unit
  say "Tests (unit) under ${preset}"
  run_ctest "${folder}" -L '^unit$' || failed+=("${preset}")
done
[[ ${#failed[@]} -eq 0 ]] || die "failed under: ${failed[*]}"
