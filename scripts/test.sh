#!/usr/bin/env bash
# Installs packages, builds and runs every test of the labels unit, integration
# and e2e. Asks nothing; a second run builds nothing again.
#
#   SHOAL_BUILD_DIR    build folder            (build/dev)
#   SHOAL_GOLDEN_DIR   reference data          (../shared/golden if it exists)
#   SHOAL_LAB_DIR      emulated slow networks  (../shared/edgelab if it exists)
#   SHOAL_JOBS         parallel jobs           (number of cores)
source "$(dirname "${BASH_SOURCE[0]}")/common.sh"
source "${SHOAL_ROOT}/scripts/test-data.sh"

BUILD_DIR="${SHOAL_BUILD_DIR:-${SHOAL_ROOT}/build/dev}"

cd "${SHOAL_ROOT}"
[[ $# -eq 0 ]] || die "takes no arguments; single tests: ctest --test-dir \
${BUILD_DIR} -R NAME"

scripts/install-deps.sh

say "Build (dev, ${SHOAL_JOBS} jobs) in ${BUILD_DIR}"
configure dev "${BUILD_DIR}"
build "${BUILD_DIR}" shoal_tests_unit shoal_tests_integration shoal_tests_e2e

say "Test data"
find_test_data
scripts/install-test-clients.sh "${BUILD_DIR}"

say "Tests (unit, integration, e2e)"
run_ctest "${BUILD_DIR}" -L '^(unit|integration|e2e)$'
