#include "kernels/peak.h"

#include <cstring>
#include <random>
#include <set>
#include <vector>

#include "gtest/gtest.h"
#include "kernels/kernel_table.h"

namespace shoal::kernels {
namespace {

// Multiply-adds of a round are the same in every round, and none is left out:
// each adds 1 to what is returned.
TEST(PeakTest, EveryRoundDoesItsMultiplyAdds) {
  for (const PeakLoops* loops : AvailablePeakLoops()) {
    SCOPED_TRACE(loops->isa);
    for (const auto loop : {loops->integer_macs, loops->float_macs}) {
      const uint64_t one = loop(1);
      EXPECT_GE(one, 64u);
      EXPECT_EQ(loop(1000), 1000 * one);
    }
    EXPECT_EQ(loops->float_macs(kPeakRoundsMax),
              kPeakRoundsMax * loops->float_macs(1));
  }
}

TEST(PeakTest, ReadsEveryWordOnceHoweverFarItAsksAhead) {
  std::mt19937_64 random(1);
  std::vector<uint64_t> words(3 * 512 / sizeof(uint64_t));
  uint64_t sum = 0;
  for (uint64_t& word : words) sum += word = random();
  const auto* bytes = reinterpret_cast<const std::byte*>(words.data());
  for (const PeakLoops* loops : AvailablePeakLoops()) {
    SCOPED_TRACE(loops->isa);
    for (const uint64_t ahead : {0, 512, 4096}) {
      EXPECT_EQ(loops->read(bytes, words.size() * 8, ahead), sum);
    }
  }
}

TEST(PeakTest, ATableHasTheLoopsOfItsNameOrTheBest) {
  std::set<absl::string_view> names;
  for (const PeakLoops* loops : AvailablePeakLoops()) {
    EXPECT_TRUE(names.insert(loops->isa).second) << loops->isa;
    EXPECT_EQ(&PeakLoopsFor(loops->isa), loops);
  }
  EXPECT_EQ(&PeakLoopsFor("no such"), AvailablePeakLoops().front());
  // The names are those of the tables.
  for (const absl::string_view isa : AvailableIsas()) {
    EXPECT_TRUE(names.contains(isa)) << isa;
  }
}

}  // namespace
}  // namespace shoal::kernels
