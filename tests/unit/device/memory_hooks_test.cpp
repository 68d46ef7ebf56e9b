// Memory that devices show to the guest, and RAM that they watch.
#include "tests/unit/device/device_fixture.hpp"

#include <gmock/gmock.h>
#include <plugbay/abi/region.h>

namespace plugbay::core {
namespace {

using testing::AllOf;
using testing::HasSubstr;

class MemoryHooks : public DeviceTest {
  protected:
    using Body = std::function<plugbay_status(const plugbay_region_host&, const plugbay_host*)>;
    // A device that does `body` when it is created.
    struct Maker {
        Script script;
        std::unique_ptr<Device> device;
        plugbay_handle handle{};
        void* pointer = nullptr;
        Result<void> created = Error{"not yet"};

        ~Maker() { EXPECT_TRUE(device->quiesce()); }
    };
    std::unique_ptr<Maker> maker(const std::string& id) {
        auto made = std::make_unique<Maker>();
        made->device = make(id);
        return made;
    }
    std::unique_ptr<Maker> region(const std::string& id, std::uint32_t kind, std::uint64_t address,
                                  std::uint64_t length, std::uint32_t flags = 0) {
        auto made = maker(id);
        made->script.create = [=, maker = made.get()](const plugbay_host* host) {
            return maker->script.table<plugbay_region_host>(PLUGBAY_REGION)
                .create(host, kind, flags, address, length, 6, &maker->handle, &maker->pointer);
        };
        made->created = create(*made->device, made->script);
        if (made->created) made->created = made->device->start();
        return made;
    }
    std::unique_ptr<Maker> watch(const std::string& id, std::uint32_t what, std::uint64_t address,
                                 std::uint64_t length) {
        auto made = maker(id);
        made->script.create = [=, maker = made.get()](const plugbay_host* host) {
            return maker->script.table<plugbay_region_host>(PLUGBAY_REGION)
                .watch_ram(host, what, address, length, 8, &maker->handle);
        };
        made->created = create(*made->device, made->script);
        if (made->created) made->created = made->device->start();
        return made;
    }
    std::uint64_t read(std::uint64_t address) { return bus.read_memory(presence, address, 4); }
    void write(std::uint64_t address, std::uint64_t value) { bus.write_memory(presence, address, 4, value); }

