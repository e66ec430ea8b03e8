// What `shoal top` shows, against texts in data/. To see what changed, run this
// with SHOAL_WRITE_GOLDEN=1: it writes the texts anew.

#include "cli/top_layout.h"

#include <cmath>
#include <cstdlib>
#include <fstream>
#include <limits>
#include <set>
#include <sstream>
#include <string>

#include "absl/strings/match.h"
#include "absl/strings/str_cat.h"
#include "cli/top_parts.h"
#include "gmock/gmock.h"
#include "gtest/gtest.h"

namespace shoal::cli {
namespace {

using ::testing::HasSubstr;
using ::testing::Not;

constexpr uint64_t kMiB = uint64_t{1} << 20;
// 2026-05-04 13:37:00 UTC.
constexpr int64_t kNowMs = 1'777'901'820'000;

void FillDevice(proto::DeviceSnapshot& device, const std::string& name,
                uint32_t rank, double compute_ms, double disk_ms,
                double wait_ms) {
  proto::DeviceStatus& status = *device.mutable_status();
  status.mutable_profile()->set_name(name);
  status.set_rank(rank);
  status.set_is_coordinator(rank == 0);
  status.set_share_bytes(150 * kMiB);
  device.set_state(proto::DeviceSnapshot::SERVING);
  device.set_has_report(true);
  device.set_budget_bytes(256 * kMiB);
  device.set_rss_bytes((120 + 40 * rank) * kMiB);
  device.set_share_bytes(150 * kMiB);
  device.set_resident_bytes(100 * kMiB);
  device.set_streamed_bytes(50 * kMiB);
  device.set_read_rate(42e6);
  device.set_sent_rate(310e3);
  device.set_received_rate(95e3);
  if (rank > 0) device.set_round_trip_ms(1.26 * rank);
  device.mutable_health()->set_load(1.5);
  device.mutable_health()->set_core_count(4);
  proto::DeviceTokenTime& token = *device.mutable_token_now();
  token.set_tokens(20);
  token.set_compute_ms(compute_ms);
  token.set_disk_ms(disk_ms);
  token.set_wire_ms(12);
  token.set_wait_ms(wait_ms);
}

void AddEvent(proto::WatchUpdate& update, int64_t before_ms,
              proto::FleetEvent::Severity severity, const std::string& device,
              const std::string& text, const std::string& command = "") {
  proto::FleetEvent& event = *update.add_events();
  event.set_number(static_cast<uint64_t>(update.events_size()));
  event.set_time_unix_ms(kNowMs - before_ms);
  event.set_severity(severity);
  event.set_device(device);
  event.set_text(text);
  event.set_command(command);
}

void FillPlan(proto::FleetSnapshot& snapshot) {
  proto::Plan& plan = *snapshot.mutable_plan();
  plan.set_epoch(3);
  for (const char* name : {"desk", "pi4-kitchen", "pi4-attic", "laptop"}) {
    plan.add_device_names(name);
  }
  const uint32_t ends[] = {12, 24, 25};
  for (uint32_t s = 0; s < 3; ++s) {
    proto::Plan::Stage& stage = *plan.add_stages();
    stage.set_hub(s == 1 ? 2 : 0);
    stage.set_layer_begin(s == 0 ? 0 : ends[s - 1]);
    stage.set_layer_end(ends[s]);
  }
  const auto cell = [&](uint32_t stage, uint32_t rank, double share,
                        bool slow) {
    proto::PlanCell& added = *snapshot.add_cells();
    added.set_stage(stage);
    added.set_rank(rank);
    added.set_share(share);
    added.set_is_hub(rank == plan.stages(static_cast<int>(stage)).hub());
    added.set_is_slowest(slow);
  };
  cell(0, 0, 0.6, false);
  cell(0, 1, 0.4, true);
  cell(1, 2, 0.25, false);
  cell(1, 3, 0.75, false);
  for (uint32_t rank = 0; rank < 4; ++rank) cell(2, rank, 0.25, false);
}

// Four devices, two stages and the head; pi4-kitchen has a slow disk.
proto::WatchUpdate FleetOfFour() {
  proto::WatchUpdate update;
  proto::FleetSnapshot& snapshot = *update.mutable_snapshot();
  snapshot.set_time_unix_ms(kNowMs);
  snapshot.mutable_status()->set_model_name("TinyLlama 1.1B Chat");
  snapshot.mutable_status()->set_ready(true);
  FillPlan(snapshot);
  proto::RequestFigures& requests = *snapshot.mutable_requests();
  requests.set_running_count(2);
  requests.set_queued_count(1);
  requests.set_finished_count(17);
  requests.set_tokens_per_second_now(5.21);
  requests.set_tokens_per_second_average(5.432);
  requests.set_time_to_first_token_ms(812.4);
  proto::TokenTime& token = *snapshot.mutable_token_now();
  token.set_tokens(20);
  token.set_ms_per_token(192);
  token.set_compute_ms(90);
  token.set_disk_ms(40);
  token.set_wire_ms(12);
  token.set_wait_ms(50);
  snapshot.mutable_token_total()->set_ms_per_token(184.1);
  snapshot.set_predicted_ms_per_token(160);
  FillDevice(*snapshot.add_devices(), "desk", 0, 30, 0, 150);
  FillDevice(*snapshot.add_devices(), "pi4-kitchen", 1, 60, 80, 40);
  FillDevice(*snapshot.add_devices(), "pi4-attic", 2, 50, 0, 130);
  FillDevice(*snapshot.add_devices(), "laptop", 3, 40, 0, 140);
  proto::DeviceHealth& attic = *snapshot.mutable_devices(2)->mutable_health();
  attic.set_temperature_c(81.6);
  attic.set_clock_mhz(1000);
  attic.set_clock_max_mhz(1500);
  proto::DeviceHealth& laptop = *snapshot.mutable_devices(3)->mutable_health();
  laptop.set_battery_percent(64);
  laptop.set_battery_discharging(true);
  AddEvent(update, 95'000, proto::FleetEvent::INFO, "laptop", "joined");
  AddEvent(
      update, 61'000, proto::FleetEvent::INFO, "",
      "plan 3 in force: TinyLlama 1.1B Chat on 4 devices, loaded in 8.1 s");
  AddEvent(update, 20'000, proto::FleetEvent::WARNING, "pi4-kitchen",
           "the others wait for it: it takes 140.0 ms of a token (computing "
           "60.0, disk 80.0), they 30.0",
           "shoal status");
  AddEvent(update, 2'000, proto::FleetEvent::ERROR, "pi4-shed",
           "lost: no answer for 3 s", "shoal nodes");
  return update;
}

TopState StateOf(const proto::WatchUpdate& update) {
  TopState state;
  state.Apply(update);
  return state;
}

TopScreen ScreenOf(int width, int height) {
  TopScreen screen;
  screen.width = width;
  screen.height = height;
  screen.glyphs = Glyphs::Utf8();
  return screen;
}

// Without blanks at the ends of lines.
std::string TextOf(const TopState& state, const TopScreen& screen) {
  std::string text;
  for (const StyledLine& line : LayOut(state, screen)) {
    std::string one = line.Text();
    one.erase(one.find_last_not_of(' ') + 1);
    absl::StrAppend(&text, one, "\n");
  }
  return text;
}

void ExpectGolden(const std::string& name, const std::string& text) {
  const std::string path =
      absl::StrCat(std::getenv("SHOAL_SOURCE_DIR"), "/tests/cli/data/", name);
  if (std::getenv("SHOAL_WRITE_GOLDEN") != nullptr) {
    std::ofstream(path) << text;
  }
  std::stringstream golden;
  golden << std::ifstream(path).rdbuf();
  EXPECT_EQ(text, golden.str()) << path;
}

TEST(TopLayoutTest, AFleetOfFourAt80x24) {
  ExpectGolden("top_80x24.txt",
               TextOf(StateOf(FleetOfFour()), ScreenOf(80, 24)));
}

TEST(TopLayoutTest, AFleetOfFourAt200x60) {
  ExpectGolden("top_200x60.txt",
               TextOf(StateOf(FleetOfFour()), ScreenOf(200, 60)));
}

TEST(TopLayoutTest, WithoutUtf8AllIsAscii) {
  TopScreen screen = ScreenOf(80, 24);
  screen.glyphs = Glyphs::Ascii();
  const std::string text = TextOf(StateOf(FleetOfFour()), screen);
  for (const char c : text) EXPECT_GE(c, 0) << text;
}

TEST(TopLayoutTest, NothingIsSaidByColourAlone) {
  // Each part of a bar has a glyph of its own, and the slowest cell a mark.
  const Glyphs all[] = {Glyphs::Utf8(), Glyphs::Ascii()};
  for (const Glyphs& glyphs : all) {
    EXPECT_EQ((std::set<std::string>{glyphs.full, glyphs.disk, glyphs.wire,
                                     glyphs.wait, glyphs.empty})
                  .size(),
              5u);
  }
  const std::string text = TextOf(StateOf(FleetOfFour()), ScreenOf(80, 24));
  EXPECT_THAT(text, HasSubstr("!40%"));
  EXPECT_THAT(text, HasSubstr(" ERROR "));
  EXPECT_THAT(text, HasSubstr(" WARN "));
}

TEST(TopLayoutTest, ABarsPartsAreInProportionAndNoneIsLost) {
  StyledLine line;
  AddTimeBar({50, 30, 0.001, 20}, 100, 20, Glyphs::Ascii(), line);
  EXPECT_EQ(line.Text(), "##########%%%%%%~:::");
  StyledLine half;
  AddTimeBar({50, 0, 0, 0}, 100, 10, Glyphs::Ascii(), half);
  EXPECT_EQ(half.Text(), "#####.....");
}

TEST(TopLayoutTest, TheFilterShowsOnlyDevicesOfThatName) {
  TopState state = StateOf(FleetOfFour());
  state.filter = "pi4";
  const std::string text = TextOf(state, ScreenOf(80, 24));
  EXPECT_THAT(text, HasSubstr("\npi4-attic"));
  EXPECT_THAT(text, Not(HasSubstr("\nlaptop")));
  EXPECT_THAT(text, Not(HasSubstr("laptop: joined")));
  EXPECT_THAT(text, HasSubstr("pi4-shed: lost"));
  EXPECT_THAT(text, HasSubstr("showing only: pi4"));
}

TEST(TopLayoutTest, DevicesThatHaveNoRoomAreCounted) {
  proto::WatchUpdate update = FleetOfFour();
  for (int i = 0; i < 60; ++i) {
    FillDevice(*update.mutable_snapshot()->add_devices(), absl::StrCat("n", i),
               0, 1, 1, 1);
  }
  const std::string text = TextOf(StateOf(update), ScreenOf(80, 24));
  EXPECT_THAT(text, HasSubstr(" more; f shows some of them"));
  EXPECT_THAT(text, HasSubstr("pi4-shed: lost")) << "events keep some room";
}

TEST(TopLayoutTest, OldEventsGoWhenThereAreTooMany) {
  TopState state;
  for (size_t i = 0; i < 2 * TopState::kEventCountMax; ++i) {
    proto::WatchUpdate update;
    AddEvent(update, 0, proto::FleetEvent::INFO, "", absl::StrCat("event ", i));
    state.Apply(update);
  }
  EXPECT_EQ(state.events.size(), TopState::kEventCountMax);
  EXPECT_EQ(state.events.back().text(), "event 511");
}

// What a file or a hostile coordinator may hold.
proto::WatchUpdate Nonsense() {
  constexpr double kNan = std::numeric_limits<double>::quiet_NaN();
  constexpr double kInfinity = std::numeric_limits<double>::infinity();
  proto::WatchUpdate update = FleetOfFour();
  proto::FleetSnapshot& snapshot = *update.mutable_snapshot();
  snapshot.set_time_unix_ms(std::numeric_limits<int64_t>::max());
  snapshot.mutable_status()->set_model_name("\x1b[2J\xff\xfe" +
                                            std::string(5000, 'x'));
  snapshot.mutable_requests()->set_tokens_per_second_now(1e300);
  snapshot.mutable_requests()->set_tokens_per_second_average(kNan);
  snapshot.mutable_token_now()->set_wire_ms(kInfinity);
  snapshot.mutable_token_now()->set_disk_ms(-5);
  snapshot.set_predicted_ms_per_token(-kInfinity);
  for (uint32_t i = 0; i < 300; ++i) {
    snapshot.mutable_plan()->add_device_names("\xc3");
    proto::Plan::Stage& stage = *snapshot.mutable_plan()->add_stages();
    stage.set_layer_end(0);
    proto::PlanCell& cell = *snapshot.add_cells();
    cell.set_stage(i);
    cell.set_rank(i * 1'000'000);
    cell.set_share(1e308);
    proto::DeviceSnapshot& device = *snapshot.add_devices();
    FillDevice(device, std::string(i, 'n'), i, kNan, 1e308, -1);
    device.mutable_token_now()->set_wire_ms(kInfinity);
    device.set_rss_bytes(UINT64_MAX);
    device.set_budget_bytes(1);
    device.set_read_rate(kInfinity);
    device.set_round_trip_ms(kNan);
    device.set_state(static_cast<proto::DeviceSnapshot::State>(i % 9));
    device.set_load_bytes_done(UINT64_MAX);
    device.set_load_bytes_total(1);
    device.mutable_health()->set_load(1e300);
    device.mutable_health()->set_temperature_c(kNan);
    device.mutable_health()->set_battery_percent(-1e300);
  }
  AddEvent(update, 0, static_cast<proto::FleetEvent::Severity>(77), "\n",
           std::string(100'000, '\t'), "\x7f");
  return update;
}

TEST(TopLayoutTest, WhateverTheSizeAndTheFiguresNoLineIsTooWide) {
  TopState nonsense = StateOf(Nonsense());
  nonsense.notice = std::string(1000, 'n');
  nonsense.filter = "";
  for (const TopState& state : {TopState(), StateOf(FleetOfFour()), nonsense}) {
    for (const int height : {1, 2, 5, 10, 24, 60, 100}) {
      for (int width = 1; width <= 260; width += width < 30 ? 1 : 23) {
        const auto lines = LayOut(state, ScreenOf(width, height));
        ASSERT_EQ(lines.size(), static_cast<size_t>(height));
        for (const StyledLine& line : lines) {
          ASSERT_LE(line.width(), width) << line.Text();
          ASSERT_EQ(ColumnsOf(line.Text()), line.width());
          for (const char c : line.Text()) {
            ASSERT_TRUE(c < 0 || (c >= ' ' && c < 127)) << static_cast<int>(c);
          }
        }
      }
    }
  }
}

TEST(TopLayoutTest, NumbersAreShort) {
  EXPECT_EQ(ShortNumber(0), "0.00");
  EXPECT_EQ(ShortNumber(9.994), "9.99");
  EXPECT_EQ(ShortNumber(9.996), "10.0");
  EXPECT_EQ(ShortNumber(99.96), "100");
  EXPECT_EQ(ShortNumber(12345.6), "12346");
  EXPECT_EQ(ShortNumber(std::nan("")), "?");
  EXPECT_EQ(ShortBytes(0), "0B");
  EXPECT_EQ(ShortBytes(999), "999B");
  EXPECT_EQ(ShortBytes(1000), "1.0K");
  EXPECT_EQ(ShortBytes(312.4 * 1024 * 1024), "312M");
  EXPECT_EQ(ShortBytes(1.5 * 1024 * 1024 * 1024), "1.5G");
}

}  // namespace
}  // namespace shoal::cli
