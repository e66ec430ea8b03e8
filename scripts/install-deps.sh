#!/usr/bin/env bash
# Installs what Shoal needs to be built and tested on Debian 12, from the
# distribution's packages. Asks nothing; does nothing when all is there.
source "$(dirname "${BASH_SOURCE[0]}")/common.sh"

PACKAGES=(
  build-essential cmake ninja-build ccache git ca-certificates pkg-config
  libgrpc++-dev protobuf-compiler protobuf-compiler-grpc libprotobuf-dev
  libabsl-dev libzmq3-dev cppzmq-dev libgtest-dev libgmock-dev
  libbenchmark-dev liburing-dev libpcre2-dev nlohmann-json3-dev
  libcpp-httplib-dev libncurses-dev libxxhash-dev libssl-dev libspdlog-dev
  libcli11-dev
  openssh-client openssh-server  # for shoal launch and its test
  tmux                           # for the test of shoal top
)
# For the test with the official client of the HTTP interface. Other sources of
# Node.js bring npm in the same package.
if ! command -v node >/dev/null || ! command -v npm >/dev/null; then
  PACKAGES+=(nodejs npm)
fi

# Further packages: for scripts/fuzz.sh and the tidy preset, and for
# scripts/test-arm64.sh, whose libraries arm64-sysroot.sh unpacks.
case "${1:-}" in
  "") ;;
  --clang) PACKAGES+=(clang clang-tidy clang-format libclang-rt-dev) ;;
  --arm64) PACKAGES+=(g++-aarch64-linux-gnu qemu-user-static) ;;
  *) die "unknown argument '$1'; there are --clang (clang, for fuzzing) and \
--arm64 (cross compiler, libraries and emulator for 64-bit ARM)" ;;
esac
WITH_ARM64=$([[ "${1:-}" == "--arm64" ]] && echo 1 || echo 0)

# The names of PACKAGES that are not installed, one per line.
missing_packages() {
  local package
  for package in "${PACKAGES[@]}"; do
    if [[ "$(dpkg-query -W -f='${db:Status-Abbrev}' "${package}" \
             2>/dev/null)" != ii* ]]; then
      printf '%s\n' "${package}"
    fi
  done
}

explain_other_system() {
  cat >&2 <<TEXT
This script knows Debian (12 or later) and what descends from it. Here, install
the equivalents of these yourself and then run the build as README.md says:

  a C++20 compiler (GCC 12 or Clang 14 and later), CMake 3.25 or later, Ninja
  gRPC with its protoc plug-in, Protocol Buffers with protoc, Abseil, ZeroMQ,
  liburing (Linux), PCRE2, xxHash, OpenSSL, spdlog, CLI11, nlohmann-json,
  cpp-httplib, ncurses; for the tests GoogleTest; ccache helps

Debian calls them: ${PACKAGES[*]}
TEXT
}

say "Packages"
if ! command -v dpkg-query >/dev/null || ! command -v apt-get >/dev/null; then
  explain_other_system
  die "no dpkg and apt-get on this system: nothing was installed"
fi

# The last step, whether packages were missing or not.
finish() {
  if [[ "${WITH_ARM64}" -eq 1 ]]; then
    "${SHOAL_ROOT}/scripts/arm64-sysroot.sh"
  fi
  exit 0
}

mapfile -t missing < <(missing_packages)
if [[ ${#missing[@]} -eq 0 ]]; then
  note "all ${#PACKAGES[@]} packages are installed"
  finish
fi
note "missing: ${missing[*]}"

as_root=()
if [[ "$(id -u)" -ne 0 ]]; then
  command -v sudo >/dev/null ||
    die "neither root nor sudo here; as root, run: apt-get install ${missing[*]}"
  as_root=(sudo)
fi

export DEBIAN_FRONTEND=noninteractive
"${as_root[@]}" apt-get -o DPkg::Lock::Timeout=300 update ||
  note "apt-get update failed; trying with the package lists that are here"
"${as_root[@]}" env DEBIAN_FRONTEND=noninteractive \
  apt-get -o DPkg::Lock::Timeout=300 install -y --no-install-recommends "${missing[@]}" || {
  explain_other_system
  die "apt-get could not install: ${missing[*]}; its own message stands above"
}

mapfile -t missing < <(missing_packages)
[[ ${#missing[@]} -eq 0 ]] ||
  die "still missing after apt-get install: ${missing[*]}"
note "installed"
finish
