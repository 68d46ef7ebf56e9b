// A machine with one virtio-blk and a guest that drives it.
#pragma once

#include <plugbay/testkit/testkit.hpp>
#include <plugbay/virtio/testing/driver.hpp>

#include "../protocol.hpp"

#include <cstdint>
#include <memory>
#include <vector>

namespace virtio = plugbay::virtio;
namespace testkit = plugbay::testkit;
using virtio::testing::Driver;
using virtio::testing::DriverBuffer;
using virtio::testing::DriverQueue;

constexpr std::uint64_t all_features = ~std::uint64_t{0};
constexpr std::uint64_t queue_base = 0x10000;
constexpr std::uint64_t queue_stride = 0x8000;
constexpr std::uint64_t header_base = 0x100000; // 32 bytes a request: header, status
constexpr std::uint64_t table_base = 0x180000;  // 4096 bytes an indirect table
constexpr std::uint64_t data_base = 0x200000;
constexpr std::uint8_t no_status = 0xee;

struct GuestOptions {
    testkit::Properties properties{};
    testkit::BlkDisk disk{};
    std::uint64_t features = all_features;
    std::uint16_t queue_size = 64;
    unsigned queues = 1;
    bool msix = true;
};

class Guest {
  public:
    explicit Guest(const GuestOptions& chosen = {}) : options(chosen), disk(chosen.disk) {
        build();
        bench.connect(disk, "disk0");
        bench.start();
        boot();
    }

    // Finds the device, negotiates and sets its queues up, as a booting guest would.
    void boot() {
        driver = std::make_unique<Driver>(bench, "disk0");
        if (options.msix) bench.enable_msix("disk0");
        if (!driver->negotiate(options.features)) throw testkit::Error("negotiation failed");
        queues.clear();
        for (unsigned i = 0; i < options.queues; ++i)
            queues.push_back(driver->setup(static_cast<std::uint16_t>(i), options.queue_size,
                                           queue_base + i * queue_stride));
        driver->driver_ok();
        bench.run();
        if (options.msix) static_cast<void>(bench.take_msix("disk0"));
    }

    [[nodiscard]] static std::uint64_t header_at(unsigned n) { return header_base + 32ull * n; }
    [[nodiscard]] std::uint8_t status(unsigned n) {
        return bench.load_object<std::uint8_t>(header_at(n) + 16);
    }
    // Writes header number `n` and returns the buffers of the whole request.
    std::vector<DriverBuffer> prepare(unsigned n, std::uint32_t type, std::uint64_t sector,
                                      const std::vector<DriverBuffer>& data = {}) {
        bench.store_object(header_at(n), blk::Header{type, 0, sector});
        bench.store_object(header_at(n) + 16, no_status);
        std::vector<DriverBuffer> buffers{{header_at(n), 16}};
        buffers.insert(buffers.end(), data.begin(), data.end());
        buffers.push_back({header_at(n) + 16, 1, true});
        return buffers;
    }
    // One request from beginning to end; the status byte.
    std::uint8_t execute(std::uint32_t type, std::uint64_t sector,
                         const std::vector<DriverBuffer>& data = {}) {
        queues[0].add(prepare(0, type, sector, data));
        driver->kick();
        used = queues[0].take_used();
        return status(0);
    }
    std::uint8_t execute_range(std::uint32_t type, const std::vector<blk::Range>& ranges) {
        for (std::size_t i = 0; i < ranges.size(); ++i)
            bench.store_object(data_base + 16 * i, ranges[i]);
        return execute(type, 0, {{data_base, static_cast<std::uint32_t>(16 * ranges.size())}});
    }
    [[nodiscard]] bool needs_reset() { return (driver->status() & virtio::status_needs_reset) != 0; }
    void fill(std::uint64_t address, std::size_t length, unsigned seed) {
        std::vector<std::byte> bytes(length);
        for (std::size_t i = 0; i < length; ++i)
            bytes[i] = static_cast<std::byte>(i * 7 + i / 256 + seed);
        bench.write_memory(address, bytes);
    }
    [[nodiscard]] std::vector<std::byte> bytes(std::uint64_t address, std::size_t length) {
        std::vector<std::byte> result(length);
        bench.read_memory(address, result);
        return result;
    }
    [[nodiscard]] std::vector<std::byte> on_disk(std::size_t offset, std::size_t length) {
        const auto part = disk.contents().subspan(offset, length);
        return {part.begin(), part.end()};
    }
    // After whatever happened: reset, boot again, write a sector and read it back.
    [[nodiscard]] bool works_after_reset() {
        driver->reset();
        bench.run();
        if (driver->status() != 0) return false;
        boot();
        fill(data_base, 512, 77);
        if (execute(blk::type_out, 3, {{data_base, 512}}) != blk::status_ok) return false;
        if (execute(blk::type_in, 3, {{data_base + 4096, 512, true}}) != blk::status_ok) return false;
        return bytes(data_base, 512) == bytes(data_base + 4096, 512);
    }

    GuestOptions options;
    testkit::Bench bench;
    testkit::BlkPeer disk;
    std::unique_ptr<Driver> driver;
    std::vector<DriverQueue> queues;
    std::vector<virtio::testing::UsedElement> used; // of the last execute

    struct NotStarted {};
    Guest(const GuestOptions& chosen, NotStarted) : options(chosen), disk(chosen.disk) {
        build();
        bench.connect(disk, "disk0");
    }

  private:
    void build() { bench.add(PLUGBAY_PLUGIN_FILE, "virtio-blk", "disk0", options.properties); }
};
