// How far the generations are, for those who watch.

#ifndef SHOAL_COORDINATOR_GENERATION_METER_H_
#define SHOAL_COORDINATOR_GENERATION_METER_H_

#include <array>
#include <atomic>
#include <bit>
#include <cstddef>
#include <cstdint>
#include <optional>
#include <type_traits>
#include <vector>

#include "absl/time/time.h"
#include "coordinator/active_generation.h"
#include "parallel/rank.h"

namespace shoal::coordinator {

// A record that one thread writes and others read whole, without a lock: who
// reads while it is written reads again.
template <typename T>
class PublishedRecord {
  static_assert(std::is_trivially_copyable_v<T> && sizeof(T) % 8 == 0);

 public:
  void Store(const T& record) {
    const auto words = std::bit_cast<Words>(record);
    const uint64_t version = version_.load(std::memory_order_relaxed);
    version_.exchange(version + 1, std::memory_order_acq_rel);
    for (size_t i = 0; i < kWordCount; ++i) {
      words_[i].store(words[i], std::memory_order_release);
    }
    version_.store(version + 2, std::memory_order_release);
  }

  T Load() const {
    Words words;
    for (;;) {
      const uint64_t before = version_.load(std::memory_order_acquire);
      for (size_t i = 0; i < kWordCount; ++i) {
        words[i] = words_[i].load(std::memory_order_acquire);
      }
      const uint64_t after = version_.load(std::memory_order_relaxed);
      if (before == after && before % 2 == 0) break;
    }
    return std::bit_cast<T>(words);
  }

 private:
  static constexpr size_t kWordCount = sizeof(T) / 8;
  using Words = std::array<uint64_t, kWordCount>;

  std::atomic<uint64_t> version_ = 0;  // odd while it is written
  std::array<std::atomic<uint64_t>, kWordCount> words_ = {};
};

// One request. Times are nanoseconds, of the day or long.
struct MeteredRequest {
  uint64_t number = 0;  // counted from 1; 0: none
  uint64_t prompt_tokens = 0;
  uint64_t reused_tokens = 0;
  uint64_t computed_tokens = 0;
  uint64_t generated_tokens = 0;
  int64_t began_ns = 0;
  int64_t ended_ns = 0;         // 0: it runs
  int64_t first_token_ns = -1;  // time to it; negative: not there yet
  uint64_t later_tokens = 0;    // after the first
  int64_t later_ns = 0;         // the sum of their times
};

// All requests since the start.
struct MeteredTotals {
  uint64_t began_count = 0;
  uint64_t ended_count = 0;
  uint64_t prompt_tokens = 0;  // that were computed
  uint64_t generated_tokens = 0;
  uint64_t later_tokens = 0;
  int64_t later_ns = 0;         // in which some request made such tokens
  int64_t last_token_ns = 0;    // when the last token was chosen; 0: none yet
  int64_t first_token_ns = -1;  // of the last request that had one
};

// Threads: one writer at a time; readers at any time. Never blocks the writer
//          and allocates nothing for it.
class GenerationMeter {
 public:
  GenerationMeter() { totals_.Store({}); }

  // Of the writer, the Generator. REQUIRES: session < kSessionCountMax.
  void Began(uint32_t session, const ActiveGeneration& generation);
  // After a pass in which it took part.
  void Stepped(uint32_t session, const ActiveGeneration& generation);
  void Ended(uint32_t session);

  // Of readers.
  MeteredTotals totals() const { return totals_.Load(); }
  std::vector<MeteredRequest> running() const;  // by number
  // That ended last.
  std::optional<MeteredRequest> last() const;

 private:
  PublishedRecord<MeteredTotals> totals_;
  PublishedRecord<MeteredRequest> last_;
  std::array<PublishedRecord<MeteredRequest>, parallel::kSessionCountMax>
      sessions_;
  int64_t covered_until_ns_ = 0;  // of the writer; as later_ns counts
};

}  // namespace shoal::coordinator

#endif  // SHOAL_COORDINATOR_GENERATION_METER_H_
