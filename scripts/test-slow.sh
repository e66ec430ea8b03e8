#!/usr/bin/env bash
# Builds and runs the tests of the label slow: more cases of the same rules,
# and figures on models of a real size. Takes the variables of test.sh.
source "$(dirname "${BASH_SOURCE[0]}")/common.sh"
source "${SHOAL_ROOT}/scripts/test-data.sh"

BUILD_DIR="${SHOAL_BUILD_DIR:-${SHOAL_ROOT}/build/dev}"

cd "${SHOAL_ROOT}"
[[ $# -eq 0 ]] || die "takes no arguments"
scripts/install-deps.sh

say "Build (dev, ${SHOAL_JOBS} jobs) in ${BUILD_DIR}"
configure dev "${BUILD_DIR}"
build "${BUILD_DIR}" shoal_tests_slow

say "Test data"
find_test_data

say "Tests (slow), one at a time"
SHOAL_JOBS=1 run_ctest "${BUILD_DIR}" -L '^slow$'
