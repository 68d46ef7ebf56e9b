#include "core/base/log.hpp"

#include <spdlog/sinks/stdout_color_sinks.h>

namespace plugbay::core {

void start_log(spdlog::level::level_enum level) {
    auto logger = spdlog::stderr_color_mt("plugbay");
    logger->set_pattern("%^%l%$: %v");
    logger->set_level(level);
    spdlog::set_default_logger(std::move(logger));
}

} // namespace plugbay::core
