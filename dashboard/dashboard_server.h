// The page of `shoal dashboard`: its files, what the fleet does, and a chat.

#ifndef SHOAL_DASHBOARD_DASHBOARD_SERVER_H_
#define SHOAL_DASHBOARD_DASHBOARD_SERVER_H_

#include <cstdint>
#include <functional>
#include <memory>
#include <string>

#include "absl/status/statusor.h"
#include "coordinator/fleet_change.h"
#include "dashboard/chat_stream.h"
#include "dashboard/live_feed.h"
#include "http/access.h"
#include "http/connection_limits.h"

namespace shoal::dashboard {

struct ChatModel {
  std::string name;  // empty: none is loaded
  uint32_t context_positions = 0;
  // Without one a text is gone on with, and not answered.
  bool has_chat_template = false;
};

// GET  /, /app.js and so on  the page, for anyone that may reach it
// GET  /api/events           the events of LiveFeed
// GET  /api/model            {"name","context_positions","has_chat_template"}
// POST /api/chat             {"messages":[...]} or {"prompt":TEXT} and what
//                            else a completion takes; the events of ChatStream
// POST /api/change           {"change":"drain","resume" or "replan",
//                            "device":NAME}; {"text":LINE} when it is accepted
// Errors are those of http::ApiError. With a key all of /api/ needs it. A chat
// or change that another site's page asks for is refused (403). Whatever is
// answered says that the page may load and send nothing but what is here.
//
// Limits:  kStreamCountMax events and chats at a time, others get 503; a
//          client that reads nothing of an answer for
//          ConnectionLimits::write_silence is cut off.
// Threads: owns one for each connection that is served, one that accepts, and
//          one for each chat. The functions of Options are called from these.
class DashboardServer {
 public:
  static constexpr int kStreamCountMax = 24;

  struct Options {
    std::string host = "127.0.0.1";  // without brackets
    uint16_t port = 0;               // 0: any
    http::Access access;
    http::ConnectionLimits limits;
    std::function<absl::StatusOr<ChatModel>()> model;
    Generate generate;
    // Returns a line when the change is accepted, and not done yet.
    std::function<absl::StatusOr<std::string>(const coordinator::FleetChange&)>
        change;
  };

  // `feed` is borrowed; close it before the server ends.
  // Errors: kUnavailable  the address cannot be bound
  static absl::StatusOr<std::unique_ptr<DashboardServer>> Start(Options options,
                                                                LiveFeed& feed);

  ~DashboardServer();
  DashboardServer(const DashboardServer&) = delete;
  DashboardServer& operator=(const DashboardServer&) = delete;

  // False: something ended its listening.
  bool serving() const;
  uint16_t port() const;     // that was bound
  int stream_count() const;  // events and chats under way

 private:
  struct Impl;
  explicit DashboardServer(std::unique_ptr<Impl> impl);

  const std::unique_ptr<Impl> impl_;
};

}  // namespace shoal::dashboard

#endif  // SHOAL_DASHBOARD_DASHBOARD_SERVER_H_
