#include "core/cli/top_view.hpp"

#include "core/cli/ps_command.hpp"
#include "core/cli/terminal_text.hpp"
#include "core/config/number_text.hpp"

#include <cmath>
#include <fmt/format.h>

#include <algorithm>
#include <array>
#include <cctype>
#include <string_view>

namespace plugbay::core {

using nlohmann::json;

namespace {

const json nothing_there;

const json& member(const json& object, std::string_view name) {
    if (!object.is_object()) return nothing_there;
    const auto found = object.find(name);
    return found != object.end() ? *found : nothing_there;
}

double number(const json& object, std::string_view name) {
    const json& value = member(object, name);
    return value.is_number() ? value.get<double>() : 0;
}

std::string text(const json& object, std::string_view name) {
    const json& value = member(object, name);
    return value.is_string() ? printable(value.get_ref<const std::string&>()) : "?";
}

// The element of `list` whose `key` is what that of `wanted` is.
const json& same_in(const json& list, const json& wanted, std::string_view key) {
    for (const json& each : list) {
        if (member(each, key) == member(wanted, key)) return each;
    }
    return nothing_there;
}

// In four or five places.
std::string short_number(double value) {
    if (value < 0) return "-";
    if (value < 10)
        return value == std::floor(value) ? fmt::format("{:.0f}", value) : fmt::format("{:.1f}", value);
    if (value < 10'000) return fmt::format("{:.0f}", value);
    if (value < 1e6) return fmt::format("{:.0f}k", value / 1e3);
    if (value < 1e9) return fmt::format("{:.1f}M", value / 1e6);
    return fmt::format("{:.1f}G", value / 1e9);
}

std::string time_text(double nanoseconds) {
    if (nanoseconds < 1e3) return fmt::format("{:.0f} ns", nanoseconds);
    if (nanoseconds < 1e6) return fmt::format("{:.1f} us", nanoseconds / 1e3);
    if (nanoseconds < 1e9) return fmt::format("{:.1f} ms", nanoseconds / 1e6);
    return fmt::format("{:.1f} s", nanoseconds / 1e9);
}

std::string heading(std::string name) {
    std::ranges::transform(name, name.begin(), [](unsigned char byte) {
        return byte == '_' ? '-' : static_cast<char>(std::toupper(byte));
    });
    return name;
}

class Picture {
  public:
    Picture(const TopSample& before, const TopSample& now) : before_(before), now_(now) {
        seconds_ = (number(now.stats, "host_nanoseconds") - number(before.stats, "host_nanoseconds")) / 1e9;
        // Without a sample before, the time that the guest has run.
        if (before.stats.is_null()) seconds_ = number(now.stats, "guest_nanoseconds") / 1e9;
    }

    std::vector<std::string> draw() {
        draw_machine();
        draw_vcpus();
        draw_devices();
        draw_numbers();
        return std::move(lines_);
    }

  private:
    using Row = std::vector<std::string>;

    // Growth a second of a count.
    [[nodiscard]] double rate(const json& was, const json& is, std::string_view name) const {
        return seconds_ > 0 ? std::max(0.0, number(is, name) - number(was, name)) / seconds_ : 0;
    }

    // The first column to the left, the others to the right.
    void add_table(const std::vector<Row>& rows) {
        std::vector<std::size_t> widths;
        for (const Row& row : rows) {
            widths.resize(std::max(widths.size(), row.size()));
            for (std::size_t column = 0; column < row.size(); ++column)
                widths[column] = std::max(widths[column], columns_of(row[column]));
        }
        lines_.emplace_back();
        for (const Row& row : rows) {
            std::string line = fitted(row[0], widths[0]);
            for (std::size_t column = 1; column < row.size(); ++column)
                line += std::string(2 + widths[column] - columns_of(row[column]), ' ') + row[column];
            lines_.push_back(std::move(line));
        }
    }

    void draw_machine() {
        const json& status = now_.status;
        lines_.push_back(fmt::format(
            "{}  {}  up {}  {} vCPUs  {}  {} devices  pid {}", text(status, "name"), text(status, "state"),
            duration_text(number(status, "guest_seconds")), number(status, "cpus"),
            size_text(static_cast<std::uint64_t>(std::clamp(number(status, "memory"), 0.0, 1e18))),
            number(status, "devices"), number(status, "pid")));
        const json& pauses = member(now_.stats, "pauses");
        if (number(pauses, "count") == 0) return lines_.emplace_back("pauses: none"), void();
        lines_.push_back(fmt::format(
            "pauses: {}  last {}  longest {}  together {}", short_number(number(pauses, "count")),
            time_text(number(pauses, "last_nanoseconds")), time_text(number(pauses, "longest_nanoseconds")),
            time_text(number(pauses, "total_nanoseconds"))));
    }

    // A column for each kind of exit that there has been.
    void draw_vcpus() {
        const json& vcpus = member(now_.stats, "vcpus");
        std::vector<std::string> kinds;
        for (const json& vcpu : vcpus) {
            const json& exits = member(vcpu, "exits");
            if (!exits.is_object()) continue;
            for (const auto& [kind, count] : exits.items()) {
                if (number(exits, kind) > 0 && std::ranges::find(kinds, kind) == kinds.end())
                    kinds.push_back(kind);
            }
        }
        std::vector<Row> rows{{"VCPU", "EXITS/S"}};
        for (const std::string& kind : kinds)
            rows[0].push_back(heading(printable(kind)));
        for (const json& vcpu : vcpus) {
            const json& exits = member(vcpu, "exits");
            const json& were = member(same_in(member(before_.stats, "vcpus"), vcpu, "index"), "exits");
            double all = 0;
            Row row{fmt::format("{}", number(vcpu, "index")), ""};
            for (const std::string& kind : kinds) {
                all += rate(were, exits, kind);
                row.push_back(short_number(rate(were, exits, kind)));
            }
            row[1] = short_number(all);
            rows.push_back(std::move(row));
        }
        add_table(rows);
    }

    // The busiest first.
    void draw_devices() {
        static constexpr std::array<std::string_view, 7> counts{
            "reads", "writes", "calls", "interrupts", "doorbells", "timers", "descriptors"};
        struct Line {
            double busy = 0;
            Row row;
        };
        std::vector<Line> devices;
        for (const json& device : member(now_.stats, "devices")) {
            const json& was = same_in(member(before_.stats, "devices"), device, "id");
            Line line{.row = {text(device, "id")}};
            for (const std::string_view count : counts) {
                line.busy += rate(was, device, count);
                line.row.push_back(short_number(rate(was, device, count)));
            }
            const json& pauses = member(device, "pauses");
            line.row.push_back(short_number(number(pauses, "count")));
            line.row.push_back(number(pauses, "count") > 0 ? time_text(number(pauses, "longest_nanoseconds"))
                                                           : "-");
            devices.push_back(std::move(line));
        }
        std::ranges::stable_sort(devices, std::ranges::greater(), &Line::busy);
        std::vector<Row> rows{{"DEVICE", "READS/S", "WRITES/S", "CALLS/S", "IRQS/S", "BELLS/S", "TIMERS/S",
                               "FDS/S", "PAUSES", "LONGEST"}};
        for (Line& line : devices)
            rows.push_back(std::move(line.row));
        add_table(rows);
    }

    // What devices tell of themselves: queues, bytes, requests.
    void draw_numbers() {
        std::vector<std::string> lines;
        for (const json& device : member(now_.stats, "devices")) {
            const json& numbers = member(device, "numbers");
            if (!numbers.is_object() || numbers.empty()) continue;
            const json& were = member(same_in(member(before_.stats, "devices"), device, "id"), "numbers");
            const json& levels = member(device, "levels");
            std::string line = text(device, "id") + ":";
            for (const auto& [name, value] : numbers.items()) {
                const bool level = std::ranges::find(levels, json(name)) != levels.end();
                line += level ? fmt::format("  {} {}", printable(name), short_number(number(numbers, name)))
                              : fmt::format("  {} {}/s", printable(name),
                                            short_number(rate(were, numbers, name)));
            }
            lines.push_back(std::move(line));
        }
        if (!lines.empty()) lines_.emplace_back();
        lines_.insert(lines_.end(), lines.begin(), lines.end());
    }

    const TopSample& before_;
    const TopSample& now_;
    double seconds_ = 0;
    std::vector<std::string> lines_;
};

} // namespace

std::vector<std::string> top_lines(const TopSample& before, const TopSample& now) {
    return Picture(before, now).draw();
}

} // namespace plugbay::core
