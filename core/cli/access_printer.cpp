#include "core/cli/access_printer.hpp"

#include "core/base/write_all.hpp"

#include <fmt/format.h>

#include <cstddef>
#include <unistd.h>

namespace plugbay::core {

namespace {

bool print(const LogRecord& line) {
    const std::string text = line.text + '\n';
    return write_all(STDERR_FILENO, std::as_bytes(std::span(text)));
}

} // namespace

Result<void> AccessPrinter::start(std::span<const std::string> devices) {
    auto writer = LogWriter::start(&print);
    if (!writer) return std::move(writer).error();
    writer_ = *std::move(writer);
    tracer_.emplace(
        devices_,
        Tracer::Listener{
            .access = [this](const TracedAccess& access) { writer_->push({.text = line_of(access)}); },
            .over =
                [this](const std::string& device, const std::string& why, std::uint64_t left_out) {
                    const std::string rest = left_out == 0 ? "" : fmt::format(", {} left out", left_out);
                    writer_->push({.text = fmt::format("{} (no more{}: {})", device, rest, why)});
                }});
    for (const std::string& device : devices) {
        if (auto started = tracer_->start(device); !started) return started;
    }
    return {};
}

} // namespace plugbay::core
