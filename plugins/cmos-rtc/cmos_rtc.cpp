// The PC's real-time clock with its battery-backed memory. Comments cite the MC146818A data sheet by section
// title.
//
// Nothing ticks here. Time is the host's calendar plus what the guest has set; flags are worked out when
// somebody looks; the host's timer runs only towards an interrupt that the guest has enabled.
#include "calendar.hpp"

#include <plugbay/plugin.hpp>

#include <algorithm>
#include <array>
#include <ctime>
#include <tuple>

namespace {

constexpr std::uint16_t index_port = 0x70;
constexpr std::uint32_t interrupt_line = 8;

// "Address map".
enum Register : std::uint8_t {
    seconds,
    seconds_alarm,
    minutes,
    minutes_alarm,
    hours,
    hours_alarm,
    day_of_week,
    day_of_month,
    month,
    year,
    register_a,
    register_b,
    register_c,
    register_d,
    base_memory = 0x15,
    extended_memory = 0x17,
    checksum_first = 0x10,
    checksum_last = 0x2d,
    checksum = 0x2e,
    extended_memory_found = 0x30,
    century = 0x32,
    memory_above_16mb = 0x34,
};
constexpr std::size_t memory_size = 128;

// "Register A".
constexpr std::uint8_t update_in_progress = 0x80;
constexpr std::uint8_t divider_reset = 0x60; // and 0x70
constexpr std::uint8_t rate = 0x0f;
constexpr std::uint8_t at_power_on_a = 0x26; // 32768 Hz, 1024 periods a second

// "Register B" and "Register C": enables and flags have the same places.
constexpr std::uint8_t set = 0x80;
constexpr std::uint8_t periodic = 0x40;
constexpr std::uint8_t alarm_event = 0x20;
constexpr std::uint8_t update_ended = 0x10;
constexpr std::uint8_t events = periodic | alarm_event | update_ended;
constexpr std::uint8_t square_wave = 0x08;
constexpr std::uint8_t binary = 0x04;
constexpr std::uint8_t hours_24 = 0x02;
constexpr std::uint8_t interrupt_request = 0x80; // register C only

constexpr std::uint8_t valid_ram_and_time = 0x80; // register D
constexpr std::uint8_t afternoon = 0x80;          // hours in 12-hour mode
constexpr std::uint8_t any_value = 0xc0;          // alarms: both top bits

constexpr std::uint64_t second = 1000000000;
constexpr std::uint64_t update_warning = 244000; // UIP comes 244 us before the update ("Update cycle")

bool is_time(std::uint8_t index) {
    return index <= year ? index != seconds_alarm && index != minutes_alarm && index != hours_alarm
                         : index == century;
}

} // namespace

class CmosRtc {
    // For names: what each byte does is in read_data and write_data.
    static constexpr auto memory_map() {
        using plugbay::bit, plugbay::bits;
        const auto byte = [](std::uint64_t index, const char* name, const char* help = "") {
            return plugbay::reg<std::uint8_t>(index, name, help);
        };
        const auto word = [](std::uint64_t index, const char* name, const char* help) {
            return plugbay::reg<std::uint8_t>(index, name, help).count(2);
        };
        return plugbay::registers(
                   byte(seconds, "SECONDS"), byte(seconds_alarm, "SECONDS_ALARM", "From 0xc0: any."),
                   byte(minutes, "MINUTES"), byte(minutes_alarm, "MINUTES_ALARM", "From 0xc0: any."),
                   byte(hours, "HOURS", "Bit 7: afternoon, in 12-hour mode."),
                   byte(hours_alarm, "HOURS_ALARM", "From 0xc0: any."),
                   byte(day_of_week, "DAY_OF_WEEK", "1 is Sunday."), byte(day_of_month, "DAY_OF_MONTH"),
                   byte(month, "MONTH"), byte(year, "YEAR", "In the century."),
                   byte(register_a, "REGISTER_A")
                       .fields(bits("RS", 0, 4, "Rate of the periodic interrupt."),
                               bits("DV", 4, 3).value(2, "runs").value(6, "held").value(7, "held"),
                               bit("UIP", 7, "An update is near.").read_only())
                       .resets_to(at_power_on_a),
                   byte(register_b, "REGISTER_B")
                       .fields(bit("DSE", 0), bit("H24", 1).values("12 hours", "24 hours"),
                               bit("DM", 2).values("BCD", "binary"), bit("SQWE", 3), bit("UIE", 4),
                               bit("AIE", 5), bit("PIE", 6), bit("SET", 7, "Updates stop."))
                       .resets_to(hours_24),
                   byte(register_c, "REGISTER_C")
                       .read_to_clear()
                       .fields(bit("UF", 4), bit("AF", 5), bit("PF", 6), bit("IRQF", 7)),
                   byte(register_d, "REGISTER_D")
                       .fields(bit("VRT", 7, "Memory and time are valid."))
                       .constant(valid_ram_and_time),
                   word(base_memory, "BASE_MEMORY", "KiB below 640 KiB."),
                   word(extended_memory, "EXTENDED_MEMORY", "KiB above 1 MiB."),
                   word(checksum, "CHECKSUM", "Of 0x10 to 0x2d, the high byte first."),
                   word(extended_memory_found, "EXTENDED_MEMORY_FOUND", "KiB above 1 MiB."),
                   byte(century, "CENTURY"),
                   word(memory_above_16mb, "MEMORY_ABOVE_16MB", "64 KiB above 16 MiB."))
            .length(memory_size);
    }

