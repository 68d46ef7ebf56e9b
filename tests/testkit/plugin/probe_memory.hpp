// Probes of memory that the guest sees or that is watched.
#pragma once

#include <plugbay/plugin.hpp>

#include <bit>
#include <cstring>
#include <vector>

// Memory that begins with a number. What is written to write-hooked memory appears there plus one. A port
// tells how many pages the guest wrote since it was last asked, or without tracking how many accesses to the memory
// have come to the device.
class ProbeRegion {
  public:
    static constexpr plugbay::Type type{.name = "probe-region", .help = "Memory beside RAM."};
    struct Options {
        std::uint32_t kind = PLUGBAY_REGION_RAM;
        std::uint64_t address = 0xd4000000;
        plugbay::Size size{65536};
        std::uint16_t port = 0x520;
        bool track = false;
        static constexpr auto properties() {
            return plugbay::properties(plugbay::property("kind", &Options::kind, "PLUGBAY_REGION_..."),
                                       plugbay::property("address", &Options::address, "of the memory"),
                                       plugbay::property("size", &Options::size, "bytes"),
                                       plugbay::property("port", &Options::port, "of four I/O ports"),
                                       plugbay::property("track", &Options::track, "count written pages"));
        }
    };

    ProbeRegion(plugbay::Host host, const Options& options)
        : track_(options.track),
          region_(host.memory_region(options.kind, options.address, options.size.bytes, 1,
                                     options.track ? PLUGBAY_REGION_TRACK_DIRTY : 0)),
          port_(host.map_ports(options.port, 4, 2)) {
        constexpr std::uint64_t number = 0x1122334455667788;
        std::memcpy(region_.bytes().data(), &number, sizeof number);
    }

    std::uint64_t read(plugbay::Access access) {
        if (access.token != 2) {
            ++accesses_;
            return 0;
        }
        if (!track_) return accesses_;
        std::vector<std::uint64_t> bitmap((region_.bytes().size() / 4096 + 63) / 64);
        region_.take_dirty(bitmap);
        int pages = 0;
        for (const std::uint64_t word : bitmap)
            pages += std::popcount(word);
        return static_cast<std::uint64_t>(pages);
    }
    void write(plugbay::Access access, std::uint64_t value) {
        if (access.token != 1) return;
        ++accesses_;
        ++value;
        std::memcpy(region_.bytes().data() + access.offset, &value, access.width);
    }

  private:
    bool track_;
    std::uint64_t accesses_ = 0;
    plugbay::MemoryRegion region_;
    plugbay::Region port_;
};

// Pages of RAM: what is written to them appears there inverted; what is read, when reads are watched, is
// 0x5a.
class ProbeWatch {
  public:
    static constexpr plugbay::Type type{.name = "probe-watch", .help = "Watches RAM."};
    struct Options {
        std::uint32_t what = PLUGBAY_WATCH_WRITES;
        std::uint64_t address = 0x400000;
        plugbay::Size size{8192};
        static constexpr auto properties() {
            return plugbay::properties(plugbay::property("what", &Options::what, "PLUGBAY_WATCH_..."),
                                       plugbay::property("address", &Options::address, "of the first page"),
                                       plugbay::property("size", &Options::size, "bytes"));
        }
    };

    ProbeWatch(plugbay::Host host, const Options& options)
        : address_(options.address), memory_(host.memory()),
          watch_(host.watch_ram(options.what, options.address, options.size.bytes)) {}

    std::uint64_t read(plugbay::Access) { return 0x5a5a5a5a5a5a5a5a; }
    void write(plugbay::Access access, std::uint64_t value) {
        value = ~value;
        static_cast<void>(
            memory_.write(address_ + access.offset, std::as_bytes(std::span(&value, 1)).first(access.width)));
    }

  private:
    std::uint64_t address_;
    plugbay::Memory memory_;
    plugbay::RamWatch watch_;
};
