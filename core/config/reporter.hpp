// Collects diagnostics about one file.
#pragma once

#include "core/config/diagnostic.hpp"
#include "core/config/source_text.hpp"

#include <span>
#include <string>
#include <vector>

namespace plugbay::core {

// Refers to what it is constructed with; the owner keeps that alive.
class Reporter {
  public:
    Reporter(std::string_view file, const SourceText& source, std::span<const std::string> overrides)
        : file_(file), source_(source), overrides_(overrides) {}

    // Adds file, override text and source line. Beyond maximum_diagnostics nothing is kept.
    void report(Diagnostic diagnostic);
    void keep(std::span<const Diagnostic> diagnostics);

    // Suggestions are costly in a file of nothing but mistakes; whoever makes them asks first.
    [[nodiscard]] bool is_full() const;

    // "12:3" or "--set cpus=2": another place, inside a message.
    [[nodiscard]] std::string place(const SourcePosition& position) const;

    // In the order of the file, --set last.
    [[nodiscard]] std::vector<Diagnostic> take();

  private:
    std::string_view file_;
    const SourceText& source_;
    std::span<const std::string> overrides_;
    std::vector<Diagnostic> diagnostics_;
};

} // namespace plugbay::core
