// A guest, virtio-blk and a real backend: random requests compared with a copy of the disk.
#include <plugbay/testkit/testkit.hpp>
#include <plugbay/virtio/testing/driver.hpp>

#include "../protocol.hpp"

#include <gtest/gtest.h>

#include <unistd.h>

#include <cstdlib>
#include <cstring>
#include <filesystem>
#include <fstream>
#include <map>
#include <random>

namespace testkit = plugbay::testkit;
namespace virtio = plugbay::virtio;

namespace {

constexpr std::uint64_t capacity = 2 << 20;
constexpr std::uint16_t queue_size = 64;
constexpr unsigned places = 16; // requests at a time
constexpr std::uint64_t data_stride = 64 << 10;

struct Backend {
    const char* name;
    const char* type;
    testkit::Properties properties;
};
class VirtioBlkDisk : public testing::TestWithParam<Backend> {
  protected:
    void SetUp() override {
        path_ = (std::filesystem::current_path() / "virtio-blk-XXXXXX").string();
        const int file = mkstemp(path_.data());
        ASSERT_GE(file, 0);
        ASSERT_EQ(ftruncate(file, capacity), 0);
        close(file);
    }
    void TearDown() override { std::filesystem::remove(path_); }
    std::string path_;
};

} // namespace

TEST_P(VirtioBlkDisk, KeepsWhatWasWritten) {
    testkit::Bench bench;
    testkit::Properties properties = GetParam().properties;
    const bool in_file = std::strcmp(GetParam().type, "disk-file") == 0;
    properties.emplace_back(in_file ? "path" : "image", path_);
    const std::filesystem::path folder = PLUGBAY_PLUGIN_DIRECTORY;
    bench.add(PLUGBAY_PLUGIN_FILE, "virtio-blk", "disk0", {{"queues", "2"}});
    bench.add(folder / (std::string(GetParam().type) + ".so"), GetParam().type, "image", properties);
    bench.connect("image", "disk0");
    bench.start();
    bench.enable_msix("disk0");
    virtio::testing::Driver driver(bench, "disk0");
    ASSERT_TRUE(driver.negotiate());
    std::vector<virtio::testing::DriverQueue> queues;
    for (std::uint16_t i = 0; i < 2; ++i)
        queues.push_back(driver.setup(i, queue_size, 0x10000 + i * 0x8000u));
    driver.driver_ok();
    const std::uint64_t block = driver.device_config(20, 4);

    std::mt19937_64 random(7); // the same every time
    std::vector<std::byte> copy(capacity);
    for (unsigned round = 0; round < 60; ++round) {
        // Requests of one round touch different parts of the disk: their order is open.
        const std::uint64_t part = capacity / places;
        struct Request {
            std::uint32_t type;
            std::uint64_t offset;
            std::uint32_t length;
        };
        std::vector<Request> requests;
        for (unsigned place = 0; place < places; ++place) {
            const std::uint64_t blocks = 1 + random() % std::min<std::uint64_t>(part / block, 32768 / block);
            const std::uint64_t first = random() % (part / block - blocks + 1);
            Request request{static_cast<std::uint32_t>(random() % 2), place * part + first * block,
                            static_cast<std::uint32_t>(blocks * block)};
            const std::uint64_t header = 0x100000 + 64 * place;
            const std::uint64_t data = 0x200000 + data_stride * place + random() % 8;
            bench.store_object(header, blk::Header{request.type, 0, request.offset / 512});
            bench.store_object(header + 32, std::uint8_t{0xee});
            std::vector<std::byte> bytes(request.length);
            for (auto& byte : bytes)
                byte = static_cast<std::byte>(random());
            bench.write_memory(data, bytes);
            if (request.type == blk::type_out)
                std::copy(bytes.begin(), bytes.end(),
                          copy.begin() + static_cast<std::ptrdiff_t>(request.offset));
            const bool reads = request.type == blk::type_in;
            const auto half = request.length / 3;
            queues[place % 2].add({{header, 16},
                                   {data, half, reads},
                                   {data + half, request.length - half, reads},
                                   {header + 32, 1, true}},
                                  place % 4 == 0 ? 0x180000 + 4096 * place : 0);
            requests.push_back(request);
            bench.store_object(header + 40, data);
        }
        driver.notify(0);
        driver.notify(1);
        // With doorbells rung and not served yet, and with requests in flight.
        if (round % 10 == 7) bench.swap("disk0", PLUGBAY_PLUGIN_FILE);
        if (round % 10 == 8) bench.run();
        if (round % 10 == 8) bench.swap("disk0", PLUGBAY_PLUGIN_FILE);
        if (round % 10 == 9) bench.swap("image", folder / (std::string(GetParam().type) + ".so"));
        std::size_t back = 0;
        ASSERT_TRUE(bench.run_until([&] {
            back += queues[0].take_used().size() + queues[1].take_used().size();
            return back == places;
        }));
        for (unsigned place = 0; place < places; ++place) {
            const std::uint64_t header = 0x100000 + 64 * place;
            ASSERT_EQ(bench.load_object<std::uint8_t>(header + 32), blk::status_ok);
            std::vector<std::byte> bytes(requests[place].length);
            bench.read_memory(bench.load_object<std::uint64_t>(header + 40), bytes);
            ASSERT_EQ(std::memcmp(bytes.data(), &copy[requests[place].offset], bytes.size()), 0);
        }
        if (round == 30) {
            bench.quiesce();
            bench.resume();
        }
    }
    if (!in_file) return;
    std::ifstream file(path_, std::ios::binary);
    std::vector<std::byte> contents(capacity);
    file.read(reinterpret_cast<char*>(contents.data()), capacity);
    EXPECT_EQ(contents, copy);
}

INSTANTIATE_TEST_SUITE_P(Backends, VirtioBlkDisk,
                         testing::Values(Backend{"ram", "disk-ram", {}}, Backend{"file", "disk-file", {}},
                                         Backend{"file_thread", "disk-file", {{"engine", "thread"}}},
                                         Backend{"file_direct", "disk-file", {{"direct", "true"}}}),
                         [](const auto& each) { return each.param.name; });
