#!/usr/bin/env bash
# Puts the official client of the OpenAI dialect into a build folder, for
# tests/e2e/openai_client_test.cc. Does nothing when it is there.
#
#   install-openai-client.sh [BUILD_FOLDER]     (build/dev)
source "$(dirname "${BASH_SOURCE[0]}")/common.sh"

folder="${1:-${SHOAL_ROOT}/build/dev}/openai-client"
own="${SHOAL_ROOT}/tests/e2e/openai"

if ! command -v npm >/dev/null; then
  note "npm is not here: SKIPPED: the test with the official OpenAI client"
  exit 0
fi
mkdir -p "${folder}"
# The test itself is always the one of the sources.
ln -sfn "${own}/client.mjs" "${folder}/client.mjs"
if cmp -s "${own}/package-lock.json" "${folder}/package-lock.json" &&
   [[ -d "${folder}/node_modules/openai" ]]; then
  note "${folder} has the client"
  exit 0
fi
rm -rf "${folder}/node_modules" "${folder}/package-lock.json"
cp "${own}/package.json" "${folder}/package.json"
cp "${own}/package-lock.json" "${folder}/package-lock.json.new"
mv "${folder}/package-lock.json.new" "${folder}/package-lock.json"
npm ci --prefix "${folder}" --ignore-scripts --no-audit --no-fund ||
  note "npm could not get the client: openai_client_test will fail"
