#!/usr/bin/env bash
# Puts a headless Chromium and what drives it into a build folder, for
# tests/e2e/dashboard_page_test.cc. Does nothing when they are there.
#
#   install-dashboard-browser.sh [BUILD_FOLDER]     (build/dev)
source "$(dirname "${BASH_SOURCE[0]}")/common.sh"

folder="${1:-${SHOAL_ROOT}/build/dev}/dashboard-browser"
own="${SHOAL_ROOT}/tests/e2e/dashboard"

if ! command -v npm >/dev/null; then
  note "npm is not here: SKIPPED: the test of the dashboard in a browser"
  exit 0
fi
mkdir -p "${folder}"
# The test itself is always the one of the sources.
ln -sfn "${own}/page.mjs" "${folder}/page.mjs"
if cmp -s "${own}/package-lock.json" "${folder}/package-lock.json" &&
   [[ -d "${folder}/node_modules/playwright-core" ]]; then
  note "${folder} has the browser"
  exit 0
fi
rm -rf "${folder}/node_modules" "${folder}/package-lock.json"
cp "${own}/package.json" "${folder}/package.json"
cp "${own}/package-lock.json" "${folder}/package-lock.json"
npm ci --prefix "${folder}" --ignore-scripts --no-audit --no-fund || {
  rm -f "${folder}/package-lock.json"
  note "npm could not get the browser: SKIPPED: the test of the dashboard in it"
}
