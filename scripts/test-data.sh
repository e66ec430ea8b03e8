# Sourced by the test scripts: where reference data lies, and running ctest so
# that what was skipped is said.
# shellcheck shell=bash

# Exports VARIABLE as FOLDER if that exists and the variable is not set yet;
# otherwise says what will be skipped.
use_folder() {
  local variable="$1" folder="$2" what="$3"
  if [[ -n "${!variable:-}" ]]; then
    [[ -d "${!variable}" ]] ||
      die "${variable}=${!variable} is not a folder; unset it or correct it"
    note "${variable}=${!variable}"
  elif [[ -d "${folder}" ]]; then
    folder="$(cd "${folder}" && pwd)"
    export "${variable}=${folder}"
    note "${variable}=${folder}"
  else
    note "${variable} is not set and ${folder} does not exist: SKIPPED: ${what}"
  fi
}

find_test_data() {
  use_folder SHOAL_GOLDEN_DIR "${SHOAL_ROOT}/../shared/golden" \
    "comparison with other implementations (logits, tokens, broken files)"
  use_folder SHOAL_LAB_DIR "${SHOAL_ROOT}/../shared/edgelab" \
    "tests over an emulated slow network"
}

# Names and reasons of the GoogleTest cases that ran but skipped themselves.
print_skipped_cases() {
  local log="$1/Testing/Temporary/LastTest.log"
  [[ -f "${log}" ]] || return 0
  awk '
    /^\[ RUN +\] / { name = $NF; previous = ""; next }
    /^\[  SKIPPED \] .* \([0-9]+ ms\)$/ {
      count++
      printf "    skipped: %s: %s\n", name, previous
      next
    }
    NF { previous = $0 }
    END { printf "    %d test cases skipped themselves\n", count }' "${log}"
}

# run_ctest FOLDER ARGUMENTS...: the last line printed is ctest's own count.
run_ctest() {
  local folder="$1" output status=0
  shift
  output="$(mktemp)"
  # shellcheck disable=SC2064
  trap "rm -f '${output}'" EXIT
  ctest --test-dir "${folder}" -j "${SHOAL_JOBS}" --output-on-failure \
    --no-tests=error "$@" | tee "${output}" || status=$?
  say "Summary"
  print_skipped_cases "${folder}"
  grep -E '^[0-9]+% tests passed' "${output}" ||
    note "ctest printed no count: it did not come to its end"
  return "${status}"
}