  public:
    static constexpr plugbay::Type type{.name = "cmos-rtc",
                                        .help = "The PC's real-time clock and its CMOS memory."};
    enum class TimeBase : std::uint8_t { utc, local };
    struct Options {
        TimeBase time = TimeBase::utc;
        static constexpr auto properties() {
            return plugbay::properties(
                plugbay::property("time", &Options::time, "what the clock shows at power-on")
                    .choices("utc", "local"));
        }
    };

    CmosRtc(plugbay::Host host, const Options& options);

    // The index cannot be read.
    static constexpr auto registers() {
        return std::tuple(
            plugbay::registers(
                plugbay::reg<std::uint8_t>(0, "INDEX", "Which byte of the memory DATA is.")
                    .fields(plugbay::bits("ADDRESS", 0, 7),
                            plugbay::bit("NMI_OFF", 7, "No source of NMIs is here."))
                    .write(&CmosRtc::write_index),
                plugbay::reg<std::uint8_t>(1, "DATA").read(&CmosRtc::read_data).write(&CmosRtc::write_data))
                .reads_elsewhere(0xff)
                .name("ports"),
            memory_map().name("memory").indirect());
    }
    void on_timer(std::uint64_t) { refresh(); }
    void start() { refresh(); }
    void resume() { refresh(); }
    void reset();

    void state(auto& fields) {
        fields("index", index_);
        fields("memory", memory_);
        fields("offset_seconds", offset_seconds_, -longest_offset, longest_offset);
        fields("offset_nanoseconds", offset_nanoseconds_, std::uint64_t{0}, second - 1);
        fields("day_of_week_shift", day_of_week_shift_, std::uint8_t{0}, std::uint8_t{6});
        fields("stopped", stopped_);
        fields("seen_second", seen_second_, -2 * longest_offset, 2 * longest_offset);
        fields("seen_period", seen_period_);
    }
    void loaded();

  private:
    // Ten thousand years, for any calendar that a host may have.
    static constexpr std::int64_t longest_offset = std::int64_t{1} << 39;

    struct Moment {
        std::int64_t second;
        std::uint64_t nanosecond;
    };

    void fill_memory_sizes();
    void write_index(std::uint8_t value);
    std::uint8_t read_data();
    void write_data(std::uint8_t value);
    void write_register_a(std::uint8_t value);
    void write_register_b(std::uint8_t value);
    std::uint8_t read_register_c();

    [[nodiscard]] bool mode(std::uint8_t bit) const { return (memory_[register_b] & bit) != 0; }
    [[nodiscard]] bool divider_held() const { return (memory_[register_a] & divider_reset) == divider_reset; }
    [[nodiscard]] std::uint64_t guest_time() const { return host_.now(); }
    [[nodiscard]] Moment now() const;
    [[nodiscard]] std::uint64_t period() const;

    [[nodiscard]] std::uint8_t encode(std::uint64_t number) const;
    [[nodiscard]] std::uint8_t encode_hour(unsigned hour) const;
    [[nodiscard]] unsigned decode(std::uint8_t value) const;
    [[nodiscard]] unsigned decode_hour(std::uint8_t value) const;
    [[nodiscard]] AlarmField alarm_field(std::uint8_t index) const;
    [[nodiscard]] Alarm alarm() const;
    void store_time(std::int64_t time);
    [[nodiscard]] CalendarTime stored_time() const;
    void set_time(const CalendarTime& time, std::uint64_t nanosecond);
    void stop_or_run(bool was_divider_held);

