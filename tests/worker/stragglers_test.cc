#include "worker/stragglers.h"

#include <utility>
#include <vector>

#include "gmock/gmock.h"
#include "gtest/gtest.h"

namespace shoal::worker {
namespace {

using absl::Milliseconds;
using absl::ZeroDuration;
using ::testing::ElementsAre;

void Exchange(Stragglers& stragglers,
              const std::vector<std::pair<uint32_t, absl::Duration>>& waits) {
  stragglers.BeginExchange();
  for (const auto& [rank, wait] : waits) stragglers.Received(rank, wait);
  stragglers.EndExchange();
}

TEST(StragglersTest, AllOfAWaitIsChargedToTheRankThatCameLast) {
  Stragglers stragglers(4);
  stragglers.BeginPass();
  // Rank 1 took 3 ms, rank 2 was there by then, rank 3 took 8.
  Exchange(stragglers,
           {{1, Milliseconds(3)}, {2, ZeroDuration()}, {3, Milliseconds(5)}});
  EXPECT_THAT(stragglers.waited_for(),
              ElementsAre(ZeroDuration(), ZeroDuration(), ZeroDuration(),
                          Milliseconds(8)));
  Exchange(stragglers, {{1, Milliseconds(2)}, {2, ZeroDuration()}});
  EXPECT_EQ(stragglers.waited_for()[1], Milliseconds(2));
}

TEST(StragglersTest, ReadingAFrameThatIsThereMakesNoRankTheLast) {
  Stragglers stragglers(3);
  stragglers.BeginPass();
  Exchange(stragglers, {{1, Milliseconds(3)}, {2, absl::Microseconds(10)}});
  EXPECT_THAT(
      stragglers.waited_for(),
      ElementsAre(ZeroDuration(), Milliseconds(3) + absl::Microseconds(10),
                  ZeroDuration()));
}

TEST(StragglersTest, APassBeginsWithNothing) {
  Stragglers stragglers(2);
  stragglers.BeginPass();
  Exchange(stragglers, {{1, Milliseconds(3)}});
  Exchange(stragglers, {});
  stragglers.BeginPass();
  EXPECT_THAT(stragglers.waited_for(),
              ElementsAre(ZeroDuration(), ZeroDuration()));
}

}  // namespace
}  // namespace shoal::worker
