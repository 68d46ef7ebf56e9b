#include "core/kvm/msr_filter.hpp"

#include <algorithm>
#include <string>

namespace plugbay::core {

namespace {

// The MSRs of one window, a bit each: 0 where the access leaves the guest.
std::vector<std::uint8_t> bitmap(std::span<const MsrInterception> sorted, std::uint64_t first,
                                 std::uint64_t end, bool MsrInterception::*direction) {
    std::vector<std::uint8_t> bits((end - first + 63) / 64 * 8, 0xff);
    for (const MsrInterception& each : sorted) {
        if (!(each.*direction)) continue;
        const std::uint64_t last = std::min(end, std::uint64_t{each.first} + each.count);
        for (std::uint64_t index = std::max<std::uint64_t>(first, each.first); index < last; ++index) {
            bits[(index - first) / 8] &= static_cast<std::uint8_t>(~(1U << (index - first) % 8));
        }
    }
    return bits;
}

bool lets_all_through(const std::vector<std::uint8_t>& bits) {
    return std::all_of(bits.begin(), bits.end(), [](std::uint8_t byte) { return byte == 0xff; });
}

Error too_many() {
    return Error{"the MSR hooks of all devices lie in more than " + std::to_string(most_msr_filter_ranges) +
                     " ranges of " + std::to_string(most_msrs_in_filter_range) + " MSRs, KVM's limit",
                 "hook fewer MSRs, or such as lie nearer to each other"};
}

} // namespace

Result<std::vector<MsrFilterRange>> compute_msr_filter(std::span<const MsrInterception> interceptions) {
    std::vector<MsrInterception> sorted;
    std::copy_if(interceptions.begin(), interceptions.end(), std::back_inserter(sorted),
                 [](const MsrInterception& each) { return each.count != 0 && (each.read || each.write); });
    std::sort(sorted.begin(), sorted.end(), [](const auto& a, const auto& b) { return a.first < b.first; });

    // Windows from left to right, each as long as KVM allows; gaps inside are let through.
    std::vector<MsrFilterRange> ranges;
    std::uint64_t done = 0; // MSRs below this have their range
    for (std::size_t i = 0; i < sorted.size();) {
        const std::uint64_t first = std::max<std::uint64_t>(done, sorted[i].first);
        const std::uint64_t limit = first + most_msrs_in_filter_range;
        std::uint64_t end = first;
        while (i < sorted.size() && sorted[i].first < limit) {
            end = std::min(limit, std::uint64_t{sorted[i].first} + sorted[i].count);
            if (end == limit && std::uint64_t{sorted[i].first} + sorted[i].count > limit) break;
            ++i;
        }
        done = end;
        auto read = bitmap(sorted, first, end, &MsrInterception::read);
        auto write = bitmap(sorted, first, end, &MsrInterception::write);
        const auto add = [&](bool reads, bool writes, std::vector<std::uint8_t> allowed) {
            ranges.push_back({.first = static_cast<std::uint32_t>(first),
                              .count = static_cast<std::uint32_t>(end - first),
                              .read = reads,
                              .write = writes,
                              .allowed = std::move(allowed)});
        };
        if (read == write) {
            add(true, true, std::move(read));
        } else {
            if (!lets_all_through(read)) add(true, false, std::move(read));
            if (!lets_all_through(write)) add(false, true, std::move(write));
        }
        if (ranges.size() > most_msr_filter_ranges) return too_many();
    }
    return ranges;
}

} // namespace plugbay::core
