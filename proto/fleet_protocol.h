// Constants that the two ends of the Fleet service share.

#ifndef SHOAL_PROTO_FLEET_PROTOCOL_H_
#define SHOAL_PROTO_FLEET_PROTOCOL_H_

#include <cstddef>
#include <cstdint>

namespace shoal::proto {

// Raised whenever workers and coordinators of two versions cannot work
// together.
inline constexpr uint32_t kFleetProtocolVersion = 2;

// Most bytes of a unit in one UnitChunk.
inline constexpr size_t kUnitChunkBytesMax = size_t{256} << 10;

// Largest message of any service: a Load with the header of a large model.
inline constexpr int kMessageBytesMax = 64 << 20;

// In an endpoint of rank 0, "tcp://*:4711": the host at which the worker itself
// reached the coordinator. Who listens on all addresses cannot say it better.
inline constexpr char kReachedHost[] = "*";

// A token longer than this is refused.
inline constexpr size_t kTokenBytesMax = 4096;

}  // namespace shoal::proto

#endif  // SHOAL_PROTO_FLEET_PROTOCOL_H_
