// What a device leaves for its next build, as the device sees it; see abi/handover.h. Not for a guest's accesses.
#pragma once

#include <plugbay/abi/handover.h>
#include <plugbay/abi/host.h>
#include <plugbay/failure.hpp>
#include <plugbay/unique_fd.hpp>

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
    [[nodiscard]] bool in_place() const { return table_ == nullptr || table_->in_place(host_) != 0; }

  private:
    const plugbay_host* host_;
    const plugbay_handover_host* table_;
};

} // namespace plugbay
