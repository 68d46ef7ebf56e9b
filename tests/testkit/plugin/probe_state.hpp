// Probes of how a device's state may change between its builds.
#pragma once

#include <plugbay/plugin.hpp>

#include <array>
#include <stdexcept>
#include <string>
#include <vector>

// Two fields that are always there, and optional ones of every shape.
class ProbeOptional {
  public:
    static constexpr plugbay::Type type{.name = "probe-optional", .help = "Optional fields."};
    explicit ProbeOptional(plugbay::Host) {}

    void state(auto& fields) {
        fields("base", base_);
        fields.optional("flag", flag_, true);
        fields.optional("colour", colour_, Colour::green);
        fields.optional("negative", negative_, -7);
        fields.optional("mode", mode_, 1, 0, 3);
        fields.optional(
            "parity", parity_, 4, [](auto p) { return p % 2 == 0; }, "it is odd");
        fields.optional("table", table_, {1, 2});
        fields.optional("page", page_, {}, 4);
        fields.optional("text", text_, "none");
        fields.optional("part", part_, {});
        fields.optional("parts", parts_, {Part{5, 6, {}}, Part{}});
        fields("last", last_);
    }

  private:
    enum class Colour : std::uint8_t { red, green };
    struct Inner {
        std::uint8_t depth = 3;
        void state(auto& fields) { fields("depth", depth); }
    };
    struct Part {
        std::uint8_t low = 1;
        std::uint16_t high = 2;
        Inner inner;
        void state(auto& fields) {
            fields("low", low);
            fields.optional("high", high, 9);
            fields.optional("inner", inner, {});
        }
    };
    // Not what a state without them means: that is another matter.
    std::uint32_t base_ = 0;
    bool flag_ = false;
    Colour colour_ = Colour::red;
    std::int64_t negative_ = 0;
    std::uint8_t mode_ = 0;
    std::uint16_t parity_ = 0;
    std::array<std::uint16_t, 2> table_{};
    std::vector<std::uint8_t> page_{1};
    std::string text_;
    Part part_{7, 7, {}};
    std::array<Part, 2> parts_{};
    bool last_ = false;
};

// Names that changed: a field's, into and out of structs, two after another, a whole array's, and one within it.
class ProbeRenamed {
  public:
    static constexpr plugbay::Type type{.name = "probe-renamed", .help = "Fields with new names."};
    static constexpr std::array renamed{
        plugbay::Renamed{.from = "ier", .to = "interrupt_enable"},
        plugbay::Renamed{.from = "timer.count", .to = "ticks"},
        plugbay::Renamed{.from = "mode", .to = "mode.now"},
        plugbay::Renamed{.from = "first", .to = "value"},
        plugbay::Renamed{.from = "second", .to = "value"},
        plugbay::Renamed{.from = "chan", .to = "channels"},
        plugbay::Renamed{.from = "fill", .to = "level"},
    };
    explicit ProbeRenamed(plugbay::Host) {}

    void state(auto& fields) {
        fields("interrupt_enable", interrupt_enable_);
        fields("ticks", ticks_);
        fields("mode", mode_);
        fields("value", value_);
        fields("channels", channels_);
        fields.optional("level", level_, 5);
    }

  private:
    struct Mode {
        std::uint8_t now = 0;
        void state(auto& fields) { fields("now", now, 0, 3); }
    };
    struct Channel {
        static constexpr std::array renamed{plugbay::Renamed{.from = "lo", .to = "low"}};
        std::uint8_t low = 0;
        std::vector<std::uint8_t> bytes;
        void state(auto& fields) {
            fields("low", low);
            fields("bytes", bytes);
        }
    };
    std::uint8_t interrupt_enable_ = 0;
    std::uint64_t ticks_ = 0;
    Mode mode_;
    std::uint8_t value_ = 0;
    std::array<Channel, 2> channels_;
    std::uint8_t level_ = 0;
};

// Version 1: "divisor_low", "divisor_high", "fifo.0" to "fifo.3", "scratch". 2: "divisor" and "fifo" for the first.
// 3: "mode" means something else, "clock" instead of "scratch". The field "mistake" makes convert() err.
class ProbeConverted {
  public:
    static constexpr plugbay::Type type{
        .name = "probe-converted", .help = "A state in its third form.", .state_version = 3};
    static constexpr std::array renamed{plugbay::Renamed{.from = "divisor", .to = "timer.divisor"}};
    explicit ProbeConverted(plugbay::Host) {}

    static void convert(plugbay::OldState& old) {
        if (old.version() < 2) {
            const auto low = old.get<std::uint8_t>("divisor_low");
            const auto high = old.get<std::uint8_t>("divisor_high");
            old.put("divisor", static_cast<std::uint16_t>(high << 8 | low));
            old.put("fifo", std::vector<std::uint8_t>(old.get<std::array<Entry, 4>>("fifo").front().byte, 7));
        }
        if (old.get<std::uint8_t>("mode") > 3) throw plugbay::Failure("no build had mode 4", PLUGBAY_INVALID);
        old.put("mode", old.get<std::uint8_t>("mode") == 0 ? Mode::slow : Mode::fast);
        old.drop("scratch");
        old.put("clock", std::string(old.has("scratch") ? "there" : "gone"));
        if (!old.has("mistake")) return;
        const auto mistake = old.get<std::string>("mistake");
        if (mistake == "typo") old.put("tiemr.divisor", std::uint16_t{1});
        if (mistake == "kind") old.put("clock", true);
        if (mistake == "throw") throw std::runtime_error("some text");
        if (mistake == "drop") old.drop("divisor");
    }
    void state(auto& fields) {
        fields("timer", timer_);
        fields("mode", mode_, Mode::slow, Mode::fast);
        fields("fifo", fifo_, 4);
        fields("clock", clock_);
    }

  private:
    enum class Mode : std::uint8_t { slow = 8, fast = 9 };
    struct Entry {
        std::uint8_t byte = 0;
        void state(auto& fields) { fields("byte", byte); }
    };
    struct Timer {
        std::uint16_t divisor = 0;
        void state(auto& fields) { fields("divisor", divisor); }
    };
    Timer timer_;
    Mode mode_ = Mode::slow;
    std::vector<std::uint8_t> fifo_;
    std::string clock_;
};
