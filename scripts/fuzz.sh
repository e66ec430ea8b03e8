#!/usr/bin/env bash
# Feeds every parser of foreign bytes with mutated input, under the address and
# undefined-behaviour sanitizers. Needs clang (install-deps.sh --clang).
#
#   fuzz.sh [SECONDS]     per parser (60)
#
# Inputs that are worth keeping stay in build/fuzz-corpus/NAME; a crash stops
# the script and leaves its input there as crash-*.
source "$(dirname "${BASH_SOURCE[0]}")/common.sh"
source "${SHOAL_ROOT}/scripts/test-data.sh"

cd "${SHOAL_ROOT}"
seconds="${1:-60}"
[[ "${seconds}" =~ ^[0-9]+$ ]] || die "'${seconds}' is not a number of seconds"

scripts/install-deps.sh --clang
say "Test data"
find_test_data

folder="${SHOAL_ROOT}/build/fuzz"
say "Build (fuzz) in ${folder}"
configure fuzz "${folder}"
build "${folder}" shoal_fuzzers

shopt -s nullglob
fuzzers=("${folder}"/tests/fuzz/*_fuzz)
[[ ${#fuzzers[@]} -gt 0 ]] || die "the build left no fuzzer in ${folder}"
for fuzzer in "${fuzzers[@]}"; do
  name="$(basename "${fuzzer}")"
  corpus="${SHOAL_ROOT}/build/fuzz-corpus/${name}"
  mkdir -p "${corpus}"
  # tests/fuzz/NAME_fuzz.cc may have seeds in NAME_corpus and words in NAME.dict.
  own="${SHOAL_ROOT}/tests/fuzz/${name%_fuzz}"
  seeds=()
  words=()
  [[ -d "${own}_corpus" ]] && seeds+=("${own}_corpus")
  [[ -f "${own}.dict" ]] && words+=("-dict=${own}.dict")
  if [[ "${name}" == gguf* && -n "${SHOAL_GOLDEN_DIR:-}" ]]; then
    seeds+=("${SHOAL_GOLDEN_DIR}/gguf-bad")
  fi
  say "${name}: ${seconds} s"
  "${fuzzer}" -max_total_time="${seconds}" -timeout=10 -rss_limit_mb=2048 \
    -print_final_stats=1 -artifact_prefix="${corpus}/" \
    "${words[@]}" "${corpus}" "${seeds[@]}" ||
    die "${name} found a fault; its input lies in ${corpus}"
done
say "No fault found by ${#fuzzers[@]} fuzzers in ${seconds} s each"
