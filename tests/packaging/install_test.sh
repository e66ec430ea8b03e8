#!/usr/bin/env bash
# Installs the build into an empty folder and uses what lies there.
#
#   install_test.sh BUILD_FOLDER VERSION
set -euo pipefail

build="$1"
version="$2"
prefix="$(mktemp -d)"
trap 'rm -rf "${prefix}"' EXIT

fail() {
  echo "install_test: $*" >&2
  exit 1
}

cmake --install "${build}" --prefix "${prefix}" >/dev/null

for file in bin/shoal share/doc/shoal/README.md share/doc/shoal/LICENSE \
  share/doc/shoal/docs/architecture.md share/shoal/shoal-worker.default \
  share/shoal/models/shoal-stories-3m-q8_0.gguf \
  share/bash-completion/completions/shoal \
  share/shoal/shoal-serve.default share/shoal/cluster-configs/local-4.textproto \
  lib/systemd/system/shoal-serve.service \
  lib/systemd/system/shoal-worker.service; do
  [[ -f "${prefix}/${file}" ]] || fail "not installed: ${file}"
done

said="$("${prefix}/bin/shoal" --version)"
[[ "${said}" == *"${version}"* ]] ||
  fail "shoal --version said '${said}', wanted ${version} in it"

story="$(XDG_CACHE_HOME="${prefix}/cache" "${prefix}/bin/shoal" run \
  -m "${prefix}/share/shoal/models/shoal-stories-3m-q8_0.gguf" --local 2 \
  --raw -p "Once upon a time" --max-tokens 8 --temperature 0)"
[[ "$(wc -w <<<"${story}")" -ge 3 ]] ||
  fail "the installed program told no story: '${story}'"
echo "installed and used: ${said}: ${story}"
