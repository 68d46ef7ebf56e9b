#include "core/validate/check.hpp"

namespace plugbay::core::validation {

std::span<const Check> checks() {
    static const std::vector<Check> all = [] {
        std::vector<Check> list;
        for (const auto group : {file_checks(), property_checks(), life_checks(), access_checks(),
                                 state_checks(), process_checks(), fuzz_checks()})
            list.insert(list.end(), group.begin(), group.end());
        return list;
    }();
    return all;
}

} // namespace plugbay::core::validation
