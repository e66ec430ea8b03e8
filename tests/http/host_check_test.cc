#include "http/host_check.h"

#include <string>

#include "gtest/gtest.h"

namespace shoal::http {
namespace {

TEST(HostCheckTest, AddressesAndLocalhostAreKnown) {
  for (const char* value :
       {"127.0.0.1", "127.0.0.1:8080", "[::1]", "[::1]:8080", "localhost:1",
        "LOCALHOST", "localhost.", "192.168.1.10:8080", "http://127.0.0.1:3000",
        "http://localhost", "https://[fe80::1]:1"}) {
    EXPECT_TRUE(IsKnownHost(value, {})) << value;
  }
}

TEST(HostCheckTest, NamesAreNotUnlessTheyAreGiven) {
  for (const char* value : {"", "null", "evil.example", "evil.example:8080",
                            "127.0.0.1.evil.example", "localhost.evil.example",
                            "http://desk.local:8080", "127.1", "0x7f.1",
                            "[evil]", "desk.local@evil.example"}) {
    EXPECT_FALSE(IsKnownHost(value, {"desk"})) << value;
  }
  EXPECT_TRUE(IsKnownHost("Desk.local:8080", {"desk", "desk.local"}));
  EXPECT_TRUE(IsKnownHost("http://desk", {"desk"}));
}

TEST(HostCheckTest, WhatIsRepeatedDoesNoHarm) {
  EXPECT_EQ(PrintableHost("http://evil.example:8080"), "evil.example");
  EXPECT_EQ(PrintableHost("a\x1b[2Jb"), "a??2Jb");
  EXPECT_EQ(PrintableHost(std::string(500, 'a')).size(), 64u);
}

}  // namespace
}  // namespace shoal::http
