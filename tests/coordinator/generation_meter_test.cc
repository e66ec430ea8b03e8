#include "coordinator/generation_meter.h"

#include <atomic>
#include <thread>

#include "gtest/gtest.h"

namespace shoal::coordinator {
namespace {

struct Record {
  uint64_t words[9] = {};
};

TEST(PublishedRecordTest, AReaderNeverSeesHalfARecord) {
  constexpr uint64_t kCount = 20'000;
  PublishedRecord<Record> published;
  std::atomic<bool> mixed = false;
  std::thread reader([&] {
    uint64_t last = 0;
    while (last < kCount && !mixed) {
      const Record record = published.Load();
      for (const uint64_t word : record.words) {
        if (word != record.words[0]) mixed = true;
      }
      if (record.words[0] < last) mixed = true;
      last = record.words[0];
    }
  });
  for (uint64_t i = 1; i <= kCount; ++i) {
    Record record;
    for (uint64_t& word : record.words) word = i;
    published.Store(record);
  }
  reader.join();
  EXPECT_FALSE(mixed);
}

TEST(GenerationMeterTest, HasNothingAtFirst) {
  GenerationMeter meter;
  EXPECT_TRUE(meter.running().empty());
  EXPECT_FALSE(meter.last().has_value());
  EXPECT_EQ(meter.totals().began_count, 0u);
  EXPECT_LT(meter.totals().first_token_ns, 0) << "there was none";
  meter.Ended(3);
  EXPECT_EQ(meter.totals().ended_count, 0u);
}

}  // namespace
}  // namespace shoal::coordinator