    void collect_events();
    void update();
    void refresh();

    plugbay::Host host_;
    plugbay::Region region_;
    plugbay::InterruptLine line_;
    plugbay::Timer timer_;
    bool armed_ = false;

    std::uint8_t index_ = 0;
    std::array<std::uint8_t, memory_size> memory_{}; // time registers count only while stopped_
    std::int64_t offset_seconds_ = 0;                // what is added to the host's calendar
    std::uint64_t offset_nanoseconds_ = 0;
    std::uint8_t day_of_week_shift_ = 0;
    bool stopped_ = false;          // by SET or by the divider's reset
    std::int64_t seen_second_ = 0;  // up to here alarms and updates are in register C
    std::uint64_t seen_period_ = 0; // the same for the periodic flag
};

// --- the chip's pins --------------------------------------------------------------------------------------

CmosRtc::CmosRtc(plugbay::Host host, const Options& options)
    : host_(host), region_(host.map_ports(index_port, 2)), line_(host.interrupt_line(interrupt_line)),
      timer_(host.timer()) {
    if (options.time == TimeBase::local) {
        const auto utc = static_cast<std::time_t>(now().second);
        std::tm local{};
        if (localtime_r(&utc, &local) != nullptr) offset_seconds_ = local.tm_gmtoff;
    }
    memory_[register_a] = at_power_on_a;
    memory_[register_b] = hours_24;
    fill_memory_sizes();
    seen_second_ = now().second;

    plugbay_acpi_legacy_device acpi{};
    acpi.size = sizeof acpi;
    acpi.line = interrupt_line;
    std::copy_n("PNP0B00", sizeof acpi.hardware_id, acpi.hardware_id);
    acpi.first_port = index_port;
    acpi.port_count = 2;
    host.add_acpi_legacy_device(acpi);
}

// What a PC's firmware leaves in the memory: sizes in KiB, and in 64 KiB above 16 MiB.
void CmosRtc::fill_memory_sizes() {
    const std::uint64_t below = host_.machine_facts().memory_below_4gb;
    const auto put = [&](std::size_t index, std::uint64_t value) {
        const std::uint64_t capped = std::min<std::uint64_t>(value, 0xffff);
        memory_[index] = static_cast<std::uint8_t>(capped);
        memory_[index + 1] = static_cast<std::uint8_t>(capped >> 8);
    };
    const auto above = [&](std::uint64_t mebibytes) {
        return below > mebibytes << 20 ? below - (mebibytes << 20) : 0;
    };
    put(base_memory, std::min<std::uint64_t>(below >> 10, 640));
    put(extended_memory, above(1) >> 10);
    put(extended_memory_found, above(1) >> 10);
    put(memory_above_16mb, above(16) >> 16);
    unsigned sum = 0;
    for (std::size_t index = checksum_first; index <= checksum_last; ++index)
        sum += memory_[index];
    memory_[checksum] = static_cast<std::uint8_t>(sum >> 8);
    memory_[checksum + 1] = static_cast<std::uint8_t>(sum);
}

// "RESET pin". The battery keeps time and memory.
void CmosRtc::reset() {
    index_ = 0;
    memory_[register_b] &= static_cast<std::uint8_t>(~(events | square_wave));
    memory_[register_c] = 0;
    refresh();
}

void CmosRtc::loaded() {
    index_ &= memory_size - 1;
    memory_[register_a] &= static_cast<std::uint8_t>(~update_in_progress);
    memory_[register_c] &= events;
    stopped_ = mode(set) || divider_held();
    update(); // what has happened since it was saved comes when it goes on: what was loaded is what is saved
}

// --- registers --------------------------------------------------------------------------------------------

// Bit 7 of the index masks NMIs on a PC; there is no source of them here.
void CmosRtc::write_index(std::uint8_t value) {
    index_ = value & (memory_size - 1);
}

std::uint8_t CmosRtc::read_data() {
    if (is_time(index_)) {
        if (!stopped_) store_time(now().second);
        return memory_[index_];
    }
    switch (index_) {
    case register_a: {
        const bool updating = !stopped_ && now().nanosecond >= second - update_warning;
        return memory_[register_a] | (updating ? update_in_progress : 0);
    }
    case register_c:
        return read_register_c();
    case register_d:
        return valid_ram_and_time;
    default:
        return memory_[index_];
    }
}

