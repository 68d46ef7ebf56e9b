#include "core/device/device_numbers.hpp"

#include "core/base/utf8.hpp"
#include "core/device/device.hpp"

#include <plugbay/abi/statistics.h>

#include <algorithm>
#include <cstring>
#include <mutex>
#include <string_view>

namespace plugbay::core {

namespace {

plugbay_status put(const plugbay_statistics_writer* writer, const char* name, std::uint32_t kind,
                   std::uint64_t value) {
    auto& numbers = *static_cast<std::vector<DeviceNumber>*>(writer->context);
    if (name == nullptr || (kind != PLUGBAY_STATISTIC_COUNT && kind != PLUGBAY_STATISTIC_LEVEL))
        return PLUGBAY_INVALID;
    const std::string_view text(name, ::strnlen(name, PLUGBAY_STATISTICS_LONGEST_NAME + 1));
    if (text.empty() || text.size() > PLUGBAY_STATISTICS_LONGEST_NAME || !is_printable_utf8(text))
        return PLUGBAY_INVALID;
    if (numbers.size() == PLUGBAY_STATISTICS_MOST) return PLUGBAY_NO_MEMORY;
    if (std::ranges::find(numbers, text, &DeviceNumber::name) != numbers.end()) return PLUGBAY_TAKEN;
    numbers.push_back({std::string(text), value, kind == PLUGBAY_STATISTIC_LEVEL});
    return PLUGBAY_OK;
}

} // namespace

std::vector<DeviceNumber> read_numbers(Device& device) {
    std::vector<DeviceNumber> numbers;
    const auto* callbacks = device.callbacks<plugbay_statistics_callbacks>(PLUGBAY_STATISTICS);
    if (callbacks == nullptr) return numbers;
    const plugbay_statistics_writer writer{
        .size = sizeof writer, .reserved = 0, .context = &numbers, .put = &put};
    const std::lock_guard guard(device.lock());
    device.protect("statistics", [&] { callbacks->read(device.instance(), &writer); });
    return numbers;
}

} // namespace plugbay::core
