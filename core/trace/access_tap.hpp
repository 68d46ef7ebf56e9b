// One reader's view of what a device is entered for: the ring that its records go through, and what the builds that they are
// of call their places. docs/hot-swap.md and docs/debugging.md tell what taps are for.
#pragma once

#include "core/trace/access_names.hpp"
#include "core/trace/access_record.hpp"
#include "core/trace/access_ring.hpp"

#include <cstddef>
#include <cstdint>
#include <map>
#include <memory>
#include <mutex>
#include <optional>
#include <string>

namespace plugbay::core {

class AccessTap {
  public:
    // How many records may wait to be read.
    explicit AccessTap(std::size_t capacity) : ring_(capacity) {}

    // Any thread; never waits, and allocates nothing.
    void note(const AccessRecord& record) { ring_.write(record); }
    [[nodiscard]] const AccessRing& ring() const { return ring_; }

    // [control] The device has this build from now on.
    void build_is(std::uint16_t build, std::shared_ptr<const AccessNames> names);
    // [control] Nothing more comes.
    void end(std::string why);

    // --- the reader
    [[nodiscard]] bool read(AccessRecord& record) { return ring_.read(record); }
    // Of the record's build. Earlier ones are forgotten: records come in the order of the builds.
    [[nodiscard]] std::shared_ptr<const AccessNames> names(std::uint16_t build);
    // The device's newest.
    [[nodiscard]] std::uint16_t build() const;
    // Why nothing more comes, once that is so. What was noted before is still to be read.
    [[nodiscard]] std::optional<std::string> ended() const;

  private:
    AccessRing ring_;
    mutable std::mutex mutex_; // for what follows; nothing is taken under it
    std::map<std::uint16_t, std::shared_ptr<const AccessNames>> names_;
    std::uint16_t build_ = 0;
    std::optional<std::string> ended_;
};

} // namespace plugbay::core
