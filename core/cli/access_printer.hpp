// `plugbay run --trace`: what the guest does with devices, on standard error.
#pragma once

#include "core/base/log_writer.hpp"
#include "core/base/result.hpp"
#include "core/trace/tracer.hpp"

#include <memory>
#include <optional>
#include <span>
#include <string>

namespace plugbay::core {

class DeviceManager;

// Thread: [control]. A terminal or pipe that is slow makes it lose lines, of which it tells the number, and holds up nobody.
class AccessPrinter {
  public:
    explicit AccessPrinter(DeviceManager& devices) : devices_(devices) {}
    [[nodiscard]] Result<void> start(std::span<const std::string> devices);

  private:
    DeviceManager& devices_;
    std::unique_ptr<LogWriter> writer_; // outlives the tracer
    std::optional<Tracer> tracer_;
};

} // namespace plugbay::core
