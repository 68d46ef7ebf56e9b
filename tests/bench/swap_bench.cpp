// What a guest may see of a hot swap, from gate closed to gate open, and what each step takes:
//
//     swap_bench [SWAPS]      default: 1000 of each device
//
// A serial port whose guest writes to it without end; then a virtio disk with 16 requests always under way, on disk-ram; then
// the same on disk-file, which is swapped too, by turns. Every build has to serve before the next one comes.
#include "tests/guests/machine/monitor.hpp"
#include "tests/hot_swap/swap_series.hpp"

#include <cstdio>
#include <cstdlib>
#include <fmt/format.h>
#include <iostream>
#include <memory>
#include <stdexcept>
#include <thread>

extern "C" const char __start_plugbay_disk_guest[];
extern "C" const char __stop_plugbay_disk_guest[];

namespace plugbay::end_to_end {
namespace {

using core::ControlClient;
using namespace std::chrono_literals;

SwapSubject subject(const std::string& id, const std::string& plugin, const std::string& number) {
    return {.id = id,
            .files = {PLUGBAY_BINARY_FOLDER "/plugins/" + plugin + ".so",
                      PLUGBAY_BINARY_FOLDER "/next/" + plugin + ".so"},
            .number = number};
}

void measure(const std::string& title, std::string_view image, const std::string& machine,
             std::vector<SwapSubject> subjects, std::size_t swaps) {
    const TemporaryFolder folder;
    ::setenv("PLUGBAY_RUNTIME_DIR", (folder.path() / "run").c_str(), 1);
    folder.write("image", image);
    folder.write("disk.img", std::string(1 << 20, '\0'));
    const std::string file = folder.write("bench.json", machine);
    Child monitor(plugbay_command({"run", file}));
    std::unique_ptr<ControlClient> client;
    for (int i = 0; i < 400 && !client; ++i) {
        if (auto found = ControlClient::find("bench"))
            client = std::make_unique<ControlClient>(std::move(*found));
        std::this_thread::sleep_for(50ms);
    }
    if (!client) throw std::runtime_error("the machine did not come up: " + monitor.finish(1s).text());
    const std::size_t count = swaps * subjects.size();
    SwapSeries series(*client, std::move(subjects), {.patience = 10s});
    try {
        for (std::size_t i = 0; i < count; ++i)
            series.swap_next();
    } catch (const std::runtime_error& error) {
        throw std::runtime_error(title + ": " + error.what() + "\n" + monitor.finish(1s).text());
    }
    std::cout << "-- " << title << '\n';
    series.print(std::cout);
    static_cast<void>(client->call("machine.quit", nlohmann::json::object()));
    if (const Outcome outcome = monitor.finish(60s); outcome.status != 0)
        throw std::runtime_error(outcome.text());
}

std::string disk_machine(const std::string& backend) {
    return R"({ "memory": "16M",
        "boot": { "kernel": "image", "protocol": "flat", "mode": "long_64", "address": "0x100000" },
        "devices": [
          { "type": "debug-exit", "id": "exit" },
          { "type": "pci-host", "id": "pci", "memory64_window_size": 0 },
          { "type": "virtio-blk", "id": "vda" },
          { )" +
           backend + R"(, "id": "disk", "frontend": { "id": "vda" } } ] })";
}

void measure_all(std::size_t swaps) {
    // mov $0x3f8, %dx; mov $'x', %al; 1: out %al, %dx; jmp 1b
    measure("a serial port under load", "\xba\xf8\x03\xb0\x78\xee\xeb\xfd", R"({
        "memory": "16M", "boot": { "kernel": "image", "protocol": "flat" },
        "devices": [
          { "type": "serial-16550", "id": "com1" },
          { "type": "char-ring", "id": "ring", "frontend": { "id": "com1" } } ] })",
            {subject("com1", "serial-16550", "bytes sent")}, swaps);
    const std::string_view guest(
        __start_plugbay_disk_guest,
        static_cast<std::size_t>(__stop_plugbay_disk_guest - __start_plugbay_disk_guest));
    measure("a disk in memory under load", guest, disk_machine(R"("type": "disk-ram", "size": "1M")"),
            {subject("vda", "virtio-blk", "requests")}, swaps);
    measure("a disk in a file under load", guest, disk_machine(R"("type": "disk-file", "path": "disk.img")"),
            {subject("vda", "virtio-blk", "requests"), subject("disk", "disk-file", "requests")}, swaps);
}

} // namespace
} // namespace plugbay::end_to_end

int main(int argc, char** argv) {
    try {
        plugbay::end_to_end::measure_all(argc > 1 ? std::strtoull(argv[1], nullptr, 10) : 1000);
        return 0;
    } catch (const std::exception& error) {
        std::cout << "swap_bench: " << error.what() << std::endl;
        return 1;
    }
}
