// Measures a link as the passes will use it: round trip and rate, for profiles.

#ifndef SHOAL_TRANSPORT_LINK_MEASURE_H_
#define SHOAL_TRANSPORT_LINK_MEASURE_H_

#include <cstdint>

#include "absl/status/status.h"
#include "absl/status/statusor.h"
#include "absl/time/time.h"
#include "transport/channel.h"

namespace shoal::transport {

struct LinkMeasureOptions {
  uint32_t ping_count = 50;             // >= 1
  uint32_t ping_bytes = 8192;           // payload each way
  uint64_t stream_bytes_max = 1 << 24;  // per stream
  // Streams double from 64 KiB until one takes this long or is the largest.
  absl::Duration stream_time_min = absl::Milliseconds(100);
};

struct LinkProfile {
  absl::Duration round_trip;        // median over the pings
  double send_bytes_per_second;     // to the peer; payload only
  double receive_bytes_per_second;  // from the peer
};

// Measures the link while the peer is in AnswerLinkMeasure(). On a slow link it
// takes up to about three times stream_time_min each way, or until the frames
// that are under way have arrived. Payloads are cut to payload_bytes_max.
// Errors: as Channel::Send() and Receive(); kInvalidArgument  the peer sends
//         something else
absl::StatusOr<LinkProfile> MeasureLink(Channel& channel,
                                        const LinkMeasureOptions& options,
                                        absl::Time deadline);

// The other end. Returns when the peer has finished. Errors: as MeasureLink().
absl::Status AnswerLinkMeasure(Channel& channel, absl::Time deadline);

}  // namespace shoal::transport

#endif  // SHOAL_TRANSPORT_LINK_MEASURE_H_
