#include "cli/join_checks.h"

#include <arpa/inet.h>
#include <netdb.h>
#include <netinet/ip_icmp.h>
#include <poll.h>
#include <sys/socket.h>

#include <array>
#include <chrono>
#include <cstring>
#include <memory>
#include <utility>
#include <vector>

#include "absl/strings/match.h"
#include "absl/strings/str_cat.h"
#include "absl/strings/str_join.h"
#include "absl/time/clock.h"
#include "cli/coordinator_dial.h"
#include "cli/flags_where.h"
#include "grpcpp/channel.h"
#include "grpcpp/client_context.h"
#include "health/link_checks.h"
#include "proto/fleet.grpc.pb.h"
#include "security/tls_probe.h"
#include "transport/reach_probe.h"

namespace shoal::cli {
namespace {

using health::Fail;
using health::Finding;
using health::Findings;
using health::Pass;
using health::Warn;

constexpr uint32_t kRoundTripCount = 30;
constexpr char kHere[] = "this device";
constexpr char kThere[] = "the coordinator";

bool Failed(const Findings& findings) {
  return health::WorstOf(findings) == health::Severity::kFail;
}

struct Resolved {
  std::vector<std::string> addresses;  // numeric
  std::string own;  // of this device, facing it; empty: no route
};

// Without sending anything beyond what a name costs.
Resolved Resolve(const HostPort& to, std::string& error) {
  Resolved resolved;
  addrinfo hints = {};
  hints.ai_socktype = SOCK_DGRAM;
  addrinfo* list = nullptr;
  const int rc = getaddrinfo(to.host.c_str(), absl::StrCat(to.port).c_str(),
                             &hints, &list);
  if (rc != 0) {
    error = gai_strerror(rc);
    return resolved;
  }
  const auto text_of = [](const sockaddr* address, socklen_t size) {
    std::array<char, NI_MAXHOST> text = {};
    getnameinfo(address, size, text.data(), text.size(), nullptr, 0,
                NI_NUMERICHOST);
    return std::string(text.data());
  };
  for (const addrinfo* one = list; one != nullptr; one = one->ai_next) {
    resolved.addresses.push_back(text_of(one->ai_addr, one->ai_addrlen));
    if (!resolved.own.empty()) continue;
    const transport::UniqueFd fd(
        socket(one->ai_family, SOCK_DGRAM | SOCK_CLOEXEC, 0));
    sockaddr_storage own = {};
    socklen_t size = sizeof(own);
    if (fd.valid() && connect(fd.get(), one->ai_addr, one->ai_addrlen) == 0 &&
        getsockname(fd.get(), reinterpret_cast<sockaddr*>(&own), &size) == 0) {
      resolved.own = text_of(reinterpret_cast<const sockaddr*>(&own), size);
    }
  }
  freeaddrinfo(list);
  return resolved;
}

// Whether the host answers an echo request (ping); nothing where the system
// lets nobody ask, and for IPv6.
std::optional<bool> Pings(const std::string& address, absl::Duration time) {
  sockaddr_in to = {};
  to.sin_family = AF_INET;
  if (inet_pton(AF_INET, address.c_str(), &to.sin_addr) != 1) {
    return std::nullopt;
  }
  transport::UniqueFd fd(
      socket(AF_INET, SOCK_DGRAM | SOCK_CLOEXEC, IPPROTO_ICMP));
  if (!fd.valid()) return std::nullopt;
  icmphdr request = {};
  request.type = ICMP_ECHO;
  if (connect(fd.get(), reinterpret_cast<const sockaddr*>(&to), sizeof(to)) !=
          0 ||
      send(fd.get(), &request, sizeof(request), 0) < 0) {
    return false;
  }
  pollfd item = {fd.get(), POLLIN, 0};
  const int ms = static_cast<int>(absl::ToInt64Milliseconds(time));
  if (poll(&item, 1, ms) <= 0) return false;
  std::array<char, 256> reply;
  return recv(fd.get(), reply.data(), reply.size(), 0) >=
         static_cast<ssize_t>(sizeof(request));
}

std::string EndpointOf(const HostPort& to) {
  const bool is_v6 = absl::StrContains(to.host, ':');
  return absl::StrCat("tcp://", is_v6 ? "[" : "", to.host, is_v6 ? "]:" : ":",
                      to.port);
}

// Whether the host says anything at all: to a ping, or that nobody listens at
// another port.
bool IsThere(const HostPort& to, const std::string& address) {
  constexpr absl::Duration kTime = absl::Seconds(1);
  constexpr uint16_t kUnusedPort = 1;
  if (Pings(address, kTime).value_or(false)) return true;
  const absl::Status other = transport::TryConnect(
      EndpointOf({to.host, kUnusedPort}), absl::Now() + kTime);
  return other.ok() || absl::StrContains(other.message(), "refused");
}

// Why nobody answered: what else the host says tells it.
Finding NoAnswer(const JoinCheckOptions& options, const HostPort& to,
                 const std::string& address) {
  constexpr char kCheck[] = "port";
  const std::string value =
      absl::StrCat("no answer from ", options.address, " within ",
                   absl::FormatDuration(options.step_time));
  const std::string look = absl::StrCat(
      "run shoal doctor on ", to.host,
      ": connections half open there mean that it hears this device and its "
      "answers get lost (one-way link)");
  if (IsThere(to, address)) {
    return Fail(kCheck, absl::StrCat(value, ", but ", to.host, " is there"),
                "a connection",
                absl::StrCat("a firewall there drops what comes for port ",
                             to.port, ": sudo ufw allow ", to.port,
                             "/tcp, or sudo nft insert rule inet filter input "
                             "tcp dport ",
                             to.port, " accept; and ", look));
  }
  return Fail(kCheck, absl::StrCat(value, ", and no other sign of it"),
              "a connection",
              absl::StrCat("it is off, another address is its own now, packets "
                           "get lost one way (one-way link), or a firewall "
                           "drops them: ip neigh show ",
                           address, "; ", look));
}

// Name, route and port. The numeric address and that of this device.
Resolved CheckPort(const JoinCheckOptions& options, Findings& findings) {
  const auto to = ParseHostPort(options.address);
  if (!to.ok()) {
    findings.push_back(
        Fail("name", options.address, "HOST:PORT", to.status().message()));
    return {};
  }
  std::string error;
  Resolved resolved = Resolve(*to, error);
  if (!error.empty()) {
    findings.push_back(Fail(
        "name", absl::StrCat(to->host, ": ", error), "an address",
        absl::StrCat("check the spelling (getent hosts ", to->host,
                     "), or take the coordinator's address in numbers (there: "
                     "ip addr)")));
    return resolved;
  }
  findings.push_back(Pass("name", absl::StrJoin(resolved.addresses, ", ")));
  const std::string& address = resolved.addresses[0];
  if (resolved.own.empty()) {
    findings.push_back(Fail("route", absl::StrCat("none to ", address),
                            "a route", "connect this device: ip route"));
    return resolved;
  }
  findings.push_back(Pass("route", absl::StrCat("from ", resolved.own)));
  const absl::Status port =
      transport::TryConnect(EndpointOf(*to), absl::Now() + options.step_time);
  if (port.ok()) {
    findings.push_back(Pass("port", options.address));
  } else if (absl::IsDeadlineExceeded(port)) {
    findings.push_back(NoAnswer(options, *to, address));
  } else {
    findings.push_back(Fail(
        "port", absl::StrCat(options.address, ": ", port.message()),
        "a connection",
        "no coordinator listens there: start it (shoal serve, chat or run), "
        "and let it listen where others reach it (listen, not 127.0.0.1); the "
        "port is the one that it shows"));
  }
  return resolved;
}

// The certificate authority, by which further calls know the coordinator.
std::string CheckTls(const JoinCheckOptions& options, Findings& findings) {
  constexpr char kCheck[] = "TLS";
  const absl::Time deadline = absl::Now() + options.step_time;
  if (options.insecure) {
    if (security::SpeaksTls(options.address, deadline)) {
      findings.push_back(Fail(kCheck, "it speaks TLS", "none, by --insecure",
                              "join with its token and without --insecure"));
    } else {
      findings.push_back(Pass(kCheck, "none, as asked for"));
    }
    return "";
  }
  const auto found = security::ProbeCoordinator(options.address, deadline);
  if (!found.ok()) {
    const bool is_clock = absl::IsFailedPrecondition(found.status());
    findings.push_back(Fail(
        kCheck, found.status().message(), "the certificate of a coordinator",
        is_clock ? "set the clocks: sudo timedatectl set-ntp true"
        : absl::IsUnimplemented(found.status())
            ? "something else listens there, or a coordinator with "
              "--insecure, which workers join with --insecure"
            : "something else listens there: check address and port"));
    return "";
  }
  findings.push_back(Pass(kCheck, "the certificate of a coordinator"));
  if (!options.join_token) return found->authority_certificate_pem;
  if (options.join_token->IsFor(found->authority)) {
    findings.push_back(Pass("fleet", "that of the token"));
  } else {
    findings.push_back(Fail("fleet", "another one than that of the token",
                            "the fleet of the token",
                            "check the address, and take the token that this "
                            "coordinator shows"));
  }
  return found->authority_certificate_pem;
}

// What a call that is refused says of the coordinator.
Finding Refused(const absl::Status& status) {
  switch (status.code()) {
    case absl::StatusCode::kPermissionDenied:
      return Fail("token", status.message(), "the fleet's token",
                  "on the coordinator's device: the file token in the "
                  "fleet's secrets, or the line that shoal serve shows");
    case absl::StatusCode::kUnimplemented:
      return Fail("version", "an older shoal at the coordinator",
                  "the same on both",
                  "install the same shoal on both (shoal --version)");
    default:
      return Fail("coordinator", status.message(), "an answer",
                  "check that it is a shoal coordinator, and that it runs");
  }
}

void JudgeReply(const JoinCheckOptions& options, const Resolved& resolved,
                const proto::TryJoinReply& reply, absl::Time begin,
                absl::Duration took, Findings& findings) {
  findings.push_back(health::CheckVersion(
      kHere, {options.program_version, options.protocol_version},
      {reply.program_version(), reply.protocol_version()}));
  if (reply.protocol_version() != options.protocol_version) return;
  findings.push_back(
      Pass("token", absl::StrCat("that of ", reply.coordinator_name())));
  findings.push_back(health::CheckClock(
      begin + took / 2 - absl::FromUnixNanos(reply.clock_ns()), took / 2));
  health::Reach back{
      kThere,
      kHere,
      absl::StrCat("ports of ", resolved.own),
      absl::Status(static_cast<absl::StatusCode>(reply.reached().code()),
                   reply.reached().message()),
      {}};
  for (const int64_t ns : reply.round_trip_ns()) {
    back.round_trips.push_back(absl::Nanoseconds(ns));
  }
  findings.push_back(health::CheckReach(back));
  if (!back.round_trips.empty()) {
    findings.push_back(health::CheckRoundTrip(back));
  }
  if (reply.door_port() == 0) return;
  HostPort door = *ParseHostPort(options.address);
  door.port = static_cast<uint16_t>(reply.door_port());
  health::Reach there{kHere, kThere, EndpointOf(door), {}, {}};
  auto times = transport::MeasureReach(there.endpoint, kRoundTripCount,
                                       absl::Now() + options.step_time);
  there.status = times.status();
  if (times.ok()) there.round_trips = *std::move(times);
  findings.push_back(health::CheckReach(there));
  if (!there.round_trips.empty()) {
    findings.push_back(health::CheckRoundTrip(there));
  }
}

void CheckCall(const JoinCheckOptions& options, const Resolved& resolved,
               const std::string& authority_pem, Findings& findings) {
  const bool is_v6 = absl::StrContains(resolved.own, ':');
  const auto door = transport::ReachDoor::Open(
      is_v6 ? absl::StrCat("[", resolved.own, "]") : resolved.own,
      3 * options.step_time);
  proto::TryJoinRequest request;
  request.set_protocol_version(options.protocol_version);
  request.set_program_version(options.program_version);
  if (options.join_token && !options.insecure) {
    const auto& secret = options.join_token->secret();
    request.mutable_token_secret()->assign(secret.begin(), secret.end());
  } else {
    request.set_token(options.plain_token);
  }
  if (door.ok()) request.set_door_port((*door)->port());
  ClientTarget target;
  target.address = options.address;
  target.authority_certificate_pem = authority_pem;
  const auto stub = proto::Fleet::NewStub(DialCoordinator(target));
  grpc::ClientContext context;
  LimitTime(context, 2 * options.step_time);
  proto::TryJoinReply reply;
  // The coordinator reads its clock before it dials back: the first half of
  // what the call takes is not the way there.
  const absl::Time begin = absl::Now();
  const grpc::Status status = stub->TryJoin(&context, request, &reply);
  const absl::Duration took = absl::Now() - begin;
  if (!status.ok()) {
    findings.push_back(
        Refused(absl::Status(static_cast<absl::StatusCode>(status.error_code()),
                             status.error_message())));
    return;
  }
  JudgeReply(options, resolved, reply, begin, took, findings);
}

}  // namespace

Findings CheckJoin(const JoinCheckOptions& options) {
  Findings findings;
  const Resolved resolved = CheckPort(options, findings);
  if (Failed(findings)) return findings;
  const std::string authority_pem = CheckTls(options, findings);
  if (Failed(findings)) return findings;
  if (!options.join_token && options.plain_token.empty()) {
    findings.push_back(
        Warn("token", "none was given", "the fleet's token",
             "give it, and versions, clocks and the way back are checked, too: "
             "--join HOST:PORT#TOKEN, or --token-file"));
    return findings;
  }
  CheckCall(options, resolved, authority_pem, findings);
  return findings;
}

}  // namespace shoal::cli
