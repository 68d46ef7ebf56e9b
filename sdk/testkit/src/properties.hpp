// Property texts, as a machine file has them, to checked ABI values.
#pragma once

#include <plugbay/testkit/device.hpp>

#include <deque>
#include <span>
#include <string>
#include <vector>

namespace plugbay::testkit::detail {

// One value a declaration, in order. The texts live here.
class Values {
  public:
    // Throws Error; `whose` begins its text.
    Values(std::span<const plugbay_property* const> declared, const Properties& given,
           const std::string& whose);

    [[nodiscard]] const plugbay_value* data() const { return values_.data(); }
    [[nodiscard]] std::uint32_t count() const { return static_cast<std::uint32_t>(values_.size()); }

  private:
    void parse(const plugbay_property& property, const std::string& text, plugbay_value& value);

    std::string whose_;
    std::vector<plugbay_value> values_;
    std::deque<std::string> texts_;
};

} // namespace plugbay::testkit::detail
