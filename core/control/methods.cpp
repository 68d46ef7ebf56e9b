#include "core/control/methods.hpp"

namespace plugbay::core {

const MethodTable& control_methods() {
    static const MethodTable table = [] {
        MethodTable all;
        add_machine_methods(all);
        add_device_methods(all);
        add_link_methods(all);
        add_input_methods(all);
        add_debug_methods(all);
        add_log_methods(all);
        add_statistics_methods(all);
        add_shadow_methods(all);
        add_swap_methods(all);
        add_checkpoint_methods(all);
        add_send_methods(all);
        add_trace_methods(all);
        add_session_methods(all);
        return all;
    }();
    return table;
}

Error error_of(std::span<const Diagnostic> diagnostics) {
    Error error{.message = {}, .hint = "nothing was changed"};
    for (const Diagnostic& each : diagnostics)
        error.message += (error.message.empty() ? "" : "; ") + text_of(each);
    return error;
}

} // namespace plugbay::core
