#include "core/trace/access_tap.hpp"

#include <utility>
#include <vector>

namespace plugbay::core {

void AccessTap::build_is(std::uint16_t build, std::shared_ptr<const AccessNames> names) {
    const std::lock_guard guard(mutex_);
    names_.insert_or_assign(build, std::move(names));
    build_ = build;
}

void AccessTap::end(std::string why) {
    const std::lock_guard guard(mutex_);
    if (!ended_) ended_ = std::move(why);
}

std::shared_ptr<const AccessNames> AccessTap::names(std::uint16_t build) {
    static const auto nothing = std::make_shared<const AccessNames>(std::vector<AccessPlace>());
    const std::lock_guard guard(mutex_);
    names_.erase(names_.begin(), names_.lower_bound(build));
    const auto found = names_.find(build);
    return found == names_.end() ? nothing : found->second;
}

std::uint16_t AccessTap::build() const {
    const std::lock_guard guard(mutex_);
    return build_;
}

std::optional<std::string> AccessTap::ended() const {
    const std::lock_guard guard(mutex_);
    return ended_;
}

} // namespace plugbay::core
