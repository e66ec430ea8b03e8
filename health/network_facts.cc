// Interfaces, and connections that hang half open.

#include <arpa/inet.h>
#include <netinet/in.h>

#include <array>
#include <cstring>
#include <vector>

#include "absl/strings/match.h"
#include "absl/strings/numbers.h"
#include "absl/strings/str_cat.h"
#include "absl/strings/str_split.h"
#include "absl/strings/strip.h"
#include "health/device_facts.h"

namespace shoal::health {
namespace {

constexpr absl::string_view kSynReceived = "03";  // enum of the kernel's tcp

std::vector<std::string> WordsOf(absl::string_view line) {
  return absl::StrSplit(line, absl::ByAnyChar(" \t"), absl::SkipEmpty());
}

// Interfaces of routes to everywhere.
std::vector<std::string> DefaultRoutes(const SystemFiles& files) {
  std::vector<std::string> names;
  const std::string text = files.Text("/proc/net/route").value_or("");
  for (const absl::string_view line : absl::StrSplit(text, '\n')) {
    const std::vector<std::string> words = WordsOf(line);
    if (words.size() > 7 && words[1] == "00000000" && words[7] == "00000000") {
      names.push_back(words[0]);
    }
  }
  return names;
}

// " wlan0: 0000   54.  -56.  -256  0 ..."
std::optional<int> SignalOf(const SystemFiles& files, const std::string& name) {
  const std::string text = files.Text("/proc/net/wireless").value_or("");
  for (const absl::string_view line : absl::StrSplit(text, '\n')) {
    const std::vector<std::string> words = WordsOf(line);
    int dbm = 0;
    if (words.size() > 3 && words[0] == name + ":" &&
        absl::SimpleAtoi(absl::StripSuffix(words[3], "."), &dbm)) {
      return dbm;
    }
  }
  return std::nullopt;
}

// "0100007F:1F90", words of 32 bits as the processor keeps them; and the port.
bool ParseEnd(absl::string_view text, std::string& address, uint32_t& port) {
  const std::vector<absl::string_view> parts = absl::StrSplit(text, ':');
  if (parts.size() != 2 || !absl::SimpleHexAtoi(parts[1], &port)) return false;
  std::array<uint32_t, 4> words = {};
  const size_t count = parts[0].size() / 8;
  if (parts[0].size() % 8 != 0 || (count != 1 && count != 4)) return false;
  for (size_t i = 0; i < count; ++i) {
    if (!absl::SimpleHexAtoi(parts[0].substr(8 * i, 8), &words[i])) {
      return false;
    }
  }
  std::array<char, INET6_ADDRSTRLEN> name = {};
  if (inet_ntop(count == 1 ? AF_INET : AF_INET6, words.data(), name.data(),
                name.size()) == nullptr) {
    return false;
  }
  address = name.data();
  address = std::string(absl::StripPrefix(address, "::ffff:"));
  return true;
}

}  // namespace

std::vector<InterfaceFacts> ReadInterfaces(const SystemFiles& files) {
  constexpr char kFolder[] = "/sys/class/net";
  constexpr int64_t kLoopback = 772;  // ARPHRD_LOOPBACK
  const std::vector<std::string> routes = DefaultRoutes(files);
  std::vector<InterfaceFacts> interfaces;
  for (const std::string& name : files.List(kFolder)) {
    const std::string folder = absl::StrCat(kFolder, "/", name);
    if (files.Number(folder + "/type") == kLoopback) continue;
    // Some drivers say "unknown" for ever, and one that has just come up is
    // "down" for a second.
    const bool is_up = files.Text(folder + "/operstate") == "up" ||
                       files.Number(folder + "/carrier") == 1;
    if (!is_up) continue;
    InterfaceFacts facts;
    facts.name = name;
    facts.is_wifi = files.Exists(folder + "/wireless") ||
                    files.Exists(folder + "/phy80211");
    for (const std::string& route : routes) {
      if (route == name) facts.is_default = true;
    }
    const auto speed = files.Number(folder + "/speed");
    if (speed && *speed > 0) facts.megabits = static_cast<uint32_t>(*speed);
    if (facts.is_wifi) facts.signal_dbm = SignalOf(files, name);
    interfaces.push_back(std::move(facts));
  }
  return interfaces;
}

std::vector<HalfOpen> ReadHalfOpen(const SystemFiles& files) {
  constexpr size_t kCountMax = 64;
  std::vector<HalfOpen> found;
  for (const char* path : {"/proc/net/tcp", "/proc/net/tcp6"}) {
    const std::string text = files.Text(path).value_or("");
    for (const absl::string_view line : absl::StrSplit(text, '\n')) {
      // "sl local_address rem_address st ..."
      const std::vector<std::string> words = WordsOf(line);
      if (words.size() < 4 || words[3] != kSynReceived) continue;
      HalfOpen one;
      std::string own;
      uint32_t peer_port = 0;
      if (!ParseEnd(words[1], own, one.port) ||
          !ParseEnd(words[2], one.peer, peer_port)) {
        continue;
      }
      if (found.size() < kCountMax) found.push_back(one);
    }
  }
  return found;
}

}  // namespace shoal::health
