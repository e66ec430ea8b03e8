#include "cli/fleet_follower.h"

#include <string>
#include <utility>
#include <vector>

#include "absl/strings/str_cat.h"
#include "absl/time/clock.h"
#include "base/status_macros.h"
#include "google/protobuf/util/json_util.h"
#include "proto/operator.pb.h"

namespace shoal::cli {
namespace {

using dashboard::LiveFeed;

absl::Status AppendJson(const google::protobuf::Message& message,
                        std::string& to) {
  google::protobuf::util::JsonPrintOptions options;
  options.always_print_primitive_fields = true;
  options.preserve_proto_field_names = true;
  const auto status =
      google::protobuf::util::MessageToJsonString(message, &to, options);
  if (status.ok()) return absl::OkStatus();
  return absl::DataLossError(
      absl::StrCat("the coordinator sent what cannot be shown: ",
                   std::string(status.message())));
}

}  // namespace

FleetFollower::FleetFollower(const ClientTarget& target, double rate,
                             absl::Duration retry, LiveFeed& feed)
    : target_(target), rate_(rate), retry_(retry), feed_(feed), thread_([this] {
        Run();
      }) {}

FleetFollower::~FleetFollower() {
  {
    base::MutexLock lock(mutex_);
    ends_ = true;
    changed_.NotifyAll();
  }
  thread_.join();
}

absl::Status FleetFollower::Show(const proto::WatchUpdate& update,
                                 bool is_first) {
  std::vector<std::string> events;
  for (const proto::FleetEvent& event : update.events()) {
    SHOAL_RETURN_IF_ERROR(AppendJson(event, events.emplace_back()));
  }
  std::string snapshot;
  SHOAL_RETURN_IF_ERROR(AppendJson(update.snapshot(), snapshot));
  feed_.Publish(is_first, std::move(snapshot), std::move(events));
  feed_.SetLink(LiveFeed::Link::kLive, target_.address);
  return absl::OkStatus();
}

absl::Status FleetFollower::WatchOnce() {
  CoordinatorClient client(target_);
  bool is_first = true;
  absl::Status shown;
  SHOAL_RETURN_IF_ERROR(client.Watch(
      rate_,
      [&](const proto::WatchUpdate& update) {
        shown = Show(update, std::exchange(is_first, false));
        return shown.ok();
      },
      ends_));
  return shown;
}

void FleetFollower::Run() {
  feed_.SetLink(LiveFeed::Link::kConnecting,
                absl::StrCat("asking the coordinator at ", target_.address));
  while (!ends_) {
    const absl::Status status = WatchOnce();
    if (ends_) return;
    feed_.SetLink(LiveFeed::Link::kLost,
                  status.ok() ? absl::StrCat("the coordinator at ",
                                             target_.address, " ended")
                              : std::string(status.message()));
    const absl::Time next = absl::Now() + retry_;
    base::MutexLock lock(mutex_);
    while (!ends_ && absl::Now() < next) changed_.WaitUntil(mutex_, next);
  }
}

}  // namespace shoal::cli
