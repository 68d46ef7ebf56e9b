#include "core/device/handover_store.hpp"

#include "core/base/errno_error.hpp"

#include <algorithm>
#include <cerrno>
#include <utility>

#include <fcntl.h>

namespace plugbay::core {

namespace {

UniqueFd duplicate(const UniqueFd& descriptor) {
    return UniqueFd(::fcntl(descriptor.get(), F_DUPFD_CLOEXEC, 0));
}

} // namespace

bool HandoverStore::put(Build build, std::string_view name, UniqueFd descriptor) {
    const std::lock_guard guard(mutex_);
    if (find(build, name) == nullptr && count(build) >= PLUGBAY_HANDOVER_MOST) return false;
    Names& names = build == in_place_ ? names_ : staged_[build];
    names.insert_or_assign(std::string(name), std::move(descriptor));
    return true;
}

plugbay_status HandoverStore::take(Build build, std::string_view name, UniqueFd& descriptor) const {
    const std::lock_guard guard(mutex_);
    const UniqueFd* const found = find(build, name);
    if (found == nullptr) return PLUGBAY_NOT_FOUND;
    descriptor = duplicate(*found);
    return descriptor ? PLUGBAY_OK : PLUGBAY_NO_MEMORY;
}

bool HandoverStore::remove(Build build, std::string_view name) {
    const std::lock_guard guard(mutex_);
    if (find(build, name) == nullptr) return false;
    if (build == in_place_)
        names_.erase(names_.find(name));
    else
        staged_[build].insert_or_assign(std::string(name), UniqueFd());
    return true;
}

bool HandoverStore::in_place(Build build) const {
    const std::lock_guard guard(mutex_);
    return build == in_place_;
}

void HandoverStore::expect(Successor successor) {
    const std::lock_guard guard(mutex_);
    expected_ = successor;
}

HandoverStore::Successor HandoverStore::expected() const {
    const std::lock_guard guard(mutex_);
    return expected_;
}

void HandoverStore::arrive(std::vector<LeftDescriptor> left) {
    const std::lock_guard guard(mutex_);
    in_place_ = nullptr;
    for (LeftDescriptor& entry : left)
        names_.insert_or_assign(std::move(entry.name), std::move(entry.descriptor));
}

void HandoverStore::leave() {
    const std::lock_guard guard(mutex_);
    in_place_ = nullptr;
}

void HandoverStore::pass_to(Build build) {
    const std::lock_guard guard(mutex_);
    in_place_ = build;
    const auto staged = staged_.extract(build);
    if (staged.empty()) return;
    for (auto& [name, descriptor] : staged.mapped()) {
        if (descriptor)
            names_.insert_or_assign(name, std::move(descriptor));
        else
            names_.erase(name);
    }
}

void HandoverStore::forget(Build build) {
    const std::lock_guard guard(mutex_);
    staged_.erase(build);
}

Result<std::vector<LeftDescriptor>> HandoverStore::duplicate_all() const {
    const std::lock_guard guard(mutex_);
    std::vector<LeftDescriptor> all;
    for (const auto& [name, descriptor] : names_) {
        UniqueFd copy = duplicate(descriptor);
        if (!copy)
            return errno_error("its descriptor \"" + name + "\" cannot be duplicated", errno,
                               "raise the limit of open files (ulimit -n)");
        all.push_back({name, std::move(copy)});
    }
    return all;
}

const UniqueFd* HandoverStore::find(Build build, std::string_view name) const {
    if (const auto own = staged_.find(build); own != staged_.end()) {
        const auto entry = own->second.find(name);
        if (entry != own->second.end()) return entry->second ? &entry->second : nullptr;
    }
    const auto entry = names_.find(name);
    return entry == names_.end() ? nullptr : &entry->second;
}

std::size_t HandoverStore::count(Build build) const {
    std::size_t count = names_.size();
    const auto own = staged_.find(build);
    if (own == staged_.end()) return count;
    for (const auto& [name, descriptor] : own->second) {
        const bool there = names_.contains(name);
        if (descriptor && !there) ++count;
        if (!descriptor && there) --count;
    }
    return count;
}

} // namespace plugbay::core
