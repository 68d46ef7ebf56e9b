// The states of a checkpoint, decoded: whatever is here agrees with the manifest.
#pragma once

#include "core/checkpoint/manifest.hpp"

#include <plugbay/state_image.hpp>

#include <functional>
#include <optional>
#include <string>
#include <string_view>
#include <vector>

namespace plugbay::core {

class SavedStates {
  public:
    // `read` gives that many bytes of the states from that offset on, and is asked for all of them in order; for the bytes of a
    // large one twice. `shown` names the states' file in errors. All are in memory at once, largest_states at most.
    using Read = std::function<Result<void>(std::span<std::byte> bytes, std::uint64_t offset)>;
    [[nodiscard]] static Result<SavedStates> read(const Manifest& manifest, const Read& read,
                                                  const std::string& shown);

    // nullptr: none.
    [[nodiscard]] const StateImage* named(std::string_view name) const { return find(named_, name); }
    [[nodiscard]] const StateImage* device(std::string_view id) const { return find(devices_, id); }
    [[nodiscard]] const StateImage* resource(std::string_view device, std::string_view name) const;

  private:
    struct Entry {
        std::string name;
        StateImage image;
        std::string device = {}; // of a resource
    };
    static const StateImage* find(const std::vector<Entry>& entries, std::string_view name);

    std::vector<Entry> named_;
    std::vector<Entry> devices_;
    std::vector<Entry> resources_;
};

} // namespace plugbay::core
