// What became of a request, and when.

#ifndef SHOAL_COORDINATOR_REQUEST_RECORD_H_
#define SHOAL_COORDINATOR_REQUEST_RECORD_H_

#include <cstdint>
#include <string>

#include "absl/time/time.h"

namespace shoal::coordinator {

struct RequestRecord {
  uint64_t number = 0;  // counted from 1, as they came
  absl::Time submitted;
  absl::Time begun;        // it was taken from the queue
  absl::Time first_token;  // after its pass; `ended` where there was none
  absl::Time ended;
  uint32_t prompt_tokens = 0;
  uint32_t generated_tokens = 0;
  std::string outcome;  // "stop", "length", "cancelled", "failed"
};

}  // namespace shoal::coordinator

#endif  // SHOAL_COORDINATOR_REQUEST_RECORD_H_
