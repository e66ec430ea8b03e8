#include "tests/e2e/fleet_processes.h"

#include <signal.h>

#include <algorithm>
#include <atomic>
#include <cerrno>
#include <cstdlib>
#include <fstream>
#include <sstream>
#include <thread>

#include "absl/strings/match.h"
#include "absl/strings/str_cat.h"
#include "absl/strings/str_join.h"
#include "absl/time/clock.h"

namespace shoal::testing {
namespace {

// The number behind `field` in lines such as "VmHWM:   123 kB"; 0: none.
uint64_t FieldOf(const std::string& path, const std::string& field) {
  std::ifstream file(path);
  std::string line;
  while (std::getline(file, line)) {
    if (line.rfind(field, 0) != 0) continue;
    std::istringstream words(line.substr(field.size()));
    uint64_t value = 0;
    words >> value;
    return value;
  }
  return 0;
}

// "... its floor is 30 MiB (N bytes: ..."; 0: it says nothing of that.
uint64_t FloorBytes(const std::string& message) {
  const size_t at = message.find("its floor is");
  if (at == std::string::npos) return 0;
  const size_t open = message.find('(', at);
  if (open == std::string::npos) return 0;
  return std::strtoull(message.c_str() + open + 1, nullptr, 10);
}

bool IsAlive(pid_t pid) { return kill(pid, 0) == 0 || errno != ESRCH; }

}  // namespace

std::string StoryModelPath() {
  const char* source = std::getenv("SHOAL_SOURCE_DIR");
  return absl::StrCat(source == nullptr ? "." : source,
                      "/models/shoal-stories-3m-q8_0.gguf");
}

std::vector<std::string> FleetProcessesTest::StoryRun(
    const std::vector<std::string>& more) {
  std::vector<std::string> all = {
      "run",   "-m", StoryModelPath(),
      "--raw", "-p", "Once upon a time, a small fish"};
  all.insert(all.end(), more.begin(), more.end());
  return all;
}

cli::ProgramOptions FleetProcessesTest::Environment() const {
  cli::ProgramOptions options;
  options.environment["XDG_CACHE_HOME"] = cache_.path();
  return options;
}

std::vector<uint64_t> FleetProcessesTest::Floors(
    const std::vector<std::string>& run, uint32_t device_count) const {
  constexpr uint64_t kPlenty = uint64_t{1} << 30;
  constexpr uint64_t kTooLittle = uint64_t{1} << 20;
  std::vector<uint64_t> floors;
  for (uint32_t rank = 0; rank < device_count; ++rank) {
    std::vector<uint64_t> budgets(device_count, kPlenty);
    budgets[rank] = kTooLittle;
    std::vector<std::string> arguments = run;
    arguments.insert(arguments.end(), {"--local", absl::StrCat(device_count),
                                       "--memory", ListOf(budgets)});
    const cli::ProgramResult refused = Run(arguments);
    EXPECT_EQ(refused.exit_code, 1) << refused.err;
    floors.push_back(FloorBytes(refused.err));
    EXPECT_GT(floors.back(), kTooLittle) << refused.err;
    EXPECT_NE(refused.err.find(absl::StrCat("local-", rank)), std::string::npos)
        << refused.err;
  }
  return floors;
}

bool FleetProcessesTest::RaiseFloor(const std::string& refusal,
                                    std::vector<uint64_t>& floors) {
  const uint64_t floor = FloorBytes(refusal);
  for (size_t rank = 0; rank < floors.size(); ++rank) {
    if (!absl::StrContains(refusal, absl::StrCat("rank ", rank, " (")) ||
        floor <= floors[rank]) {
      continue;
    }
    floors[rank] = floor;
    return true;
  }
  return false;
}

Waiting ReadWaiting(cli::Program& coordinator) {
  EXPECT_TRUE(coordinator.WaitForError("shoal worker --join "))
      << coordinator.so_far().err;
  const std::string& text = coordinator.so_far().err;
  const auto word_after = [&text](const std::string& mark) {
    const size_t at = text.find(mark);
    if (at == std::string::npos) return std::string();
    const size_t begin = at + mark.size();
    return text.substr(begin, text.find_first_of(" ;\n", begin) - begin);
  };
  // "waiting for 1 worker at ..." or "2 workers at ...".
  const std::string address = word_after(
      text.find(" workers at ") == std::string::npos ? " worker at "
                                                     : " workers at ");
  return {address.substr(address.rfind(':') + 1), word_after("SHOAL_TOKEN=")};
}

std::string ListOf(const std::vector<uint64_t>& numbers) {
  return absl::StrJoin(numbers, ",");
}

std::map<pid_t, ProcessFacts> FactsOfFleet(pid_t parent) {
  std::vector<pid_t> pids = cli::ChildrenOf(parent);
  pids.push_back(parent);
  std::map<pid_t, ProcessFacts> facts;
  for (const pid_t pid : pids) {
    const std::string folder = absl::StrCat("/proc/", pid);
    facts[pid] = {FieldOf(folder + "/status", "VmHWM:") * 1024,
                  FieldOf(folder + "/io", "read_bytes:")};
  }
  return facts;
}

std::map<pid_t, ProcessFacts> WatchToTheEnd(cli::Program& program,
                                            cli::ProgramResult& result) {
  std::map<pid_t, ProcessFacts> largest;
  const pid_t parent = program.pid();
  std::atomic<bool> ended = false;
  std::thread waiter([&] {
    result = program.Wait();
    ended = true;
  });
  while (!ended) {
    const std::map<pid_t, ProcessFacts> fleet = FactsOfFleet(parent);
    // When a parent waits for a child that has ended, the kernel adds the
    // child's reads to the parent's: then they are not its own any more.
    const bool all_are_there =
        fleet.size() >= largest.size() &&
        cli::ChildrenOf(parent).size() + 1 == fleet.size();
    for (const auto& [pid, now] : fleet) {
      ProcessFacts& facts = largest[pid];
      facts.peak_rss_bytes = std::max(facts.peak_rss_bytes, now.peak_rss_bytes);
      if (pid == parent && !all_are_there) continue;
      facts.read_bytes = std::max(facts.read_bytes, now.read_bytes);
    }
    std::this_thread::yield();
  }
  waiter.join();
  return largest;
}

bool AllGoneWithin(const std::vector<pid_t>& pids, absl::Duration limit) {
  const absl::Time end = absl::Now() + limit;
  while (absl::Now() < end) {
    if (std::none_of(pids.begin(), pids.end(), IsAlive)) return true;
    std::this_thread::yield();
  }
  return false;
}

}  // namespace shoal::testing
