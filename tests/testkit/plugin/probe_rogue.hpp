// probe-rogue: breaks the rule whose number is written to its port 0x600. Through C tables, since the C++
// wrapper makes most of it hard.
#pragma once

#include "rogue_rule.hpp"

#include <plugbay/abi/firmware.h>
#include <plugbay/plugin.hpp>

#include <string>
#include <thread>

class ProbeRogue {
  public:
    static constexpr plugbay::Type type{.name = "probe-rogue", .help = "Breaks the rules."};
    struct Options {
        std::string_view fail = "";
        bool leak = false;
        static constexpr auto properties() {
            return plugbay::properties(plugbay::property("fail", &Options::fail, "error text of create"),
                                       plugbay::property("leak", &Options::leak, "never give back"));
        }
    };

    ProbeRogue(plugbay::Host host, const Options& options) : host_(host), ports_(host.map_ports(0x600, 8)) {
        line_ = host.interrupt_line(14);
        if (options.fail == "silently") throw plugbay::Failure(PLUGBAY_FAILED);
        if (!options.fail.empty()) throw plugbay::Failure(std::string(options.fail));
        if (!options.leak) return;
        static_cast<void>(host.timer().handle()); // made and given back
        const auto& timers = host.extension<plugbay_timer_host>(PLUGBAY_TIMER);
        plugbay_handle handle{};
        plugbay::check(timers.create(host.raw(), PLUGBAY_CLOCK_GUEST, 0, &handle));
    }

    std::uint64_t read(plugbay::Access) { return line_.handle(); }
    void write(plugbay::Access, std::uint64_t value) {
        const auto& interrupt = host_.extension<plugbay_interrupt_host>(PLUGBAY_INTERRUPT);
        switch (value & 0xff) {
        case stale_handle: {
            const auto gone = host_.timer().handle();
            status_ = host_.extension<plugbay_timer_host>(PLUGBAY_TIMER).arm(host_.raw(), gone, 0, 0);
            break;
        }
        case foreign_handle:
            status_ = interrupt.set(host_.raw(), value >> 8, 1);
            break;
        case firmware_after_create: {
            const std::byte table[36]{};
            status_ = host_.extension<plugbay_firmware_host>(PLUGBAY_FIRMWARE)
                          .add_acpi_table(host_.raw(), table, sizeof table);
            break;
        }
        case null_log:
            host_.raw()->log(host_.raw(), PLUGBAY_LOG_INFO, nullptr);
            break;
        case quiesced_unasked:
            host_.quiesced();
            break;
        case claim_from_thread:
            std::thread([&] {
                plugbay_handle handle{};
                status_ = interrupt.claim(host_.raw(), 3, 0, &handle);
            }).join();
            break;
        case set_from_thread:
            std::thread([&] { status_ = interrupt.set(host_.raw(), line_.handle(), 1); }).join();
            break;
        case level_two:
            status_ = interrupt.set(host_.raw(), line_.handle(), 2);
            break;
        case unmap_never_mapped:
            host_.memory().unmap(0, 16, PLUGBAY_MAP_READ);
            break;
        case bad_exit_status:
            status_ = host_.extension<plugbay_machine_host>(PLUGBAY_MACHINE)
                          .request(host_.raw(), PLUGBAY_REQUEST_EXIT, 256);
            break;
        case log_newline:
            host_.info("two\nlines");
            break;
        case touch_memory_on_save:
            touch_ = true;
            break;
        case throw_on_refusal: // its own line, which it does not share
            static_cast<void>(host_.interrupt_line(14));
            break;
        case number_twice:
            twice_ = true;
            break;
        default:
            break;
        }
        host_.info("status " + std::to_string(status_));
    }
    void on_timer(std::uint64_t) {}
    void reset() {}
    void state(auto& fields) {
        std::uint64_t word = 0;
        if (touch_) static_cast<void>(host_.memory().read_object(0, word));
        fields("touch", touch_);
    }
    void statistics(auto& numbers) {
        numbers("rules broken", 0);
        if (twice_) numbers.level("rules broken", 1);
    }

  private:
    plugbay::Host host_;
    plugbay::Region ports_;
    plugbay::InterruptLine line_;
    plugbay_status status_ = PLUGBAY_OK;
    bool touch_ = false;
    bool twice_ = false;
};
