#include "core/base/nearest_name.hpp"

#include <algorithm>
#include <vector>

namespace plugbay::core {
namespace {

constexpr std::size_t longest_name = 80;
constexpr std::size_t shortest_beginning = 3;

char lower(char c) {
    return c >= 'A' && c <= 'Z' ? static_cast<char>(c - 'A' + 'a') : c;
}

// Optimal string alignment distance.
std::size_t edit_distance(std::string_view from, std::string_view to) {
    std::vector<std::size_t> before(to.size() + 1);
    std::vector<std::size_t> above(to.size() + 1);
    std::vector<std::size_t> row(to.size() + 1);
    for (std::size_t i = 0; i < row.size(); ++i)
        row[i] = i;
    for (std::size_t i = 1; i <= from.size(); ++i) {
        std::swap(before, above);
        std::swap(above, row);
        row[0] = i;
        for (std::size_t j = 1; j <= to.size(); ++j) {
            const bool same = lower(from[i - 1]) == lower(to[j - 1]);
            row[j] = std::min({above[j] + 1, row[j - 1] + 1, above[j - 1] + (same ? 0 : 1)});
            if (i > 1 && j > 1 && lower(from[i - 1]) == lower(to[j - 2]) &&
                lower(from[i - 2]) == lower(to[j - 1])) {
                row[j] = std::min(row[j], before[j - 2] + 1);
            }
        }
    }
    return row[to.size()];
}

} // namespace

std::string nearest_name(std::string_view name, std::span<const std::string> candidates) {
    std::string_view best;
    if (name.empty() || name.size() > longest_name) return {};
    // A third of the letters may be wrong, but never all of a short name.
    std::size_t allowed = std::max<std::size_t>(name.size() / 3, name.size() > 1 ? 1 : 0) + 1;
    for (const auto& candidate : candidates) {
        if (candidate.size() > longest_name || candidate.size() + allowed <= name.size() ||
            name.size() + allowed <= candidate.size()) {
            continue;
        }
        const auto distance = edit_distance(name, candidate);
        if (distance < allowed && distance < candidate.size()) {
            allowed = distance;
            best = candidate;
        }
    }
    if (best.empty() && name.size() >= shortest_beginning) {
        const auto begins = [name](std::string_view candidate) { return candidate.starts_with(name); };
        const auto whole = std::ranges::find_if(candidates, begins);
        if (whole != candidates.end()) best = *whole;
    }
    return std::string(best);
}

} // namespace plugbay::core
