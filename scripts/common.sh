# Sourced by the other scripts: where we are, how we speak, how we stop.
# shellcheck shell=bash

set -euo pipefail

SHOAL_ROOT="$(cd "$(dirname "${BASH_SOURCE[0]}")/.." && pwd)"
SHOAL_JOBS="${SHOAL_JOBS:-$(nproc)}"
export SHOAL_ROOT SHOAL_JOBS

# A step that a person sees go by, with the time since the script began.
say() {
  printf '\n=== [%3d s] %s\n' "${SECONDS}" "$*"
}

note() {
  printf '    %s\n' "$*"
}

die() {
  printf '%s: %s\n' "$(basename "$0")" "$*" >&2
  exit 1
}

# Configures PRESET in FOLDER, once: CMake itself notices later changes of its
# files. A folder that another checkout configured is not taken over.
configure() {
  local preset="$1" folder="$2"
  shift 2
  if [[ -f "${folder}/build.ninja" && $# -eq 0 ]]; then
    note "${folder} is configured already"
    return
  fi
  cmake --preset "${preset}" -S "${SHOAL_ROOT}" -B "${folder}" "$@"
}

# Builds TARGETS in FOLDER; ninja prints a line per step where no terminal is.
build() {
  local folder="$1"
  shift
  ninja -C "${folder}" -j "${SHOAL_JOBS}" "$@"
}
