#include "core/config/machine_file.hpp"

#include "core/config/json_reader.hpp"
#include "core/config/machine_keys.hpp"
#include "core/config/overrides.hpp"
#include "core/config/value_reader.hpp"

#include <cerrno>
#include <cstring>
#include <fstream>
#include <system_error>

namespace plugbay::core {
namespace {

// At most one byte more than is allowed, so that endless files (devices, pipes) end.
std::optional<std::string> read_text(const std::filesystem::path& file, std::string& problem) {
    errno = 0;
    std::error_code error;
    if (std::filesystem::is_directory(file, error)) errno = EISDIR;
    std::ifstream stream;
    if (errno == 0) stream.open(file, std::ios::binary);
    std::string text;
    if (stream.is_open()) {
        std::vector<char> block(64 << 10);
        while (text.size() <= maximum_json_size &&
               (stream.read(block.data(), std::ssize(block)), stream.gcount() > 0)) {
            text.append(block.data(), static_cast<std::size_t>(stream.gcount()));
        }
        if (!stream.bad()) return text;
    }
    problem = errno == 0 ? "the file cannot be read"
                         : std::string("the file cannot be read: ") + std::strerror(errno);
    return std::nullopt;
}

std::filesystem::path current_directory() {
    std::error_code error;
    auto directory = std::filesystem::current_path(error);
    return error ? std::filesystem::path("/") : directory;
}

// Entries that are wrong are left for validate() to report.
std::vector<std::filesystem::path> plugins_of(const MachineDocument& document) {
    std::vector<std::filesystem::path> plugins;
    const auto* const list = document.root ? document.root->find("plugins") : nullptr;
    if (list == nullptr) return plugins;
    Reporter ignored(document.file, document.source, document.overrides);
    const ReadContext context{ignored, document.directory, document.override_directory};
    for (const auto& element : list->value.elements) {
        const auto value =
            read_value(context, machine_declaration().member("plugins").value, element, "plugins");
        if (value) plugins.emplace_back(value->text);
    }
    return plugins;
}

} // namespace

MachineDocument read_machine_file(const std::filesystem::path& file, std::span<const std::string> overrides) {
    const auto directory = file.parent_path();
    std::string problem;
    if (auto text = read_text(file, problem)) {
        return parse_machine_text(std::move(*text), file.string(), directory, overrides);
    }
    MachineDocument document{.file = file.string()};
    document.diagnostics.push_back(
        {.kind = DiagnosticKind::unreadable_file, .file = document.file, .message = std::move(problem)});
    return document;
}

MachineDocument parse_machine_text(std::string text, std::string file, const std::filesystem::path& directory,
                                   std::span<const std::string> overrides) {
    MachineDocument document{.file = std::move(file),
                             .override_directory = current_directory(),
                             .overrides = {overrides.begin(), overrides.end()},
                             .source = SourceText(std::move(text))};
    document.directory = document.override_directory;
    for (const auto& part : directory) {
        if (part.is_absolute()) {
            document.directory = part;
        } else if (part != "." && !part.empty()) {
            document.directory /= part;
        }
    }
    Reporter reporter(document.file, document.source, document.overrides);
    auto json = read_json(document.source.text(), JsonComments::allowed);
    if (json.problem) {
        reporter.report({.kind = json.problem->kind,
                         .position = json.problem->position,
                         .message = std::move(json.problem->message),
                         .expected = std::move(json.problem->expected),
                         .found = std::move(json.problem->found)});
    } else {
        document.root = std::move(json.root);
        if (document.root->kind == LocatedValue::Kind::object) {
            apply_overrides(*document.root, document.overrides, reporter);
        }
        document.plugins = plugins_of(document);
    }
    document.diagnostics = reporter.take();
    return document;
}

} // namespace plugbay::core
