// libFuzzer: any bytes as a machine file. The first line, when it starts with '#', is a --set.
#include "tests/unit/config/config_fixture.hpp"

#include <nlohmann/json.hpp>

#include <cstdlib>

extern "C" int LLVMFuzzerTestOneInput(const std::uint8_t* data, std::size_t size) {
    using namespace plugbay::core;
    static const auto catalog = test::make_catalog();
    std::string text(reinterpret_cast<const char*>(data), size);
    std::vector<std::string> overrides;
    if (text.starts_with('#')) {
        const auto end = std::min(text.find('\n'), text.size() - 1);
        overrides.push_back(text.substr(1, end - 1));
        text.erase(0, end + 1);
    }
    const auto result = validate(parse_machine_text(std::move(text), "m.json", "/vm", overrides), catalog);
    if (result.config.has_value() == !result.diagnostics.empty()) std::abort();
    for (const auto& diagnostic : result.diagnostics) {
        if (text_with_source(diagnostic).empty()) std::abort();
    }
    if (json_of(result.diagnostics).dump().empty()) std::abort();
    return 0;
}