void CmosRtc::write_data(std::uint8_t value) {
    if (is_time(index_)) {
        if (stopped_) {
            memory_[index_] = value;
            return;
        }
        collect_events();
        const Moment moment = now();
        store_time(moment.second);
        memory_[index_] = value;
        set_time(stored_time(), moment.nanosecond);
        refresh();
        return;
    }
    switch (index_) {
    case seconds_alarm:
    case minutes_alarm:
    case hours_alarm:
        collect_events();
        memory_[index_] = value;
        refresh();
        return;
    case register_a:
        write_register_a(value);
        return;
    case register_b:
        write_register_b(value);
        return;
    case register_c:
    case register_d:
        return;
    default:
        memory_[index_] = value;
        return;
    }
}

void CmosRtc::write_register_a(std::uint8_t value) {
    collect_events();
    const bool was_held = divider_held();
    memory_[register_a] = value & static_cast<std::uint8_t>(~update_in_progress);
    seen_period_ = period() == 0 ? 0 : guest_time() / period();
    stop_or_run(was_held);
    refresh();
}

// "Register B": SET clears the update-ended interrupt's enable.
void CmosRtc::write_register_b(std::uint8_t value) {
    collect_events();
    if ((value & set) != 0) value &= static_cast<std::uint8_t>(~update_ended);
    memory_[register_b] = value;
    stop_or_run(divider_held());
    refresh();
}

std::uint8_t CmosRtc::read_register_c() {
    collect_events();
    std::uint8_t flags = memory_[register_c];
    if ((flags & memory_[register_b] & events) != 0) flags |= interrupt_request;
    memory_[register_c] = 0;
    refresh();
    return flags;
}

// --- time -------------------------------------------------------------------------------------------------

CmosRtc::Moment CmosRtc::now() const {
    const std::uint64_t calendar = host_.now(PLUGBAY_CLOCK_CALENDAR);
    const std::uint64_t nanosecond = calendar % second + offset_nanoseconds_;
    return {static_cast<std::int64_t>(calendar / second) + offset_seconds_ +
                static_cast<std::int64_t>(nanosecond / second),
            nanosecond % second};
}

// Stopping leaves the time in the registers. Running goes on from them: at the old place within the second
// after SET, and half a second before the next update after the divider's reset ("Divider control").
void CmosRtc::stop_or_run(bool was_divider_held) {
    const bool stop = mode(set) || divider_held();
    if (stop && !stopped_) store_time(now().second);
    if (!stop && stopped_) set_time(stored_time(), was_divider_held ? second / 2 : now().nanosecond);
    stopped_ = stop;
}

void CmosRtc::set_time(const CalendarTime& time, std::uint64_t nanosecond) {
    const std::uint64_t calendar = host_.now(PLUGBAY_CLOCK_CALENDAR);
    const std::int64_t wanted = to_seconds(time);
    offset_nanoseconds_ = (nanosecond + second - calendar % second) % second;
    const std::uint64_t carried = (calendar % second + offset_nanoseconds_) / second;
    offset_seconds_ = std::clamp(wanted - static_cast<std::int64_t>(calendar / second + carried),
                                 -longest_offset, longest_offset);
    seen_second_ = wanted;
    const unsigned natural = to_calendar(wanted).day_of_week;
    day_of_week_shift_ = static_cast<std::uint8_t>((time.day_of_week + 7 - natural) % 7);
}

std::uint8_t CmosRtc::encode(std::uint64_t number) const {
    return static_cast<std::uint8_t>(mode(binary) ? number : number / 10 * 16 + number % 10);
}
unsigned CmosRtc::decode(std::uint8_t value) const {
    return mode(binary) ? value : (value >> 4) * 10u + (value & 0x0fu);
}
std::uint8_t CmosRtc::encode_hour(unsigned hour) const {
    if (mode(hours_24)) return encode(hour);
    return encode(hour % 12 == 0 ? 12 : hour % 12) | (hour >= 12 ? afternoon : 0);
}
unsigned CmosRtc::decode_hour(std::uint8_t value) const {
    if (mode(hours_24)) return decode(value);
    const unsigned hour = decode(value & static_cast<std::uint8_t>(~afternoon));
    return hour % 12 + ((value & afternoon) != 0 ? 12 : 0);
}

