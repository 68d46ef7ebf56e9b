// What the testkit's own tests share: a Bench with a probe, and its log as plain texts.
#pragma once

#include <plugbay/testkit/testkit.hpp>

#include <gmock/gmock.h>
#include <gtest/gtest.h>

#include <string>
#include <vector>

namespace plugbay::testkit {

inline const std::filesystem::path probe_file = PLUGBAY_PLUGIN_FILE;

// What `device` logged so far.
inline std::vector<std::string> lines(const Bench& bench, std::string_view device = "probe") {
    std::vector<std::string> texts;
    for (const LogLine& line : bench.log()) {
        if (line.device == device) texts.push_back(line.text);
    }
    return texts;
}
inline std::string last_line(const Bench& bench, std::string_view device = "probe") {
    const auto texts = lines(bench, device);
    return texts.empty() ? "" : texts.back();
}

class WithProbe : public testing::Test {
  protected:
    WithProbe() { bench.add(probe_file, "probe", "probe"); }
    // A started bench; a disk has to be there, since the probe's second port needs a peer.
    void start() {
        bench.connect(disk, "probe.disk");
        bench.start();
    }
    void command(unsigned which, std::uint64_t value) {
        bench.out(static_cast<std::uint16_t>(0x500 + which), 4, value);
    }

    Bench bench;
    BlkPeer disk;
};

} // namespace plugbay::testkit
