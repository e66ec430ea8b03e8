#!/usr/bin/env bash
# Puts what tests use from npm into a build folder: the official client of the
# OpenAI dialect for tests/e2e/openai_client_test.cc, and a headless Chromium
# for tests/e2e/dashboard_page_test.cc. Does nothing when they are there.
#
#   install-test-clients.sh [BUILD_FOLDER]     (build/dev)
source "$(dirname "${BASH_SOURCE[0]}")/common.sh"

build="${1:-${SHOAL_ROOT}/build/dev}"

# get OWN PACKAGE FOLDER: the packages of tests/e2e/OWN, of which PACKAGE is
# one, and the test's own script.
get() {
  local own="${SHOAL_ROOT}/tests/e2e/$1" package="$2" folder="${build}/$3"
  mkdir -p "${folder}"
  # The test itself is always the one of the sources.
  ln -sfn "${own}"/*.mjs "${folder}/"
  if cmp -s "${own}/package-lock.json" "${folder}/package-lock.json" &&
     [[ -d "${folder}/node_modules/${package}" ]]; then
    note "${folder} has ${package}"
    return
  fi
  rm -rf "${folder}/node_modules" "${folder}/package-lock.json"
  cp "${own}/package.json" "${own}/package-lock.json" "${folder}/"
  npm ci --prefix "${folder}" --ignore-scripts --no-audit --no-fund || {
    rm -f "${folder}/package-lock.json"
    note "npm could not get ${package}: its test will not run"
  }
}

if ! command -v npm >/dev/null; then
  note "npm is not here: SKIPPED: the tests with the official OpenAI client and \
with the dashboard in a browser"
  exit 0
fi
get openai openai openai-client
get dashboard playwright-core dashboard-browser