void CmosRtc::store_time(std::int64_t time) {
    const CalendarTime calendar = to_calendar(time);
    memory_[seconds] = encode(calendar.second);
    memory_[minutes] = encode(calendar.minute);
    memory_[hours] = encode_hour(calendar.hour);
    memory_[day_of_week] = encode((calendar.day_of_week + day_of_week_shift_) % 7 + 1);
    memory_[day_of_month] = encode(calendar.day);
    memory_[month] = encode(calendar.month);
    memory_[year] = encode(static_cast<std::uint64_t>(calendar.year) % 100);
    memory_[century] = encode(static_cast<std::uint64_t>(calendar.year) / 100 % 100);
}

// The chip would count on from nonsense; here each value is moved to the nearest that makes sense.
CalendarTime CmosRtc::stored_time() const {
    CalendarTime time{};
    time.year = std::min(decode(memory_[century]), 99u) * 100 + std::min(decode(memory_[year]), 99u);
    time.month = std::clamp(decode(memory_[month]), 1u, 12u);
    time.day = std::clamp(decode(memory_[day_of_month]), 1u, 31u);
    time.day_of_week = (decode(memory_[day_of_week]) + 6) % 7;
    time.hour = std::min(decode_hour(memory_[hours]), 23u);
    time.minute = std::min(decode(memory_[minutes]), 59u);
    time.second = std::min(decode(memory_[seconds]), 59u);
    return time;
}

// --- interrupts -------------------------------------------------------------------------------------------

// Nanoseconds, 0: none ("Periodic interrupt selection"; rates 1 and 2 are those of 8 and 9).
std::uint64_t CmosRtc::period() const {
    unsigned selected = memory_[register_a] & rate;
    if (selected == 0 || divider_held()) return 0;
    if (selected <= 2) selected += 7;
    return (second << (selected - 1)) / 32768;
}

AlarmField CmosRtc::alarm_field(std::uint8_t index) const {
    const std::uint8_t value = memory_[index];
    if ((value & any_value) == any_value) return {AlarmField::Kind::any, 0};
    const unsigned number = index == hours_alarm ? decode_hour(value) : decode(value);
    const unsigned limit = index == hours_alarm ? 24 : 60;
    return {number < limit ? AlarmField::Kind::exactly : AlarmField::Kind::never, number};
}

Alarm CmosRtc::alarm() const {
    return {alarm_field(hours_alarm), alarm_field(minutes_alarm), alarm_field(seconds_alarm)};
}

// Brings register C up to the present.
void CmosRtc::collect_events() {
    if (const std::uint64_t length = period(); length != 0) {
        const std::uint64_t present = guest_time() / length;
        if (present > seen_period_) memory_[register_c] |= periodic;
        seen_period_ = present;
    }
    if (stopped_) return;
    const std::int64_t present = now().second;
    if (present > seen_second_) {
        memory_[register_c] |= update_ended;
        const std::int64_t alarm_second = next_alarm(alarm(), seen_second_);
        if (alarm_second != -1 && alarm_second <= present) memory_[register_c] |= alarm_event;
    }
    seen_second_ = present; // also when the host's calendar was set back
}

// Drives the line and arms the timer for the next event whose interrupt is enabled. While the line is raised nothing can
// change it but a read of register C.
void CmosRtc::update() {
    const std::uint8_t enabled = memory_[register_b] & events;
    const bool raised = (memory_[register_c] & enabled) != 0;
    line_.set(raised);

    std::uint64_t wait = ~std::uint64_t{0};
    const std::uint64_t present = guest_time();
    if ((enabled & periodic) != 0 && period() != 0) wait = period() - present % period();
    if (!stopped_) {
        const Moment moment = now();
        const auto until = [&](std::int64_t at) {
            return static_cast<std::uint64_t>(at - moment.second) * second - moment.nanosecond;
        };
        if ((enabled & update_ended) != 0) wait = std::min(wait, until(moment.second + 1));
        if ((enabled & alarm_event) != 0) {
            const std::int64_t at = next_alarm(alarm(), moment.second);
            if (at != -1) wait = std::min(wait, until(at));
        }
    }
    if (!raised && wait != ~std::uint64_t{0}) {
        timer_.arm(present + wait);
        armed_ = true;
    } else if (armed_) {
        timer_.disarm();
        armed_ = false;
    }
}

void CmosRtc::refresh() {
    collect_events();
    update();
}

PLUGBAY_PLUGIN("cmos-rtc", "1.0.0", CmosRtc)
