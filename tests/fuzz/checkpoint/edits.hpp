// Fuzzing what has checksums: the input is a list of edits of something valid, after which the checksums may be made right
// again. So the fuzzer gets behind them, and every input is near to what a writer writes.
#pragma once

#include "core/checkpoint/checkpoint_writer.hpp"

#include <fmt/format.h>

#include <cstdlib>
#include <cstring>
#include <span>
#include <string>
#include <vector>

namespace plugbay::core::fuzz {

using Bytes = std::vector<std::byte>;

// Takes the input from its beginning. At its end everything is zero.
class Input {
  public:
    Input(const std::uint8_t* data, std::size_t size) : rest_(std::as_bytes(std::span(data, size))) {}
    [[nodiscard]] bool empty() const { return rest_.empty(); }
    std::uint32_t number(std::size_t bytes) {
        std::uint32_t value = 0;
        for (const std::byte byte : take(bytes))
            value = value << 8 | std::to_integer<std::uint32_t>(byte);
        return value;
    }
    std::span<const std::byte> take(std::size_t size) {
        const auto taken = rest_.first(std::min(size, rest_.size()));
        rest_ = rest_.subspan(taken.size());
        return taken;
    }

  private:
    std::span<const std::byte> rest_;
};

// Some bytes of `target` are replaced by others of the input.
inline void edit(Bytes& target, Input& input) {
    const std::size_t at = std::min<std::size_t>(input.number(2), target.size());
    const std::size_t removed = std::min<std::size_t>(input.number(1), target.size() - at);
    const auto put = input.take(input.number(1) % 32);
    const auto place = target.begin() + static_cast<std::ptrdiff_t>(at);
    target.erase(place, place + static_cast<std::ptrdiff_t>(removed));
    target.insert(target.begin() + static_cast<std::ptrdiff_t>(at), put.begin(), put.end());
}

inline void require(bool holds) {
    if (!holds) std::abort();
}

inline StateImage make_image(const std::string& type) {
    StateBuilder builder(type, 3);
    const std::uint64_t number = 7;
    const std::uint16_t numbers[] = {1, 2, 3};
    const bool flag = true;
    builder.put("number", PLUGBAY_FIELD_U64, &number, 1, 0);
    builder.put("numbers", PLUGBAY_FIELD_U16, numbers, 3, PLUGBAY_FIELD_OPTIONAL);
    builder.put("flag", PLUGBAY_FIELD_BOOLEAN, &flag, 1, 0);
    builder.put("text", PLUGBAY_FIELD_TEXT, "abc", 3, 0);
    std::string error;
    return builder.finish(error).value();
}

// The first part of a manifest, with its states put into the sink.
inline Manifest make_manifest(CheckpointSink* sink) {
    Manifest manifest;
    manifest.machine = {{"name", "m"}, {"list", {1, -2, 0.5, nullptr}}};
    manifest.vcpus = 2;
    manifest.host = {{"vendor", "x"}, {"number", std::uint64_t{5}}};
    manifest.devices = {
        {.id = "a", .type = "device-a", .plugin = "p", .plugin_version = "1", .build_id = "b"},
        {.id = "b", .type = "device-b", .plugin = "p", .plugin_version = "1", .build_id = "b"}};
    manifest.host_files = {{"/x", 1, 2, "crc32c:00000000"}};
    if (sink != nullptr) {
        manifest.states.push_back({"vcpu0", *sink->add_state(make_image("kvm-vcpu"))});
        manifest.devices[0].state = *sink->add_state(make_image("device-a"));
    }
    return manifest;
}

// Makes the checksums of the images in `states` right, as far as they are where their lengths say, and those in `manifest`,
// which has the checksums of `before`.
inline void repair_images(std::span<std::byte> states, std::span<const std::uint32_t> before,
                          std::string& manifest) {
    for (const std::uint32_t was : before) {
        std::uint64_t length = 0;
        if (states.size() < 40) return;
        std::memcpy(&length, &states[16], sizeof length);
        if (length < 40 || length > states.size()) return;
        const std::uint32_t checksum = crc32c(states.first(length - 4));
        std::memcpy(&states[length - 4], &checksum, sizeof checksum);
        states = states.subspan(length);
        const auto at = manifest.find(fmt::format("{:08x}", was));
        if (at != std::string::npos) manifest.replace(at, 8, fmt::format("{:08x}", checksum));
    }
}

// Of the images that make_manifest() puts.
inline std::vector<std::uint32_t> image_checksums() {
    return {checksum_in(make_image("kvm-vcpu")), checksum_in(make_image("device-a"))};
}

} // namespace plugbay::core::fuzz
