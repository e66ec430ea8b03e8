#include "dashboard/live_feed.h"

#include <utility>

#include "absl/strings/str_cat.h"
#include "absl/time/clock.h"
#include "nlohmann/json.hpp"

namespace shoal::dashboard {
namespace {

const char* NameOf(LiveFeed::Link state) {
  switch (state) {
    case LiveFeed::Link::kConnecting:
      return "connecting";
    case LiveFeed::Link::kLive:
      return "live";
    case LiveFeed::Link::kLost:
      return "lost";
  }
  return "";
}

}  // namespace

void LiveFeed::SetLink(Link state, const std::string& message) {
  const nlohmann::ordered_json body = {{"state", NameOf(state)},
                                       {"message", message}};
  std::string event = absl::StrCat(
      "event: link\ndata: ",
      body.dump(-1, ' ', false, nlohmann::json::error_handler_t::replace),
      "\n\n");
  base::MutexLock lock(mutex_);
  if (event == link_) return;
  link_ = std::move(event);
  ++link_number_;
  changed_.NotifyAll();
}

void LiveFeed::Publish(bool is_first, std::string snapshot,
                       std::vector<std::string> events) {
  base::MutexLock lock(mutex_);
  if (is_first) {
    ++source_number_;
    events_.clear();
  }
  for (std::string& event : events) {
    if (events_.size() == kEventCountMax) events_.pop_front();
    events_.push_back({++event_number_, std::move(event)});
  }
  snapshot_ = std::make_shared<const std::string>(std::move(snapshot));
  ++snapshot_number_;
  changed_.NotifyAll();
}

void LiveFeed::Close() {
  base::MutexLock lock(mutex_);
  closed_ = true;
  changed_.NotifyAll();
}

bool LiveFeed::closed() const {
  base::MutexLock lock(mutex_);
  return closed_;
}

std::string LiveFeed::Reader::Next(absl::Time deadline) {
  LiveFeed& feed = feed_;
  base::MutexLock lock(feed.mutex_);
  while (!feed.closed_ && feed.link_number_ == link_number_ &&
         feed.snapshot_number_ == snapshot_number_) {
    if (absl::Now() >= deadline) return "";
    feed.changed_.WaitUntil(feed.mutex_, deadline);
  }
  if (feed.closed_) return "";
  std::string text;
  if (feed.link_number_ != link_number_) {
    link_number_ = feed.link_number_;
    text = feed.link_;
  }
  if (feed.snapshot_number_ == snapshot_number_) return text;
  const bool is_first = feed.source_number_ != source_number_;
  source_number_ = feed.source_number_;
  snapshot_number_ = feed.snapshot_number_;
  absl::StrAppend(
      &text, "event: update\ndata: {\"first\":", is_first ? "true" : "false",
      ",\"snapshot\":", *feed.snapshot_, ",\"events\":[");
  const char* separator = "";
  for (const Event& event : feed.events_) {
    if (!is_first && event.number <= event_number_) continue;
    absl::StrAppend(&text, separator, event.json);
    separator = ",";
  }
  event_number_ = feed.event_number_;
  absl::StrAppend(&text, "]}\n\n");
  return text;
}

}  // namespace shoal::dashboard
