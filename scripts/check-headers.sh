#!/usr/bin/env bash
# Compiles every header alone (some minutes: gRPC's are heavy), in the build
# folder of scripts/test.sh.
source "$(dirname "${BASH_SOURCE[0]}")/common.sh"

BUILD_DIR="${SHOAL_BUILD_DIR:-${SHOAL_ROOT}/build/dev}"

cd "${SHOAL_ROOT}"
[[ $# -eq 0 ]] || die "takes no arguments"

scripts/install-deps.sh
configure dev "${BUILD_DIR}"
build "${BUILD_DIR}" all_verify_interface_header_sets
