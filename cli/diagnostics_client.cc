#include "cli/diagnostics_client.h"

#include <algorithm>
#include <iterator>
#include <utility>

#include "base/status_macros.h"
#include "cli/coordinator_dial.h"
#include "grpcpp/channel.h"
#include "grpcpp/client_context.h"
#include "proto/diagnostics.grpc.pb.h"

namespace shoal::cli {
namespace {

constexpr absl::Duration kExamineTimeout = absl::Minutes(5);
constexpr absl::Duration kLogTimeout = absl::Minutes(1);
// Answers hold some hundred lines each, devices keep a thousand.
constexpr int kRoundsMax = 16;

health::Severity FromProto(proto::Severity severity) {
  switch (severity) {
    case proto::SEVERITY_PASS:
      return health::Severity::kPass;
    case proto::SEVERITY_WARN:
      return health::Severity::kWarn;
    default:
      return health::Severity::kFail;
  }
}

void SortByTime(FleetLog& log) {
  std::stable_sort(
      log.lines.begin(), log.lines.end(),
      [](const auto& a, const auto& b) { return a.time < b.time; });
}

// Of a device whose process is a new one all lines are new.
void TakeLog(const proto::DeviceLog& log, LogPlace& place, FleetLog& to) {
  if (place.instance != 0 && place.instance != log.instance()) {
    place = {0, log.instance()};
    return;
  }
  place = {log.next(), log.instance()};
  for (const proto::DeviceLog::Line& line : log.lines()) {
    to.lines.push_back(
        {absl::FromUnixNanos(line.time_ns() - log.clock_ahead_ns()),
         log.device(), static_cast<base::LogLevel>(line.level()), line.text()});
  }
}

}  // namespace

absl::StatusOr<std::vector<ExaminedDevice>> ExamineFleet(
    const ClientTarget& target, const std::string& device) {
  const auto stub = proto::Diagnostics::NewStub(DialCoordinator(target));
  grpc::ClientContext context;
  ShowToken(target, context);
  LimitTime(context, kExamineTimeout);
  proto::ExamineRequest request;
  request.set_device(device);
  proto::ExamineReply reply;
  SHOAL_RETURN_IF_ERROR(
      AnswerOf(target, stub->Examine(&context, request, &reply)));
  std::vector<ExaminedDevice> devices;
  for (const proto::ExamineReply::Device& from : reply.devices()) {
    ExaminedDevice to{from.name(), {}};
    for (const proto::Finding& finding : from.findings()) {
      to.findings.push_back({FromProto(finding.severity()), finding.check(),
                             finding.value(), finding.expected(),
                             finding.fix()});
    }
    devices.push_back(std::move(to));
  }
  return devices;
}

absl::StatusOr<FleetLog> ReadFleetLog(const ClientTarget& target,
                                      const std::string& device,
                                      base::LogLevel level, LogPlaces& places) {
  const auto stub = proto::Diagnostics::NewStub(DialCoordinator(target));
  grpc::ClientContext context;
  ShowToken(target, context);
  LimitTime(context, kLogTimeout);
  proto::ReadLogsRequest request;
  request.set_device(device);
  request.set_level(static_cast<uint32_t>(level));
  for (const auto& [name, place] : places) {
    (*request.mutable_first())[name] = place.next;
  }
  proto::ReadLogsReply reply;
  SHOAL_RETURN_IF_ERROR(
      AnswerOf(target, stub->ReadLogs(&context, request, &reply)));
  FleetLog log;
  for (const proto::DeviceLog& part : reply.devices()) {
    if (!part.answered()) {
      log.silent.push_back(part.device());
      continue;
    }
    TakeLog(part, places[part.device()], log);
  }
  SortByTime(log);
  return log;
}

absl::StatusOr<FleetLog> ReadWholeFleetLog(const ClientTarget& target,
                                           const std::string& device,
                                           base::LogLevel level,
                                           LogPlaces& places) {
  FleetLog all;
  for (int round = 0; round < kRoundsMax; ++round) {
    SHOAL_ASSIGN_OR_RETURN(FleetLog part,
                           ReadFleetLog(target, device, level, places));
    all.silent = std::move(part.silent);
    if (part.lines.empty()) break;
    all.lines.insert(all.lines.end(),
                     std::make_move_iterator(part.lines.begin()),
                     std::make_move_iterator(part.lines.end()));
  }
  SortByTime(all);
  return all;
}

}  // namespace shoal::cli
