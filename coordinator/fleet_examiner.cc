#include "coordinator/fleet_examiner.h"

#include <algorithm>
#include <limits>
#include <utility>

#include "absl/strings/match.h"
#include "absl/strings/str_cat.h"
#include "absl/time/clock.h"
#include "base/log_ring.h"
#include "base/status_macros.h"
#include "coordinator/fleet_convert.h"
#include "proto/fleet.pb.h"
#include "proto/fleet_protocol.h"

namespace shoal::coordinator {
namespace {

constexpr absl::Duration kAnswerTimeout = absl::Seconds(4);
constexpr absl::Duration kExamineTimeout = absl::Seconds(10);
constexpr absl::Duration kReachTimeout = absl::Seconds(3);
constexpr uint32_t kRoundTripCount = 30;
constexpr int kClockRoundTrips = 5;
// Every pair of more would take minutes.
constexpr size_t kPairedWorkersMax = 12;
constexpr size_t kLineCountMax = 400;

health::Finding FromProto(const proto::Finding& from) {
  health::Finding to;
  to.severity =
      from.severity() == proto::SEVERITY_PASS   ? health::Severity::kPass
      : from.severity() == proto::SEVERITY_WARN ? health::Severity::kWarn
                                                : health::Severity::kFail;
  to.check = from.check();
  to.value = from.value();
  to.expected = from.expected();
  to.fix = from.fix();
  return to;
}

absl::Status StatusOf(const proto::Answer& answer) {
  return absl::Status(static_cast<absl::StatusCode>(answer.status().code()),
                      answer.status().message());
}

std::vector<absl::Duration> TimesOf(const proto::Answer& answer) {
  std::vector<absl::Duration> times;
  for (const int64_t ns : answer.round_trip_ns()) {
    times.push_back(absl::Nanoseconds(ns));
  }
  return times;
}

// Ports, and how long messages take where they came through.
void Judge(const health::Reach& reach, health::Findings& findings) {
  findings.push_back(health::CheckReach(reach));
  if (reach.status.ok() && !reach.round_trips.empty()) {
    findings.push_back(health::CheckRoundTrip(reach));
  }
}

health::Reach Dial(const std::string& from, const std::string& to,
                   const std::string& endpoint) {
  health::Reach reach{from, to, endpoint, {}, {}};
  auto times = transport::MeasureReach(endpoint, kRoundTripCount,
                                       absl::Now() + kReachTimeout);
  reach.status = times.status();
  if (times.ok()) reach.round_trips = *std::move(times);
  return reach;
}

// How far its clock is ahead, by the shortest of a few round trips.
struct ClockOffset {
  absl::Duration ahead;
  absl::Duration error = absl::InfiniteDuration();  // nobody answered
};
ClockOffset OffsetOf(RemoteWorker& worker) {
  ClockOffset offset;
  for (int i = 0; i < kClockRoundTrips; ++i) {
    const absl::Time begin = absl::Now();
    const auto answer = worker.Inquire({}, begin + kAnswerTimeout);
    if (answer == nullptr) return offset;
    const absl::Duration half = (absl::Now() - begin) / 2;
    if (half >= offset.error) continue;
    offset.error = half;
    offset.ahead = absl::FromUnixNanos(answer->clock_ns()) - (begin + half);
  }
  return offset;
}

void FillOwnLog(const proto::ReadLogsRequest& request, const std::string& name,
                proto::DeviceLog& log) {
  log.set_device(name);
  log.set_is_coordinator(true);
  log.set_answered(true);
  const auto first = request.first().find(name);
  const auto level = static_cast<base::LogLevel>(std::min<uint32_t>(
      request.level(), static_cast<uint32_t>(base::LogLevel::kError)));
  const base::LogRing& ring = base::LogRing::OfProcess();
  const base::LogRing::Part part = ring.Read(
      first == request.first().end() ? 0 : first->second, level, kLineCountMax);
  for (const base::LogRecord& record : part.records) {
    proto::DeviceLog::Line& line = *log.add_lines();
    line.set_number(record.number);
    line.set_time_ns(record.time_ns);
    line.set_level(static_cast<uint32_t>(record.level));
    line.set_text(record.text);
  }
  log.set_next(part.next);
  log.set_instance(ring.instance());
}

}  // namespace

absl::StatusOr<std::vector<FleetExaminer::Worker>> FleetExaminer::Chosen(
    const std::string& device) const {
  std::vector<Worker> workers = membership_.workers();
  if (device.empty()) return workers;
  std::string names = own_.name;
  for (const Worker& worker : workers) {
    if (worker->name() == device) return std::vector<Worker>{worker};
    absl::StrAppend(&names, ", ", worker->name());
  }
  if (device == own_.name) return std::vector<Worker>();
  return absl::NotFoundError(absl::StrCat(
      "there is no device ", device, " in the fleet; there are ", names,
      "; on a device that cannot join: shoal doctor --join"
      " HOST:PORT#TOKEN"));
}

absl::StatusOr<std::vector<DeviceFindings>> FleetExaminer::Examine(
    const std::string& device) {
  SHOAL_ASSIGN_OR_RETURN(const std::vector<Worker> workers, Chosen(device));
  base::MutexLock turn(turn_);
  std::vector<DeviceFindings> all;
  if (device.empty() || device == own_.name) all.push_back(ExamineOwn());
  const std::vector<Worker> everybody = membership_.workers();
  for (size_t i = 0; i < workers.size(); ++i) {
    std::vector<Worker> others;
    if (everybody.size() <= kPairedWorkersMax) {
      // Of all: each pair once.
      for (size_t j = 0; j < (device.empty() ? i : everybody.size()); ++j) {
        if (everybody[j] != workers[i]) others.push_back(everybody[j]);
      }
    }
    all.push_back(ExamineWorker(*workers[i], others));
  }
  return all;
}

DeviceFindings FleetExaminer::ExamineOwn() const {
  DeviceFindings own{own_.name, {}};
  own.findings.push_back(
      health::Pass("version", absl::StrCat("shoal ", own_.program_version)));
  if (!own_.examine) return own;
  for (health::Finding& finding : own_.examine()) {
    own.findings.push_back(std::move(finding));
  }
  return own;
}

DeviceFindings FleetExaminer::ExamineWorker(
    RemoteWorker& worker, const std::vector<Worker>& others) const {
  DeviceFindings device{worker.name(), {}};
  health::Findings& findings = device.findings;
  const health::Version ours = {own_.program_version,
                                proto::kFleetProtocolVersion};
  findings.push_back(health::CheckVersion(
      worker.name(),
      {worker.info().program_version, proto::kFleetProtocolVersion}, ours));
  const ClockOffset offset = OffsetOf(worker);
  if (offset.error == absl::InfiniteDuration()) {
    findings.push_back(health::Fail(
        "answers",
        absl::StrCat("nothing for ",
                     absl::FormatDuration(absl::Now() - worker.heard())),
        "an answer to every question",
        absl::StrCat("it hangs, its program is older, or packets get lost one "
                     "way; ",
                     worker.WhatToCheck())));
    return device;
  }
  findings.push_back(health::CheckClock(offset.ahead, offset.error));
  proto::Inquiry ask;
  ask.mutable_examine();
  const auto answer = worker.Inquire(ask, absl::Now() + kExamineTimeout);
  if (answer == nullptr) {
    findings.push_back(health::Fail("answers", "it does not say how it is",
                                    "its own findings",
                                    "on that device: shoal doctor"));
  } else {
    for (const proto::Finding& finding : answer->findings()) {
      findings.push_back(FromProto(finding));
    }
  }
  CheckLinks(worker, findings);
  for (const Worker& other : others) CheckLink(worker, *other, findings);
  return device;
}

health::Reach FleetExaminer::DialFrom(RemoteWorker& from, const std::string& to,
                                      const std::string& endpoint) const {
  health::Reach reach{from.name(), to, endpoint, {}, {}};
  proto::Inquiry ask;
  ask.mutable_dial_door()->set_endpoint(endpoint);
  ask.mutable_dial_door()->set_timeout_ms(
      static_cast<uint32_t>(absl::ToInt64Milliseconds(kReachTimeout)));
  const auto answer =
      from.Inquire(ask, absl::Now() + kReachTimeout + kAnswerTimeout);
  if (answer == nullptr) {
    reach.status = absl::UnavailableError(
        absl::StrCat(from.name(), " does not say whether it came through"));
    return reach;
  }
  reach.status = StatusOf(*answer);
  reach.round_trips = TimesOf(*answer);
  return reach;
}

namespace {

// Where others dial a worker for a while. Empty: it opened nothing.
std::string OpenDoorAt(RemoteWorker& worker, health::Findings& findings) {
  proto::Inquiry ask;
  ask.mutable_open_door()->set_open_ms(static_cast<uint32_t>(
      absl::ToInt64Milliseconds(FleetExaminer::kDoorTime)));
  const auto answer = worker.Inquire(ask, absl::Now() + kAnswerTimeout);
  if (answer != nullptr && StatusOf(*answer).ok() && !answer->door().empty()) {
    return answer->door();
  }
  findings.push_back(health::Fail(
      absl::StrCat("ports of ", worker.name()),
      answer == nullptr ? "no answer" : answer->status().message(),
      "a port where others dial it",
      "give it an address that it has: shoal worker --bind ADDRESS (ip addr)"));
  return "";
}

}  // namespace

void FleetExaminer::CheckLinks(RemoteWorker& worker,
                               health::Findings& findings) const {
  const std::string door = OpenDoorAt(worker, findings);
  if (!door.empty()) Judge(Dial(own_.name, worker.name(), door), findings);
  const auto own = transport::ReachDoor::Open(own_.host, kDoorTime);
  if (!own.ok()) {
    findings.push_back(health::Fail(
        absl::StrCat("ports of ", own_.name), own.status().message(),
        "a port where workers dial it", "listen elsewhere: --listen"));
    return;
  }
  Judge(DialFrom(
            worker, own_.name,
            absl::StrCat("tcp://", proto::kReachedHost, ":", (*own)->port())),
        findings);
}

void FleetExaminer::CheckLink(RemoteWorker& from, RemoteWorker& to,
                              health::Findings& findings) const {
  const std::string door = OpenDoorAt(to, findings);
  if (!door.empty()) Judge(DialFrom(from, to.name(), door), findings);
}

absl::Status FleetExaminer::ReadLogs(const proto::ReadLogsRequest& request,
                                     proto::ReadLogsReply& reply) {
  SHOAL_ASSIGN_OR_RETURN(const std::vector<Worker> workers,
                         Chosen(request.device()));
  if (request.device().empty() || request.device() == own_.name) {
    FillOwnLog(request, own_.name, *reply.add_devices());
  }
  for (const Worker& worker : workers) {
    proto::DeviceLog& log = *reply.add_devices();
    const ClockOffset offset = OffsetOf(*worker);
    proto::Inquiry ask;
    const auto first = request.first().find(worker->name());
    if (first != request.first().end()) {
      ask.mutable_read_log()->set_first(first->second);
    }
    ask.mutable_read_log()->set_level(request.level());
    const auto answer =
        offset.error == absl::InfiniteDuration()
            ? nullptr
            : worker->Inquire(ask, absl::Now() + kAnswerTimeout);
    if (answer != nullptr) log = answer->log();
    log.set_answered(answer != nullptr);
    log.set_device(worker->name());
    log.set_clock_ahead_ns(absl::ToInt64Nanoseconds(offset.ahead));
  }
  return absl::OkStatus();
}

void FleetExaminer::TryJoin(const proto::TryJoinRequest& request,
                            const std::string& peer_host,
                            proto::TryJoinReply& reply) {
  reply.set_coordinator_name(own_.name);
  reply.set_clock_ns(absl::GetCurrentTimeNanos());
  if (request.door_port() > 0 &&
      request.door_port() <= std::numeric_limits<uint16_t>::max() &&
      !peer_host.empty()) {
    // At the caller's own address, and nowhere else.
    const bool is_v6 = absl::StrContains(peer_host, ':');
    const health::Reach reach =
        Dial("", "",
             absl::StrCat("tcp://", is_v6 ? "[" : "", peer_host,
                          is_v6 ? "]:" : ":", request.door_port()));
    *reply.mutable_reached() = ToProto(reach.status);
    for (const absl::Duration time : reach.round_trips) {
      reply.add_round_trip_ns(absl::ToInt64Nanoseconds(time));
    }
  }
  base::MutexLock lock(door_mutex_);
  door_.reset();
  auto door = transport::ReachDoor::Open(own_.host, kDoorTime);
  if (!door.ok()) return;
  door_ = *std::move(door);
  reply.set_door_port(door_->port());
}

}  // namespace shoal::coordinator
