#!/usr/bin/env bash
# Makes docs/images anew: `shoal top` in tmux at 80x24 and at 200x60, and the
# page of `shoal dashboard`, beside a fleet of four devices on this machine that
# generates. Needs a build, tmux, aha, curl and what install-test-clients.sh
# gets.
#
#   SHOAL_BUILD_DIR    build folder (build/dev)
source "$(dirname "${BASH_SOURCE[0]}")/common.sh"

build="${SHOAL_BUILD_DIR:-${SHOAL_ROOT}/build/dev}"
images="${SHOAL_ROOT}/docs/images"
work="$(mktemp -d)"
shoal="${build}/shoal"
pids=()

for need in tmux aha curl node; do
  command -v "${need}" >/dev/null || die "${need} is not here: apt install \
${need/node/nodejs}"
done
[[ -x "${shoal}" ]] || die "no ${shoal}; build it as README.md says"

# What was started ends, whatever happens.
clean_up() {
  tmux -S "${work}/tmux" kill-server 2>/dev/null || true
  kill "${pids[@]}" 2>/dev/null || true
  wait
  rm -rf "${work}"
}
trap clean_up EXIT

# wait_for TEXT FILE: until the file has it; prints what follows it.
wait_for() {
  local tries
  for ((tries = 0; tries < 300; ++tries)); do
    if grep -q "$1" "$2"; then
      sed -n "s/.*$1\([^ ]*\).*/\1/p" "$2" | head -n 1
      return
    fi
    read -rt 0.1 <> <(:) || true
  done
  die "no '$1' in: $(cat "$2")"
}

export XDG_CACHE_HOME="${work}" XDG_STATE_HOME="${work}"
say "A fleet of four"
"${shoal}" serve -m "${SHOAL_ROOT}/models/shoal-stories-3m-q8_0.gguf" \
  --local 4 --shares 4,2,1,1 --weights stream --http 127.0.0.1:0 \
  2>"${work}/serve" &
pids+=($!)
wait_for "ready: " "${work}/serve" >/dev/null
coordinator="$(wait_for "gRPC at " "${work}/serve")"
http="$(wait_for "HTTP at " "${work}/serve")"
"${shoal}" dashboard --http :0 --rate 4 --coordinator "${coordinator}" \
  2>"${work}/dashboard" &
pids+=($!)
page="$(wait_for "dashboard at " "${work}/dashboard")"

(while curl -sf -o /dev/null "${http%/v1*}/v1/completions" -d \
    '{"prompt": "Once upon a time", "max_tokens": 480}'; do :; done) &
pids+=($!)

# picture WIDTH HEIGHT: what top shows in so large a terminal.
picture() {
  local name="top-$1x$2"
  tmux -S "${work}/tmux" -f "${work}/conf" new-session -d -s "${name}" \
    -x "$1" -y "$2" "${shoal}" top --rate 4 --coordinator "${coordinator}"
}
cat >"${work}/conf" <<'TEXT'
set -g status off
set -g default-terminal tmux-256color
TEXT
export LC_ALL=C.UTF-8
picture 80 24
picture 200 60
read -rt 15 <> <(:) || true  # for the plots to have something to show
for name in top-80x24 top-200x60; do
  tmux -S "${work}/tmux" capture-pane -e -p -t "${name}" |
    aha --black >"${work}/${name}.html"
  node --preserve-symlinks --preserve-symlinks-main \
    "${build}/dashboard-browser/terminal_picture.mjs" "${work}/${name}.html" \
    "${images}/${name}.png"
  note "${images}/${name}.png"
done
node --preserve-symlinks --preserve-symlinks-main \
  "${build}/dashboard-browser/page_picture.mjs" "${page}" \
  "${images}/dashboard.png"
note "${images}/dashboard.png"
