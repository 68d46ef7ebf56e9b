// From a machine file and --set to a MachineConfig, in two steps: the plugins to read depend on the file, and
// the rest of the file is checked against what those plugins declare.
//
//     MachineDocument document = read_machine_file(path, overrides);
//     ... read the plugins, document.plugins among them, into a catalog ...
//     ConfigResult result = validate(document, catalog);
#pragma once

#include "core/config/diagnostic.hpp"
#include "core/config/located_value.hpp"
#include "core/config/machine_config.hpp"
#include "core/config/source_text.hpp"
#include "core/config/type_catalog.hpp"

#include <filesystem>
#include <optional>
#include <span>
#include <string>
#include <vector>

namespace plugbay::core {

// A machine file that has been read, overridden and not yet checked. What is wrong so far waits in
// `diagnostics`; validate() repeats it, so that nobody needs to look before.
struct MachineDocument {
    std::string file = {};                           // as the user named it
    std::filesystem::path directory = {};            // absolute; what paths in the file are relative to
    std::filesystem::path override_directory = {};   // absolute; what paths given by --set are relative to
    std::vector<std::string> overrides = {};         // "path=value"
    SourceText source = {};                          //
    std::optional<LocatedValue> root = {};           // none: the file could not be read or is not JSON
    std::vector<std::filesystem::path> plugins = {}; // the usable entries of "plugins", absolute
    std::vector<Diagnostic> diagnostics = {};
};

[[nodiscard]] MachineDocument read_machine_file(const std::filesystem::path& file,
                                                std::span<const std::string> overrides = {});

// The same for a text; `file` is its name in diagnostics, `directory` what its paths are relative to.
[[nodiscard]] MachineDocument parse_machine_text(std::string text, std::string file,
                                                 const std::filesystem::path& directory,
                                                 std::span<const std::string> overrides = {});

// `config` is there exactly when `diagnostics` is empty. Diagnostics are in the order of the file, those of
// --set after them, and at most maximum_diagnostics in number.
struct ConfigResult {
    std::optional<MachineConfig> config = {};
    std::vector<Diagnostic> diagnostics = {};
};
inline constexpr std::size_t maximum_diagnostics = 1000;

[[nodiscard]] ConfigResult validate(const MachineDocument& document, const TypeCatalog& catalog);

} // namespace plugbay::core
