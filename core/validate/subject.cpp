#include "core/validate/subject.hpp"

#include <plugbay/testkit/plugin_file.hpp>

#include <algorithm>
#include <span>
#include <string_view>

namespace plugbay::core::validation {

namespace {

std::string hexadecimal(std::span<const std::byte> bytes) {
    constexpr std::size_t most = 64;
    std::string text;
    for (const std::byte byte : bytes.first(std::min(bytes.size(), most))) {
        constexpr std::string_view digits = "0123456789abcdef";
        text += digits[std::to_integer<unsigned>(byte) >> 4];
        text += digits[std::to_integer<unsigned>(byte) & 15];
    }
    return text;
}

bool same(std::span<const std::byte> one, std::span<const std::byte> other) {
    return std::ranges::equal(one, other);
}

} // namespace

Subject subject_of(const Trial& trial) {
    return {trial.file, trial.type, trial.properties, trial.peers};
}

ExerciserOptions seeded(std::uint32_t seed) {
    ExerciserOptions options;
    options.seed = seed;
    return options;
}

Made::Made(const Trial& trial, const ExerciserOptions& options) : exerciser_(subject_of(trial), options) {
    if (!exerciser_.created) throw CheckSkipped("it cannot be made; see PB-PROP-001");
    if (options.peers != Peers::none && !exerciser_.complete())
        throw PeerLacking(
            "a port that needs a peer has none: there is no fake that speaks its interface; give a device "
            "that does with --peer");
}

bool has_state(const Trial& trial) {
    const testkit::PluginFile plugin(trial.file);
    const plugbay_device_type* const type = plugin.find(trial.type);
    return type != nullptr && type->state_version != 0;
}

void need_state(const Trial& trial) {
    if (!has_state(trial)) throw CheckSkipped("it has no state");
}

std::string reset_difference(const StateImage& created, const StateImage& connected, const StateImage& reset,
                             const std::set<std::string, std::less<>>& kept) {
    std::string text;
    for (const StateField& field : connected.fields()) {
        if (kept.contains(field.name)) continue;
        const StateField* const after = reset.find(field.name);
        const StateField* const first = created.find(field.name);
        const auto before = connected.elements(field);
        if (after != nullptr &&
            (same(reset.elements(*after), before) ||
             (first != nullptr && same(reset.elements(*after), created.elements(*first)))))
            continue;
        text += (text.empty() ? "" : "; ") + field.name + " is " + hexadecimal(before) + " when fresh and " +
                (after == nullptr ? "not there" : hexadecimal(reset.elements(*after))) + " after a reset";
    }
    if (text.empty() && connected.fields().size() != reset.fields().size()) text = "other fields are there";
    return text;
}

std::string difference(const StateImage& before, const StateImage& after) {
    if (before == after) return {};
    std::string text;
    for (const StateField& field : before.fields()) {
        const StateField* const other = after.find(field.name);
        if (other != nullptr && same(before.elements(field), after.elements(*other))) continue;
        text += (text.empty() ? "" : "; ") + field.name + " was " + hexadecimal(before.elements(field)) +
                " and is " + (other == nullptr ? "not there" : hexadecimal(after.elements(*other)));
    }
    return text.empty() ? "other fields are there" : text;
}

} // namespace plugbay::core::validation