    static constexpr std::uint64_t place = 0xd000'0000;
    static constexpr std::uint64_t page = 4096;
};

TEST_F(MemoryHooks, RegionsAreMappedAsTheirKindSays) {
    auto ram = region("ram", PLUGBAY_REGION_RAM, place, page, PLUGBAY_REGION_TRACK_DIRTY);
    auto rom = region("rom", PLUGBAY_REGION_ROM, place + page, page);
    auto hook = region("hook", PLUGBAY_REGION_WRITE_HOOK, place + 2 * page, page);
    ASSERT_TRUE(ram->created && rom->created && hook->created) << hook->created.error().text();
    ASSERT_EQ(platform.memories.size(), 3u);
    EXPECT_TRUE(platform.memories[0].log_dirty && !platform.memories[0].read_only);
    EXPECT_TRUE(platform.memories[1].read_only && platform.memories[2].read_only);
    EXPECT_EQ(platform.memories[1].host, rom->pointer);
    // What arrives on the bus all the same does what the memory would do.
    std::vector<std::uint64_t> written;
    hook->script.write = [&](std::uint64_t token, std::uint64_t offset, std::uint32_t, std::uint64_t value) {
        written = {token, offset, value};
    };
    for (const auto* each : {&ram, &rom, &hook})
        *static_cast<std::uint32_t*>((*each)->pointer) = 0x1234;
    for (std::uint64_t i = 0; i < 3; ++i) {
        EXPECT_EQ(read(place + i * page), 0x1234u);
        write(place + i * page, 0x5678);
    }
    EXPECT_EQ(read(place), 0x5678u);
    EXPECT_EQ(read(place + page), 0x1234u);
    EXPECT_EQ(read(place + 2 * page), 0x1234u);
    EXPECT_EQ(written, (std::vector<std::uint64_t>{6, 0, 0x5678}));
    std::uint64_t bitmap = 0;
    const auto& table = ram->script.table<plugbay_region_host>(PLUGBAY_REGION);
    EXPECT_EQ(table.take_dirty(ram->script.host, ram->handle, &bitmap, 1), PLUGBAY_OK);
    EXPECT_EQ(bitmap, 5u);
    EXPECT_EQ(table.take_dirty(ram->script.host, ram->handle, &bitmap, 2), PLUGBAY_INVALID);
    EXPECT_EQ(table.take_dirty(rom->script.host, rom->handle, &bitmap, 1), PLUGBAY_UNSUPPORTED);
    EXPECT_EQ(table.remove(rom->script.host, rom->handle), PLUGBAY_FORBIDDEN); // it runs
    ASSERT_TRUE(rom->device->quiesce());
    EXPECT_EQ(table.remove(rom->script.host, rom->handle + 1), PLUGBAY_STALE);
    EXPECT_EQ(table.remove(rom->script.host, rom->handle), PLUGBAY_OK);
    EXPECT_EQ(read(place + page), 0xffffffffu);
    ram.reset();
    hook.reset();
    EXPECT_TRUE(platform.memories.empty());
    EXPECT_EQ(read(place), 0xffffffffu);
}

TEST_F(MemoryHooks, RegionsAreExclusiveAndChecked) {
    auto one = region("one", PLUGBAY_REGION_ROM, place, 4 * page);
    ASSERT_TRUE(one->created);
    EXPECT_THAT(region("two", PLUGBAY_REGION_RAM, place + 3 * page, page)->created.error().text(),
                AllOf(HasSubstr("\"one\""), HasSubstr("\"two\"")));
    struct Case {
        std::uint32_t kind;
        std::uint64_t address, length;
        std::uint32_t flags;
    };
    for (const auto& [kind, address, length, flags] :
         {Case{0, place + 8 * page, page, 0}, Case{4, place + 8 * page, page, 0},
          Case{1, place + 8 * page, 0, 0}, Case{1, place + 8 * page + 8, page, 0},
          Case{1, place + 8 * page, page + 1, 0}, Case{1, place + 8 * page, page, 2},
          Case{2, place + 8 * page, page, 1}, Case{1, 0, page, 0}, Case{1, (16 << 20) - page, 2 * page, 0},
          Case{1, ~std::uint64_t{0} - page + 1, 2 * page, 0}, Case{1, ~std::uint64_t{0} - page + 1, page, 0},
          Case{1, place + 8 * page, std::uint64_t{1} << 62, 0},
          Case{1, 1ULL << 63, (1ULL << 63) - page, 0}}) {
        EXPECT_FALSE(region("x", kind, address, length, flags)->created)
            << kind << " " << address << " " << length;
    }
    platform.refuse_memory = true;
    EXPECT_THAT(region("x", 1, place + 8 * page, page)->created.error().text(), HasSubstr("no memory here"));
    platform.refuse_memory = false;
    EXPECT_TRUE(region("x", 1, place + 8 * page, page)->created);
    plugbay_handle handle{};
    EXPECT_EQ(one->script.table<plugbay_region_host>(PLUGBAY_REGION)
                  .create(one->script.host, 1, 0, place + 9 * page, page, 0, &handle, nullptr),
              PLUGBAY_FORBIDDEN); // not creating any more
    plugbay_handle mapped{};
    EXPECT_EQ(one->script.table<plugbay_access_host>(PLUGBAY_ACCESS)
                  .map_memory(one->script.host, place, 8, 0, &mapped),
              PLUGBAY_TAKEN);
}

TEST_F(MemoryHooks, WatchedRamKeepsItsContents) {
    ASSERT_TRUE(memory->write(0x4000, std::as_bytes(std::span("abc", 4))));
    auto writes = watch("writes", PLUGBAY_WATCH_WRITES, 0x4000, page);
    auto all = watch("all", PLUGBAY_WATCH_ALL, 0x5000, 2 * page);
    ASSERT_TRUE(writes->created && all->created) << all->created.error().text();
    ASSERT_EQ(platform.watched.size(), 2u);
    EXPECT_FALSE(platform.watched[0].reads);
    EXPECT_TRUE(platform.watched[1].reads);
    std::uint64_t seen = 0;
    writes->script.write = [&](std::uint64_t token, std::uint64_t offset, std::uint32_t,
                               std::uint64_t value) { seen = token << 56 | offset << 32 | value; };
    all->script.read = [](std::uint64_t, std::uint64_t offset, std::uint32_t) { return offset; };
    EXPECT_EQ(read(0x4000), 0x636261u);
    write(0x4010, 5);
    EXPECT_EQ(seen, 0x0800'0010'0000'0005u);
    EXPECT_EQ(read(0x4010), 0u);
    EXPECT_EQ(read(0x6ff0), 0x1ff0u);
    EXPECT_THAT(watch("x", PLUGBAY_WATCH_WRITES, 0x6000, page)->created.error().text(),
                AllOf(HasSubstr("\"all\""), HasSubstr("\"x\"")));
    all.reset();
    EXPECT_EQ(platform.watched.size(), 1u);
    writes.reset();
    EXPECT_TRUE(platform.watched.empty());
    EXPECT_EQ(read(0x4000), 0xffffffffu); // the bus knows no RAM
}

TEST_F(MemoryHooks, WatchesAreChecked) {
    struct Case {
        std::uint32_t what;
        std::uint64_t address, length;
    };
    for (const auto& [what, address, length] :
         {Case{0, 0x4000, page}, Case{3, 0x4000, page}, Case{1, 0x4001, page}, Case{1, 0x4000, 0},
          Case{1, place, page}, Case{1, (16 << 20) - page, 2 * page},
          Case{1, 0, ~std::uint64_t{0} - page + 1}}) {
        EXPECT_FALSE(watch("x", what, address, length)->created) << what << " " << address << " " << length;
    }
    platform.refuse_memory = true;
    EXPECT_FALSE(watch("x", 1, 0x4000, page)->created);
    platform.refuse_memory = false;
    clock.start();
    EXPECT_THAT(watch("x", 1, 0x4000, page)->created.error().text(), HasSubstr("stands still"));
    clock.stop();
    EXPECT_TRUE(watch("x", 1, 0x4000, page)->created);
}

} // namespace
} // namespace plugbay::core
