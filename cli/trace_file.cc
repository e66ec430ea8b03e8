#include "cli/trace_file.h"

#include <algorithm>
#include <cerrno>
#include <cstdio>
#include <cstring>
#include <limits>
#include <tuple>
#include <utility>

#include "absl/strings/str_cat.h"
#include "absl/strings/str_format.h"
#include "nlohmann/json.hpp"

namespace shoal::cli {
namespace {

using base::TraceEvent;
using base::TraceKind;
using coordinator::RankTrace;
using coordinator::RequestRecord;

// Perfetto takes 0 for the system's idle thread, and threads of two processes
// with one number for one thread.
constexpr uint32_t kThreadsPerProcess = 1000;
constexpr uint32_t kPassThread = 0;
constexpr uint32_t kFirstReadThread = 1;

uint32_t ProcessOf(uint32_t rank) { return rank + 1; }
uint32_t ThreadOf(uint32_t process, uint32_t index) {
  return process * kThreadsPerProcess + index;
}

std::string Microseconds(int64_t ns) {
  return absl::StrFormat("%d.%03d", ns / 1000, ns % 1000);
}

const char* NameOf(TraceKind kind) {
  switch (kind) {
    case TraceKind::kPass:
      return "pass";
    case TraceKind::kCompute:
      return "compute";
    case TraceKind::kRead:
      return "read";
    case TraceKind::kStall:
      return "stall";
    case TraceKind::kWait:
      return "wait";
    case TraceKind::kExchange:
      return "exchange";
  }
  return "?";
}

std::string ArgumentsOf(const TraceEvent& event) {
  switch (event.kind) {
    case TraceKind::kPass:
      return absl::StrCat("\"tokens\":", event.count);
    case TraceKind::kRead:
      return absl::StrCat("\"bytes\":", event.bytes);
    case TraceKind::kWait:
      return absl::StrCat("\"layer\":", event.layer, ",\"phase\":", event.phase,
                          ",\"for_rank\":", event.count);
    case TraceKind::kExchange:
      return absl::StrCat("\"layer\":", event.layer,
                          ",\"phase\":", event.phase);
    case TraceKind::kCompute:
    case TraceKind::kStall:
      return absl::StrCat("\"layer\":", event.layer, ",\"phase\":", event.phase,
                          ",\"units\":", event.count);
  }
  return "";
}

std::string NameEvent(const char* what, uint32_t pid, uint32_t tid,
                      const std::string& name) {
  return absl::StrCat(
      "{\"ph\":\"M\",\"name\":\"", what, "\",\"pid\":", pid, ",\"tid\":", tid,
      ",\"args\":{\"name\":", nlohmann::json(name).dump(), "}}");
}

// The threads that read, in order of their numbers.
std::vector<uint16_t> ReadersOf(const RankTrace& trace) {
  std::vector<uint16_t> readers;
  for (const TraceEvent& event : trace.events) {
    if (event.kind == TraceKind::kRead) readers.push_back(event.thread);
  }
  std::sort(readers.begin(), readers.end());
  readers.erase(std::unique(readers.begin(), readers.end()), readers.end());
  return readers;
}

class Writer {
 public:
  Writer(std::FILE* file, int64_t origin_ns)
      : file_(file), origin_ns_(origin_ns) {}

  void AddDevice(const RankTrace& trace) {
    const uint32_t pid = ProcessOf(trace.rank);
    const std::vector<uint16_t> readers = ReadersOf(trace);
    Put(NameEvent("process_name", pid, ThreadOf(pid, kPassThread), trace.name));
    Put(NameEvent("thread_name", pid, ThreadOf(pid, kPassThread), "passes"));
    for (uint32_t i = 0; i < readers.size(); ++i) {
      Put(NameEvent("thread_name", pid, ThreadOf(pid, kFirstReadThread + i),
                    absl::StrCat("disk ", i)));
    }
    // What holds others comes before them, also where they begin together.
    std::vector<TraceEvent> events = trace.events;
    std::stable_sort(events.begin(), events.end(),
                     [](const TraceEvent& a, const TraceEvent& b) {
                       return std::tuple(a.begin_ns, -a.duration_ns) <
                              std::tuple(b.begin_ns, -b.duration_ns);
                     });
    for (const TraceEvent& event : events) {
      uint32_t thread = kPassThread;
      if (event.kind == TraceKind::kRead) {
        thread =
            kFirstReadThread +
            static_cast<uint32_t>(
                std::lower_bound(readers.begin(), readers.end(), event.thread) -
                readers.begin());
      }
      PutSlice(NameOf(event.kind), pid, ThreadOf(pid, thread), event.begin_ns,
               event.duration_ns, ArgumentsOf(event));
    }
  }

