#!/usr/bin/env bash
# Fills a folder with the arm64 libraries and headers that a cross build needs,
# from the distribution's packages. Called by scripts/install-deps.sh --arm64.
#
#   SHOAL_ARM64_SYSROOT   the folder   (build/arm64-sysroot)
#
# The packages are unpacked, not installed: beside the host's own they would
# have to be of the very same versions, and no host package is to change for
# this. Needs no root. Does nothing when the folder has what is listed here.
source "$(dirname "${BASH_SOURCE[0]}")/common.sh"

ROOT="${SHOAL_ARM64_SYSROOT:-${SHOAL_ROOT}/build/arm64-sysroot}"
PACKAGES=(
  libstdc++-12-dev libgrpc++-dev libprotobuf-dev libabsl-dev libzmq3-dev
  libgtest-dev libgmock-dev libbenchmark-dev libpcre2-dev libxxhash-dev
  libspdlog-dev libcli11-dev nlohmann-json3-dev libcpp-httplib-dev
  libncurses-dev
)
WORK="${ROOT}.apt"
LIST="${ROOT}/shoal-packages"

# apt-get for arm64 with lists and a (empty) set of installed packages of its
# own, and the host's sources and keys.
apt_arm64() {
  apt-get -o APT::Architecture=arm64 -o APT::Architectures=arm64 \
    -o APT::Sandbox::User=root -o Debug::NoLocking=1 \
    -o Dir::State="${WORK}" -o Dir::State::status="${WORK}/status" \
    -o Dir::Cache="${WORK}" "$@"
}

# Links of -dev packages to /lib/... would lead to the host's libraries.
make_links_relative() {
  local link target
  while IFS= read -r -d '' link; do
    target="$(readlink "${link}")"
    ln -sfnr "${ROOT}${target}" "${link}"
  done < <(find "${ROOT}" -type l -lname '/*' -print0)
}

# gRPC's CMake files want the protoc plug-ins beside its libraries; they run
# while building, so they must be the host's.
link_host_plugins() {
  local plugin
  mkdir -p "${ROOT}/usr/bin"
  for plugin in /usr/bin/grpc_*_plugin; do
    [[ -x "${plugin}" ]] && ln -sfn "${plugin}" "${ROOT}/usr/bin/"
  done
}

if [[ -f "${LIST}" && "$(cat "${LIST}")" == "${PACKAGES[*]}" ]]; then
  note "${ROOT} has the arm64 libraries"
  exit 0
fi
if ! command -v apt-get >/dev/null || ! command -v dpkg-deb >/dev/null; then
  die "no apt-get and dpkg-deb on this system; fill ${ROOT} with the arm64 \
files of: ${PACKAGES[*]}"
fi

say "arm64 libraries in ${ROOT}"
rm -rf "${ROOT}" "${WORK}"
mkdir -p "${ROOT}" "${WORK}/lists/partial" "${WORK}/archives/partial"
: >"${WORK}/status"
apt_arm64 update
apt_arm64 install -y --download-only --no-install-recommends "${PACKAGES[@]}"
for package in "${WORK}"/archives/*.deb; do
  dpkg-deb --extract "${package}" "${ROOT}"
done
make_links_relative
link_host_plugins
rm -rf "${WORK}"
printf '%s' "${PACKAGES[*]}" >"${LIST}"
note "$(du -sh "${ROOT}" | cut -f1) unpacked"
