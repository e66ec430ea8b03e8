#!/usr/bin/env bash
# From a fresh clone to a story: installs packages, builds the release and lets
# four devices on this machine tell a story, none of which holds the model.
# Asks nothing; a second run builds nothing again.
source "$(dirname "${BASH_SOURCE[0]}")/common.sh"

MODEL=models/shoal-stories-3m-q8_0.gguf
BUILD_DIR="${SHOAL_BUILD_DIR:-${SHOAL_ROOT}/build/release}"

cd "${SHOAL_ROOT}"
[[ $# -eq 0 ]] || die "takes no arguments; see README.md"
[[ -f "${MODEL}" ]] ||
  die "${MODEL} is missing; restore it with: git checkout -- models"

scripts/install-deps.sh

say "Build (release, ${SHOAL_JOBS} jobs) in ${BUILD_DIR}"
note "the first build takes some minutes, the next ones seconds"
configure release "${BUILD_DIR}"
build "${BUILD_DIR}" shoal

say "Four devices on this machine tell a story"
note "Each device keeps its share of the weights on disk and streams it through"
note "a small window of memory while it computes. The story goes to standard"
note "output, progress and the summary to standard error. The command:"
command=(
  "${BUILD_DIR}/shoal" run -m "${MODEL}" --local 4 --weights stream
  --raw -p "Once upon a time, a small fish"
  --max-tokens 160 --temperature 0
)
printf '    %q' "${command[0]}"
printf ' %q' "${command[@]:1}"
printf '\n\n'
"${command[@]}" || die "the run failed with exit code $?; its message is above"

say "Done"
note "next: ${BUILD_DIR}/shoal help run, README.md, scripts/test.sh"
