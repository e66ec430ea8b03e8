#!/usr/bin/env bash
# Makes the page of `shoal dashboard` anew: dashboard/web/dist from
# dashboard/web/src. Needs npm, which building Shoal itself does not.
#
#   build-dashboard.sh [FOLDER]     what is made goes there (dashboard/web/dist)
#   SHOAL_BUILD_DIR                 where its packages are kept (build/dev)
source "$(dirname "${BASH_SOURCE[0]}")/common.sh"

web="${SHOAL_ROOT}/dashboard/web"
folder="$(realpath -m "${1:-${web}/dist}")"
work="${SHOAL_BUILD_DIR:-${SHOAL_ROOT}/build/dev}/dashboard-web"

command -v npm >/dev/null || die "npm is not here; scripts/install-deps.sh \
installs it"
mkdir -p "${work}"
cd "${work}"
if ! cmp -s "${web}/package-lock.json" package-lock.json ||
   [[ ! -d node_modules/vite ]]; then
  cp "${web}/package.json" .
  # Kept only once all packages are there.
  rm -rf node_modules
  cp "${web}/package-lock.json" package-lock.json
  # By the lock, too, but also where optional packages of other systems cannot
  # be had.
  npm install --no-save --ignore-scripts --no-audit --no-fund || {
    rm -f package-lock.json
    die "npm could not get the packages of the page; its message is above"
  }
fi
rm -rf src public
cp -r "${web}/src" "${web}/public" "${web}/index.html" \
  "${web}/tsconfig.json" "${web}/vite.config.js" "${web}/package.json" .
npm run --silent check
npx vite build --logLevel warn --emptyOutDir --outDir "${folder}"
note "${folder} is made"
