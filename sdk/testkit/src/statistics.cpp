// Numbers that devices tell of themselves.
#include "machine.hpp"

#include <algorithm>
#include <cstring>

namespace plugbay::testkit::detail {
namespace {

struct Collector {
    std::vector<Statistic> numbers;
    std::string complaint; // about the first that is wrong
};

plugbay_status refuse(Collector& collector, plugbay_status status, const std::string& why) {
    if (collector.complaint.empty()) collector.complaint = why;
    return status;
}

plugbay_status put(const plugbay_statistics_writer* writer, const char* name, std::uint32_t kind,
                   std::uint64_t value) {
    auto& collector = *static_cast<Collector*>(writer->context);
    if (name == nullptr) return refuse(collector, PLUGBAY_INVALID, "a number without a name");
    const std::string text(name, strnlen(name, PLUGBAY_STATISTICS_LONGEST_NAME + 1));
    const auto is_control = [](unsigned char byte) { return byte < 0x20 || byte == 0x7f; };
    if (text.empty() || text.size() > PLUGBAY_STATISTICS_LONGEST_NAME ||
        std::any_of(text.begin(), text.end(), is_control))
        return refuse(collector, PLUGBAY_INVALID, "a name that is empty, too long or not printable");
    if (kind != PLUGBAY_STATISTIC_COUNT && kind != PLUGBAY_STATISTIC_LEVEL)
        return refuse(collector, PLUGBAY_INVALID, "\"" + text + "\" has an unknown kind");
    if (collector.numbers.size() == PLUGBAY_STATISTICS_MOST)
        return refuse(collector, PLUGBAY_NO_MEMORY, "more numbers than a device may have");
    for (const Statistic& other : collector.numbers) {
        if (other.name == text) return refuse(collector, PLUGBAY_TAKEN, "two numbers \"" + text + "\"");
    }
    collector.numbers.push_back({text, kind, value});
    return PLUGBAY_OK;
}

} // namespace

std::vector<Statistic> Machine::read_statistics(DeviceRecord& device) {
    if (device.statistics == nullptr) return {};
    Collector collector;
    const plugbay_statistics_writer writer{sizeof(plugbay_statistics_writer), 0, &collector, &put};
    {
        Callback callback(*this, device, "statistics read");
        device.statistics->read(device.instance, &writer);
    }
    if (!collector.complaint.empty()) violation(&device, "its statistics: " + collector.complaint);
    return std::move(collector.numbers);
}

} // namespace plugbay::testkit::detail
