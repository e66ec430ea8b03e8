#include "tests/testing/trace_rules.h"

#include <algorithm>
#include <cmath>
#include <cstdint>
#include <map>
#include <set>

#include "absl/strings/str_cat.h"
#include "nlohmann/json.hpp"

namespace shoal::testing {
namespace {

using nlohmann::json;

struct Slice {
  int64_t begin_ns = 0;
  int64_t end_ns = 0;
  std::string text;
};

// Viewers count in whole nanoseconds.
int64_t Nanoseconds(const json& microseconds) {
  return std::llround(microseconds.get<double>() * 1000);
}

std::string FaultOfFields(const json& event) {
  if (!event.is_object()) return "no object";
  const std::string phase = event.value("ph", "");
  if (phase != "X" && phase != "M") return "a phase that is not expected";
  for (const char* number : {"pid", "tid"}) {
    if (!event.contains(number) || !event[number].is_number_unsigned() ||
        event[number] == 0 || event[number] > UINT32_MAX) {
      return absl::StrCat(number, " is no positive number of 32 bits");
    }
  }
  if (event.value("name", "").empty()) return "no name";
  if (!event.contains("args") || !event["args"].is_object()) return "no args";
  if (phase == "M") {
    return event["name"] != "process_name" && event["name"] != "thread_name"
               ? "metadata that is not known"
           : event["args"].value("name", "").empty() ? "names nothing"
                                                     : "";
  }
  for (const char* time : {"ts", "dur"}) {
    if (!event.contains(time) || !event[time].is_number() || event[time] < 0) {
      return absl::StrCat(time, " is no time");
    }
  }
  return "";
}

// Slices nest: those that are open when another begins hold all of it.
void FindOverlaps(std::vector<Slice> slices, std::vector<std::string>& faults) {
  std::stable_sort(
      slices.begin(), slices.end(),
      [](const auto& a, const auto& b) { return a.begin_ns < b.begin_ns; });
  std::vector<const Slice*> open;
  for (const Slice& slice : slices) {
    while (!open.empty() && open.back()->end_ns <= slice.begin_ns) {
      open.pop_back();
    }
    if (!open.empty() && slice.end_ns > open.back()->end_ns) {
      faults.push_back(
          absl::StrCat(slice.text, " overlaps ", open.back()->text));
      continue;
    }
    open.push_back(&slice);
  }
}

}  // namespace

std::vector<std::string> FaultsOfTrace(const std::string& trace) {
  std::vector<std::string> faults;
  // The unit is looked for before the events.
  const std::string head = "{\"displayTimeUnit\":\"ms\",\"traceEvents\":[";
  if (trace.compare(0, head.size(), head) != 0) {
    faults.push_back("another beginning: " + trace.substr(0, head.size()));
  }
  const json parsed = json::parse(trace, nullptr, false);
  if (!parsed.is_object() || !parsed.contains("traceEvents")) {
    faults.push_back("no object with traceEvents");
    return faults;
  }
  std::map<uint32_t, std::vector<Slice>> slices;  // by thread
  std::map<uint32_t, uint32_t> process_of;        // likewise
  std::set<uint32_t> named;
  for (const json& event : parsed["traceEvents"]) {
    const std::string fault = FaultOfFields(event);
    if (!fault.empty()) {
      faults.push_back(absl::StrCat(fault, ": ", event.dump()));
      continue;
    }
    const uint32_t thread = event["tid"];
    const uint32_t process = event["pid"];
    if (process_of.insert({thread, process}).first->second != process) {
      faults.push_back("a thread of two processes: " + event.dump());
    }
    if (event["ph"] == "M") {
      if (event["name"] == "thread_name") named.insert(thread);
      continue;
    }
    const int64_t begin = Nanoseconds(event["ts"]);
    slices[thread].push_back(
        {begin, begin + Nanoseconds(event["dur"]), event.dump()});
  }
  for (auto& [thread, of_thread] : slices) {
    if (!named.contains(thread)) {
      faults.push_back(absl::StrCat("thread ", thread, " has no name"));
    }
    FindOverlaps(std::move(of_thread), faults);
  }
  return faults;
}

}  // namespace shoal::testing
