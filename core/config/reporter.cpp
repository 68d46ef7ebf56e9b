#include "core/config/reporter.hpp"

#include "core/config/machine_file.hpp"

#include <algorithm>
#include <tuple>

namespace plugbay::core {

void Reporter::report(Diagnostic diagnostic) {
    if (is_full()) return;
    diagnostic.file = file_;
    const auto number = diagnostic.position.override_number;
    if (number != 0 && number <= overrides_.size()) {
        diagnostic.override_text = overrides_[number - 1];
    } else {
        diagnostic.source_line = source_.line(diagnostic.position.line);
    }
    diagnostics_.push_back(std::move(diagnostic));
}

void Reporter::keep(std::span<const Diagnostic> diagnostics) {
    diagnostics_.insert(diagnostics_.end(), diagnostics.begin(), diagnostics.end());
}

bool Reporter::is_full() const {
    return diagnostics_.size() >= maximum_diagnostics;
}

std::string Reporter::place(const SourcePosition& position) const {
    if (position.override_number != 0) return "--set " + overrides_[position.override_number - 1];
    return std::to_string(position.line) + ':' + std::to_string(position.column);
}

std::vector<Diagnostic> Reporter::take() {
    std::ranges::stable_sort(diagnostics_, {}, [](const Diagnostic& diagnostic) {
        const auto& position = diagnostic.position;
        return std::tuple(position.override_number, position.line, position.column);
    });
    return std::move(diagnostics_);
}

} // namespace plugbay::core
