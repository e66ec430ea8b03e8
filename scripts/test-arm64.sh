#!/usr/bin/env bash
# Cross-compiles for 64-bit ARM and runs the kernel and model tests under QEMU's
# user emulation, with and without the extensions that kernels exist for.
# Installs what it needs; asks nothing.
#
#   SHOAL_BUILD_DIR       build folder       (build/arm64-cross)
#   SHOAL_ARM64_SYSROOT   arm64 libraries    (build/arm64-sysroot)
#   SHOAL_GOLDEN_DIR      reference data     (../shared/golden if it exists)
#   SHOAL_JOBS            parallel jobs      (number of cores)
source "$(dirname "${BASH_SOURCE[0]}")/common.sh"
source "${SHOAL_ROOT}/scripts/test-data.sh"

BUILD_DIR="${SHOAL_BUILD_DIR:-${SHOAL_ROOT}/build/arm64-cross}"
export SHOAL_ARM64_SYSROOT="${SHOAL_ARM64_SYSROOT:-${SHOAL_ROOT}/build/arm64-sysroot}"

cd "${SHOAL_ROOT}"
[[ $# -eq 0 ]] || die "takes no arguments; single tests: ctest --test-dir \
${BUILD_DIR} -R NAME"

scripts/install-deps.sh --arm64

say "Build (arm64-cross, ${SHOAL_JOBS} jobs) in ${BUILD_DIR}"
if [[ ! -f "${BUILD_DIR}/build.ninja" ]]; then
  configure arm64-cross "${BUILD_DIR}" \
    "-DSHOAL_ARM64_SYSROOT=${SHOAL_ARM64_SYSROOT}"
fi
build "${BUILD_DIR}" shoal_tests_arm64

say "Test data"
find_test_data

say "Tests (arm64, emulated)"
run_ctest "${BUILD_DIR}" -L '^arm64$'
