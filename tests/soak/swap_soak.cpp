// Swaps a serial port between two builds while its guest writes to it without end, and then a tenth as often with a rehearsal of
// each build, as swaps are by default:
//
//     swap_soak [SWAPS]
//
// Prints the monitor's resident memory, descriptors, threads and mappings as it goes along. Ends with status 1 if a swap
// failed, a build did nothing, or one of these grew from the tenth part of the swaps on.
#include "tests/guests/machine/monitor.hpp"
#include "tests/hot_swap/swap_series.hpp"

#include <algorithm>
#include <cstdlib>
#include <filesystem>
#include <fmt/format.h>
#include <fstream>
#include <iostream>
#include <iterator>
#include <memory>
#include <stdexcept>
#include <thread>

namespace plugbay::end_to_end {
namespace {

using core::ControlClient;
using namespace std::chrono_literals;

struct Size {
    std::size_t kilobytes = 0; // resident
    std::size_t descriptors = 0;
    std::size_t threads = 0;
    std::size_t mappings = 0;
};

Size size_of(int process) {
    const std::filesystem::path folder = "/proc/" + std::to_string(process);
    const auto entries = [&](const char* what) {
        return static_cast<std::size_t>(
            std::distance(std::filesystem::directory_iterator(folder / what), {}));
    };
    std::size_t pages = 0;
    std::ifstream(folder / "statm") >> pages >> pages;
    std::ifstream maps(folder / "maps");
    const auto mappings = std::count(std::istreambuf_iterator<char>(maps), {}, '\n');
    return {pages * 4, entries("fd"), entries("task"), static_cast<std::size_t>(mappings)};
}

bool check(bool good, const char* what) {
    std::cout << (good ? "ok      " : "FAILED  ") << what << std::endl;
    return good;
}

bool soak(std::size_t swaps, bool rehearse) {
    std::cout << fmt::format("{} swaps{}", swaps, rehearse ? ", each rehearsed" : "") << std::endl;
    const TemporaryFolder folder;
    ::setenv("PLUGBAY_RUNTIME_DIR", (folder.path() / "run").c_str(), 1);
    // mov $0x3f8, %dx; mov $'x', %al; 1: out %al, %dx; jmp 1b
    folder.write("image", "\xba\xf8\x03\xb0\x78\xee\xeb\xfd");
    const std::string file = folder.write("soak.json", R"({
        "memory": "16M", "boot": { "kernel": "image", "protocol": "flat" },
        "devices": [
          { "type": "serial-16550", "id": "com1" },
          { "type": "char-ring", "id": "ring", "frontend": { "id": "com1" } } ] })");
    Child monitor(plugbay_command({"run", file}));
    std::unique_ptr<ControlClient> client;
    for (int i = 0; i < 400 && !client; ++i) {
        if (auto found = ControlClient::find("soak"))
            client = std::make_unique<ControlClient>(std::move(*found));
        std::this_thread::sleep_for(50ms);
    }
    if (!client) throw std::runtime_error("the machine did not come up: " + monitor.finish(1s).text());
    const auto status = client->call("machine.status", nlohmann::json::object());
    if (!status) throw std::runtime_error(status.error().text());
    const int process = (*status)["pid"];

    SwapSeries series(*client, {{"com1", {PLUGBAY_FIRST_BUILD, PLUGBAY_NEXT_BUILD}, "bytes sent"}},
                      {.rehearse = rehearse, .patience = 10s});
    Size settled;
    Size now;
    for (std::size_t i = 0; i <= swaps; ++i) {
        if (i % std::max<std::size_t>(swaps / 10, 1) == 0) {
            now = size_of(process);
            if (i * 10 <= swaps) settled = now;
            std::cout << fmt::format("{:6} swaps: {} KiB, {} descriptors, {} threads, {} mappings", i,
                                     now.kilobytes, now.descriptors, now.threads, now.mappings)
                      << std::endl;
        }
        if (i < swaps) series.swap_next();
    }
    series.print(std::cout);
    static_cast<void>(client->call("machine.quit", nlohmann::json::object()));
    const Outcome outcome = monitor.finish(60s);
    if (outcome.status != 0) std::cout << outcome.text();
    bool good = check(now.kilobytes <= settled.kilobytes + 1024, "memory does not grow");
    good &= check(now.descriptors <= settled.descriptors, "descriptors do not grow");
    good &= check(now.threads <= settled.threads, "threads do not grow");
    good &= check(now.mappings <= settled.mappings + 4, "mappings do not grow");
    good &= check(outcome.status == 0, "the monitor ends well");
    return good;
}

} // namespace
} // namespace plugbay::end_to_end

int main(int argc, char** argv) {
    try {
        using plugbay::end_to_end::soak;
        const std::size_t swaps = argc > 1 ? std::strtoull(argv[1], nullptr, 10) : 10'000;
        const bool plain = soak(swaps, false);
        return soak(std::max<std::size_t>(swaps / 10, 1), true) && plain ? 0 : 1;
    } catch (const std::exception& error) {
        std::cout << "FAILED  " << error.what() << '\n';
        return 1;
    }
}
