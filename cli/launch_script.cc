#include "cli/launch_script.h"

#include "absl/strings/match.h"
#include "absl/strings/str_cat.h"
#include "absl/strings/str_replace.h"
#include "absl/strings/str_split.h"
#include "absl/strings/strip.h"
#include "cli/store_root.h"

namespace shoal::cli {
namespace {

constexpr char kMark[] = "shoal:";

// A process is known by its pid, the time of its start and that of the
// machine's: so a pid that has come to another one is not ours.
constexpr char kTools[] = R"sh(set -u
umask 077
say() { printf 'shoal:%s\n' "$*"; }
boot() { cat /proc/sys/kernel/random/boot_id; }
start_of() {
  sed -n 's/^.*) \([^ZX] \)/\1/p' "/proc/$1/stat" 2>/dev/null | cut -d' ' -f20
}
running() {
  pid= start= machine=
  [ -r "$state/pid" ] || return 1
  read -r pid start machine < "$state/pid" || return 1
  case "$pid" in ''|*[!0-9]*) return 1 ;; esac
  [ "$machine" = "$(boot)" ] && [ "$(start_of "$pid")" = "$start" ]
}
last_words() { tail -n 1 "$state/log" 2>/dev/null | cut -c1-400; }
)sh";

constexpr char kProbe[] = R"sh(say "arch=$(uname -m)"
say "system=$(uname -s)"
if running; then say "running=$pid"; fi
if [ -x "$program" ]; then
  if said=$("$program" --version </dev/null 2>&1); then
    say "version=$said"
  else
    say "missing=$(printf '%s' "$said" | tail -n 1)"
  fi
else
  say absent=yes
fi
)sh";

constexpr char kStart[] = R"sh(if running; then say "already=$pid"; else
  mkdir -p "$state" || { say "failed=$state cannot be made"; exit 1; }
  printf '%s\n' "$token" > "$state/token" ||
    { say "failed=$state/token cannot be written"; exit 1; }
  if [ -e "$state/log" ]; then mv -f "$state/log" "$state/log.1"; fi
  detach=
  if command -v setsid >/dev/null; then detach=setsid; fi
  nohup $detach "$program" worker --join "$host:$port" --name "$device" \
    --token-file "$state/token" "$@" >"$state/log" 2>&1 </dev/null &
  pid=$!
  start=$(start_of "$pid")
  printf '%s %s %s\n' "$pid" "$start" "$(boot)" > "$state/pid.new" &&
    mv -f "$state/pid.new" "$state/pid" ||
    { kill "$pid"; say "failed=$state/pid cannot be written"; exit 1; }
  say "started=$pid"
fi
tries=0
while [ "$tries" -lt 100 ]; do
  if ! running; then say "failed=$(last_words)"; exit 1; fi
  if grep -q '^joined ' "$state/log"; then
    say "joined=$(last_words)"; exit 0
  fi
  if grep -q 'dialling again' "$state/log"; then
    say "dialling=$(last_words)"; exit 0
  fi
  sleep 0.2
  tries=$((tries + 1))
done
say "dialling=$(last_words)"
)sh";

constexpr char kStop[] = R"sh(if ! running; then
  rm -f "$state/pid" "$state/token"
  say none=yes
  exit 0
fi
kill -TERM "$pid"
tries=0
while running && [ "$tries" -lt 50 ]; do
  sleep 0.2
  tries=$((tries + 1))
done
if running; then kill -KILL "$pid"; say "killed=$pid"; else
  say "stopped=$pid"
fi
rm -f "$state/pid" "$state/token"
)sh";

// Of the fleet and the device.
std::string Names(const LaunchId& id) {
  return absl::StrCat("fleet=", ShellWord(DeviceStore("", id.fleet)),
                      "\ndevice=", ShellWord(id.device), "\nstate=",
                      "\"${XDG_STATE_HOME:-$HOME/.local/state}/shoal$fleet\"",
                      ShellWord(DeviceStore("", id.device)), "\n");
}

}  // namespace

std::string ShellWord(absl::string_view text) {
  return absl::StrCat("'", absl::StrReplaceAll(text, {{"'", "'\\''"}}), "'");
}

std::string CopiedProgram(const std::string& digest) {
  return absl::StrCat("\"${XDG_CACHE_HOME:-$HOME/.cache}/shoal/bin/shoal-",
                      digest, "\"");
}

std::string ProbeScript(const LaunchId& id, const std::string& program,
                        const std::string& digest) {
  return absl::StrCat(
      kTools, Names(id),
      "program=", program.empty() ? CopiedProgram(digest) : ShellWord(program),
      "\n", kProbe);
}

std::string InstallScript(const std::string& digest) {
  return absl::StrCat(
      "umask 077; program=", CopiedProgram(digest),
      "; mkdir -p \"${program%/*}\" && "
      "if cat > \"$program.$$\" && chmod 755 \"$program.$$\" && "
      "mv -f \"$program.$$\" \"$program\"; then :; "
      "else rm -f \"$program.$$\"; exit 1; fi");
}

std::string StartScript(const StartOptions& options) {
  std::string flags = "set --";
  for (const std::string& flag : options.flags) {
    absl::StrAppend(&flags, " ", ShellWord(flag));
  }
  std::string host = absl::StrCat("host=", ShellWord(options.join_host), "\n");
  if (options.join_host.empty()) {
    host =
        "host=${SSH_CONNECTION%% *}\n"
        "case \"$host\" in *:*) host=\"[$host]\" ;; esac\n";
  }
  return absl::StrCat(kTools, Names(options.id), "program=", options.program,
                      "\ntoken=", ShellWord(options.token), "\n", host,
                      "port=", ShellWord(options.join_port), "\n", flags, "\n",
                      kStart);
}

std::string RunningScript(const LaunchId& id) {
  return absl::StrCat(kTools, Names(id),
                      "if running; then say \"running=$pid\"; fi\n");
}

std::string StopScript(const LaunchId& id) {
  return absl::StrCat(kTools, Names(id), kStop);
}

std::map<std::string, std::string> AnswersIn(absl::string_view output) {
  std::map<std::string, std::string> answers;
  for (absl::string_view line : absl::StrSplit(output, '\n')) {
    if (!absl::ConsumePrefix(&line, kMark)) continue;
    const std::vector<std::string> parts =
        absl::StrSplit(line, absl::MaxSplits('=', 1));
    answers[parts[0]] = parts.size() == 2 ? parts[1] : "";
  }
  return answers;
}

}  // namespace shoal::cli
