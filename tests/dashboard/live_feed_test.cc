#include "dashboard/live_feed.h"

#include <string>
#include <thread>
#include <vector>

#include "absl/strings/str_cat.h"
#include "absl/time/clock.h"
#include "gmock/gmock.h"
#include "gtest/gtest.h"

namespace shoal::dashboard {
namespace {

using ::testing::HasSubstr;
using ::testing::Not;

const absl::Time kPast = absl::InfinitePast();

TEST(LiveFeedTest, AReaderThatComesLateGetsAllThatIsKept) {
  LiveFeed feed;
  feed.SetLink(LiveFeed::Link::kLive, "at \"home\"");
  feed.Publish(true, R"({"a":1})", {"{\"n\":1}", "{\"n\":2}"});
  feed.Publish(false, R"({"a":2})", {"{\"n\":3}"});
  LiveFeed::Reader reader(feed);
  EXPECT_EQ(reader.Next(kPast),
            "event: link\n"
            "data: {\"state\":\"live\",\"message\":\"at \\\"home\\\"\"}\n\n"
            "event: update\n"
            "data: {\"first\":true,\"snapshot\":{\"a\":2},"
            "\"events\":[{\"n\":1},{\"n\":2},{\"n\":3}]}\n\n");
  EXPECT_EQ(reader.Next(kPast), "");
}

TEST(LiveFeedTest, ASlowReaderSkipsSnapshotsButNoEvents) {
  LiveFeed feed;
  LiveFeed::Reader reader(feed);
  feed.Publish(true, "1", {"\"one\""});
  EXPECT_THAT(reader.Next(kPast), HasSubstr("\"first\":true,\"snapshot\":1"));
  feed.Publish(false, "2", {"\"two\""});
  feed.Publish(false, "3", {});
  feed.Publish(false, "4", {"\"three\""});
  EXPECT_EQ(reader.Next(kPast),
            "event: update\ndata: {\"first\":false,\"snapshot\":4,"
            "\"events\":[\"two\",\"three\"]}\n\n");
}

TEST(LiveFeedTest, AnotherConnectionVoidsTheEventsOfThePast) {
  LiveFeed feed;
  LiveFeed::Reader reader(feed);
  feed.Publish(true, "1", {"\"old\""});
  reader.Next(kPast);
  feed.Publish(true, "2", {"\"new\""});
  EXPECT_EQ(reader.Next(kPast),
            "event: update\ndata: {\"first\":true,\"snapshot\":2,"
            "\"events\":[\"new\"]}\n\n");
}

TEST(LiveFeedTest, OnlyTheNewestEventsAreKept) {
  LiveFeed feed;
  LiveFeed::Reader reader(feed);
  for (size_t i = 0; i <= LiveFeed::kEventCountMax; ++i) {
    feed.Publish(i == 0, "0", {absl::StrCat("\"<", i, ">\"")});
  }
  const std::string all = reader.Next(kPast);
  EXPECT_THAT(all, Not(HasSubstr("<0>")));
  EXPECT_THAT(all, HasSubstr("<1>"));
  EXPECT_THAT(all, HasSubstr(absl::StrCat("<", LiveFeed::kEventCountMax, ">")));
}

TEST(LiveFeedTest, TheSameStateOfTheLinkIsNoNews) {
  LiveFeed feed;
  LiveFeed::Reader reader(feed);
  feed.SetLink(LiveFeed::Link::kLost, "gone");
  EXPECT_THAT(reader.Next(kPast), HasSubstr("\"lost\""));
  feed.SetLink(LiveFeed::Link::kLost, "gone");
  EXPECT_EQ(reader.Next(kPast), "");
}

TEST(LiveFeedTest, ClosingWakesWhoWaits) {
  LiveFeed feed;
  std::thread waiting([&feed] {
    EXPECT_EQ(LiveFeed::Reader(feed).Next(absl::InfiniteFuture()), "");
  });
  feed.Close();
  waiting.join();
  EXPECT_TRUE(feed.closed());
}

}  // namespace
}  // namespace shoal::dashboard