  // `pid` is that of no device.
  void AddRequests(std::vector<RequestRecord> requests, uint32_t pid) {
    std::sort(requests.begin(), requests.end(),
              [](const auto& a, const auto& b) { return a.number < b.number; });
    std::vector<absl::Time> lanes;  // when the last request of each ended
    Put(NameEvent("process_name", pid, ThreadOf(pid, 0), "requests"));
    for (const RequestRecord& request : requests) {
      auto lane = std::find_if(lanes.begin(), lanes.end(), [&](absl::Time end) {
        return end <= request.submitted;
      });
      if (lane == lanes.end()) {
        lane = lanes.insert(lanes.end(), absl::InfinitePast());
        const auto number = static_cast<uint32_t>(lanes.size() - 1);
        Put(NameEvent("thread_name", pid, ThreadOf(pid, number),
                      absl::StrCat("requests ", number)));
      }
      *lane = request.ended;
      const uint32_t tid =
          ThreadOf(pid, static_cast<uint32_t>(lane - lanes.begin()));
      PutRequest(request, "queued", pid, tid, request.submitted, request.begun);
      PutRequest(request, "prompt", pid, tid, request.begun,
                 request.first_token);
      PutRequest(request, "answer", pid, tid, request.first_token,
                 request.ended);
    }
  }

 private:
  void PutRequest(const RequestRecord& request, const char* name, uint32_t pid,
                  uint32_t tid, absl::Time begin, absl::Time end) {
    const int64_t begin_ns = absl::ToUnixNanos(begin);
    PutSlice(name, pid, tid, begin_ns, absl::ToUnixNanos(end) - begin_ns,
             absl::StrFormat("\"request\":%d,\"prompt_tokens\":%d,"
                             "\"generated_tokens\":%d,\"outcome\":\"%s\"",
                             request.number, request.prompt_tokens,
                             request.generated_tokens, request.outcome));
  }

  void PutSlice(const char* name, uint32_t pid, uint32_t tid, int64_t begin_ns,
                int64_t duration_ns, const std::string& arguments) {
    Put(absl::StrCat("{\"ph\":\"X\",\"name\":\"", name, "\",\"pid\":", pid,
                     ",\"tid\":", tid,
                     ",\"ts\":", Microseconds(begin_ns - origin_ns_),
                     ",\"dur\":", Microseconds(duration_ns), ",\"args\":{",
                     arguments, "}}"));
  }

  void Put(const std::string& event) {
    std::fprintf(file_, "%s\n%s", first_ ? "" : ",", event.c_str());
    first_ = false;
  }

  std::FILE* const file_;
  const int64_t origin_ns_;
  bool first_ = true;
};

}  // namespace

absl::StatusOr<std::unique_ptr<TraceFile>> TraceFile::Create(
    const std::string& path) {
  std::FILE* const file = std::fopen(path.c_str(), "w");
  std::unique_ptr<TraceFile> trace(new TraceFile(path, file));
  if (file == nullptr) return trace->Failure();
  return trace;
}

TraceFile::~TraceFile() {
  if (file_ != nullptr) std::fclose(file_);
}

absl::Status TraceFile::Failure() const {
  return absl::UnavailableError(absl::StrCat(
      "--trace ", path_, ": cannot be written: ", std::strerror(errno)));
}

absl::Status TraceFile::Write(const std::vector<RankTrace>& traces,
                              const std::vector<RequestRecord>& requests) {
  int64_t origin_ns = std::numeric_limits<int64_t>::max();
  for (const RequestRecord& request : requests) {
    origin_ns = std::min(origin_ns, absl::ToUnixNanos(request.submitted));
  }
  for (const RankTrace& trace : traces) {
    for (const TraceEvent& event : trace.events) {
      origin_ns = std::min(origin_ns, event.begin_ns);
    }
  }
  std::fputs("{\"displayTimeUnit\":\"ms\",\"traceEvents\":[", file_);
  Writer writer(file_, origin_ns);
  uint32_t last_pid = 0;
  for (const RankTrace& trace : traces) {
    writer.AddDevice(trace);
    last_pid = std::max(last_pid, ProcessOf(trace.rank));
  }
  if (!requests.empty()) writer.AddRequests(requests, last_pid + 1);
  std::fputs("\n]}\n", file_);
  const bool written = std::ferror(file_) == 0;
  if (std::fclose(std::exchange(file_, nullptr)) != 0 || !written) {
    return Failure();
  }
  return absl::OkStatus();
}

absl::Status SaveTrace(coordinator::Coordinator& coordinator, TraceFile& file,
                       const std::vector<RequestRecord>& requests) {
  const std::vector<RankTrace> traces = coordinator.Traces();
  const uint32_t devices = coordinator.plan().rank_count();
  for (const RankTrace& trace : traces) {
    if (trace.dropped == 0) continue;
    std::fprintf(stderr,
                 "--trace: %s had room for %zu events; the %llu behind them "
                 "are missing\n",
                 trace.name.c_str(), trace.events.size(),
                 static_cast<unsigned long long>(trace.dropped));
  }
  if (traces.size() < devices) {
    std::fprintf(stderr, "--trace: %zu of %u devices did not answer\n",
                 devices - traces.size(), devices);
  }
  return file.Write(traces, requests);
}

}  // namespace shoal::cli
