// Opens any bytes as the first message of a sealed link, and a good one after
// changes that are drawn from them.

#include <algorithm>
#include <cstddef>
#include <cstdint>
#include <deque>
#include <memory>
#include <span>
#include <string>
#include <utility>
#include <vector>

#include "absl/status/statusor.h"
#include "absl/time/time.h"
#include "base/check.h"
#include "tests/transport/queue_link.h"
#include "transport/sealed_link.h"

namespace {

using shoal::transport::LinkOptions;
using shoal::transport::QueueLink;
using shoal::transport::SealedLink;
using Message = QueueLink::Message;

SealedLink MakeLink(bool listening, std::deque<Message>& queue) {
  LinkOptions options;
  options.network.payload_bytes_max = 4096;
  return {
      options, {1, 2, 3}, listening, std::make_unique<QueueLink>(queue, queue)};
}

}  // namespace

extern "C" int LLVMFuzzerTestOneInput(const uint8_t* data, size_t size) {
  const auto bytes = std::as_bytes(std::span(data, size));
  std::deque<Message> queue;
  queue.emplace_back(bytes.begin(), bytes.end());
  SealedLink listener = MakeLink(true, queue);
  SHOAL_CHECK(!listener.Receive(absl::InfiniteFuture()).ok());

  queue.clear();
  SealedLink dialled = MakeLink(false, queue);
  constexpr std::byte kText[8] = {};
  SHOAL_CHECK(dialled.Send(kText, {}, absl::InfiniteFuture()).ok());
  bool changed = false;
  for (size_t i = 0; i + 1 < size; i += 2) {
    queue.front()[data[i] % queue.front().size()] ^= std::byte{data[i + 1]};
  }
  SealedLink again = MakeLink(true, queue);
  const auto opened = again.Receive(absl::InfiniteFuture());
  if (opened.ok()) {
    // Then the changes took each other back.
    SHOAL_CHECK(opened->size() == sizeof(kText));
    changed = std::any_of(opened->begin(), opened->end(),
                          [](std::byte byte) { return byte != std::byte{0}; });
  }
  SHOAL_CHECK(!changed);
  return 0;
}
