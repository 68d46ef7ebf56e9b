// What a device leaves for its next build, as the device sees it; see abi/handover.h. Not for a guest's accesses.
#pragma once

#include <plugbay/abi/handover.h>
#include <plugbay/abi/host.h>
#include <plugbay/failure.hpp>
#include <plugbay/unique_fd.hpp>

#include <cstdint>

namespace plugbay {

// Cheap to copy; valid for the life of the device. On a host without plugbay.handover/1 nothing is ever left, and each
// build is the only one.
class Handover {
  public:
    Handover(const plugbay_host* host, const plugbay_handover_host* table) : host_(host), table_(table) {}

    // [any] A duplicate is left under `name`, in the place of what was there.
    void put(const char* name, const UniqueFd& descriptor) const {
        if (table_ != nullptr) check(table_->put(host_, name, descriptor.get()));
    }
    // [any] A duplicate; empty when nothing was left under `name`.
    [[nodiscard]] UniqueFd take(const char* name) const {
        if (table_ == nullptr) return {};
        int descriptor = -1;
        const plugbay_status status = table_->take(host_, name, &descriptor);
        if (status == PLUGBAY_NOT_FOUND) return {};
        check(status);
        return UniqueFd(descriptor);
    }
    // [any] Nothing is left under `name`, if anything was.
    void remove(const char* name) const {
        if (table_ == nullptr) return;
        if (const plugbay_status status = table_->remove(host_, name); status != PLUGBAY_NOT_FOUND)
            check(status);
    }
    // [any] False for a successor until it takes over, and for a build that was replaced: when it is destroyed, what is
    // outside of it stays as it is.
    [[nodiscard]] bool in_place() const { return (standing() & PLUGBAY_HANDOVER_IN_PLACE) != 0; }
    // [any] What is saved and held still now goes on in another build on this host.
    [[nodiscard]] bool expected() const { return (standing() & PLUGBAY_HANDOVER_EXPECTED) != 0; }
    // [any] The same, and that build is in another process, with a standard input, output and terminal of its own.
    [[nodiscard]] bool expected_elsewhere() const { return (standing() & PLUGBAY_HANDOVER_ELSEWHERE) != 0; }

    // A field of the device's state, which says whether that state is on its way to another build, beside what is
    // handed over: true then, on save and on load, and what belongs to the descriptors is to be saved and loaded too.
    // False for a checkpoint. A build in its place refuses a state that was on such a way.
    [[nodiscard]] bool hands_over(auto& fields) const {
        bool passed = expected();
        const auto fits = [&](bool loaded) {
            passed = loaded;
            return !loaded || !in_place();
        };
        fields("handed_over", passed, fits,
               "the state was made for another build of the running device, and is no checkpoint");
        return passed;
    }

  private:
    [[nodiscard]] std::uint32_t standing() const {
        return table_ == nullptr ? PLUGBAY_HANDOVER_IN_PLACE : table_->standing(host_);
    }

    const plugbay_host* host_;
    const plugbay_handover_host* table_;
};

} // namespace plugbay
