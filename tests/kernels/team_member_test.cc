#include "kernels/team_member.h"

#include <gtest/gtest.h>

#include <set>

namespace shoal::kernels {
namespace {

using Clock = TeamMember::Clock;
using std::chrono::hours;
using std::chrono::milliseconds;

// The member has just ended; what the caller says of its own end decides.
bool EndsLaterThanTheCaller(TeamMember& member, Clock::duration by,
                            Clock::duration task_time = {}) {
  member.NoteEnd();
  return member.Judge(Clock::now() - by, task_time);
}

TEST(TeamMemberTest, DrawsEachTaskOfItsRangeOnce) {
  TeamMember member;
  uint32_t task = 0;
  EXPECT_FALSE(member.Draw(task));
  member.SetRange(3, 6);
  std::set<uint32_t> drawn;
  while (member.Draw(task)) EXPECT_TRUE(drawn.insert(task).second) << task;
  EXPECT_EQ(drawn, (std::set<uint32_t>{3, 4, 5}));
  for (int i = 0; i < 10; ++i) EXPECT_FALSE(member.Draw(task));
}

TEST(TeamMemberTest, WhoEndsWithTheCallerOrNeverBeganIsNotLate) {
  TeamMember member;
  EXPECT_FALSE(member.Judge(Clock::now(), {}));
  EXPECT_FALSE(EndsLaterThanTheCaller(member, -milliseconds(1)));
  EXPECT_FALSE(member.left_out());
}

TEST(TeamMemberTest, WhatIsLateDependsOnHowLongTasksAre) {
  TeamMember member;
  EXPECT_FALSE(
      EndsLaterThanTheCaller(member, milliseconds(50), milliseconds(100)));
  EXPECT_TRUE(EndsLaterThanTheCaller(member, milliseconds(50)));
  EXPECT_TRUE(member.left_out());
}

TEST(TeamMemberTest, EachTimeItIsLeftOutForTwiceAsLongUpToALimit) {
  TeamMember member;
  Clock::duration rest = TeamMember::kFirstRest;
  for (int time = 0; time < 10; ++time) {
    EXPECT_TRUE(EndsLaterThanTheCaller(member, milliseconds(50)));
    const Clock::time_point now = Clock::now();
    member.TakeBack(now + rest - milliseconds(8));
    EXPECT_TRUE(member.left_out()) << "time " << time;
    member.TakeBack(now + rest);
    EXPECT_FALSE(member.left_out()) << "time " << time;
    rest = std::min(2 * rest, TeamMember::kLongestRest);
  }
}

TEST(TeamMemberTest, AfterPunctualTimesItStartsAnew) {
  TeamMember member;
  for (int time = 0; time < 5; ++time) {
    EXPECT_TRUE(EndsLaterThanTheCaller(member, milliseconds(50)));
    member.TakeBack(Clock::now() + TeamMember::kLongestRest);
  }
  member.TakeBack(Clock::now() + hours(1));
  EXPECT_TRUE(EndsLaterThanTheCaller(member, milliseconds(50)));
  member.TakeBack(Clock::now() + TeamMember::kFirstRest);
  EXPECT_FALSE(member.left_out());
}

}  // namespace
}  // namespace shoal::kernels
