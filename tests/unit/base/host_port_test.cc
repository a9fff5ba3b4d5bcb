#include "base/host_port.h"

#include <gtest/gtest.h>

#include <string>

namespace eagre {
namespace {

TEST(HostPortTest, TextAndPartsAreTheSame) {
  for (const char* address : {"localhost:6123", "node-1.rack:1", "127.0.0.1:65535", "[::1]:80"}) {
    const StatusOr<HostPort> parsed = ParseHostPort(address);
    ASSERT_TRUE(parsed.ok()) << parsed.status();
    EXPECT_EQ(FormatHostPort(parsed->host, parsed->port), address);
  }
}

TEST(HostPortTest, WhatIsNoAddressIsRefused) {
  for (const char* address : {"", "localhost", ":6123", "host:", "host:0", "host:65536", "host:6123x", "host:http"}) {
    EXPECT_FALSE(ParseHostPort(address).ok()) << address;
  }
}

TEST(HostPortTest, LocalhostNeedsNoNameServer) {
  EXPECT_EQ(NumericAddress("localhost:6123"), "127.0.0.1:6123");
  EXPECT_EQ(NumericAddress("node-1:6123"), "node-1:6123");
  EXPECT_EQ(NumericAddress("[::1]:6123"), "[::1]:6123");
  EXPECT_EQ(NumericAddress("unix:/run/eagre"), "unix:/run/eagre");
}

}  // namespace
}  // namespace eagre
