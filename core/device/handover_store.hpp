// The descriptors that a device leaves with the host for its next build: plugbay.handover/1. One store for each device
// of a machine, shared by the builds that run it one after the other.
#pragma once

#include "core/base/left_descriptor.hpp"
#include "core/base/result.hpp"

#include <plugbay/abi/handover.h>
#include <plugbay/unique_fd.hpp>

#include <cstddef>
#include <cstdint>
#include <functional>
#include <map>
#include <memory>
#include <mutex>
#include <string>
#include <string_view>
#include <utility>
#include <vector>

namespace plugbay::core {

// Thread: any. Descriptors that it returns have FD_CLOEXEC.
class HandoverStore {
  public:
    // Says which build acts: the address of its Device.
    using Build = const void*;

    // `build` is in the device's place.
    explicit HandoverStore(Build build) : in_place_(build) {}

    // Replaces what has that name. False when PLUGBAY_HANDOVER_MOST others are there; nothing was changed then.
    [[nodiscard]] bool put(Build build, std::string_view name, UniqueFd descriptor);
    // A duplicate into `descriptor`. PLUGBAY_NO_MEMORY: the process has no descriptors left.
    [[nodiscard]] plugbay_status take(Build build, std::string_view name, UniqueFd& descriptor) const;
    // False when there is none.
    [[nodiscard]] bool remove(Build build, std::string_view name);

    [[nodiscard]] bool in_place(Build build) const;
    // For whom is what is saved: nobody in particular; another build that finds this store, or a rehearsal that has its
    // duplicates; one in another process, to which the machine moves. From before the build in the place is quiesced, or
    // is saved for a rehearsal, until it is over.
    enum class Successor : std::uint8_t { none, here, elsewhere };
    void expect(Successor successor);
    [[nodiscard]] Successor expected() const;
    // The builds so far ran in another process, where they left these. No build is in the place until pass_to().
    void arrive(std::vector<LeftDescriptor> left);
    // The machine has moved to another process: no build of this one is in the place any more.
    void leave();
    // The switch, or the way back, after load: from now on `build` is in the device's place, and what it put and removed
    // holds for the device.
    void pass_to(Build build);
    // `build` is gone, and so is what it put and removed without having been in the place.
    void forget(Build build);

    // Duplicates of all that the build in the place left, by name, for another process. An error when the process has no
    // descriptors left: what belongs together goes together.
    [[nodiscard]] Result<std::vector<LeftDescriptor>> duplicate_all() const;

  private:
    using Names = std::map<std::string, UniqueFd, std::less<>>;

    // Null: nothing has that name, for this build.
    [[nodiscard]] const UniqueFd* find(Build build, std::string_view name) const;
    [[nodiscard]] std::size_t count(Build build) const;

    mutable std::mutex mutex_;
    Build in_place_; // guarded by mutex_, as is the rest
    Successor expected_ = Successor::none;
    Names names_;
    std::map<Build, Names> staged_; // of builds that are not in the place; without a descriptor: removed
};

// Another build is expected for as long as this lives; see HandoverStore::expect().
class SuccessorExpected {
  public:
    using Successor = HandoverStore::Successor;
    explicit SuccessorExpected(std::shared_ptr<HandoverStore> store, Successor successor = Successor::here)
        : store_(std::move(store)) {
        store_->expect(successor);
    }
    SuccessorExpected(const SuccessorExpected&) = delete;
    SuccessorExpected& operator=(const SuccessorExpected&) = delete;
    ~SuccessorExpected() { store_->expect(Successor::none); }

  private:
    const std::shared_ptr<HandoverStore> store_;
};

} // namespace plugbay::core
