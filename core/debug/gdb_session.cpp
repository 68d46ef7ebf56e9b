#include "core/debug/gdb_session.hpp"

#include "core/base/log.hpp"
#include "core/debug/gdb_packet.hpp"
#include "core/debug/gdb_registers.hpp"

#include <algorithm>
#include <utility>

namespace plugbay::core {

namespace {

// The protocol gives error numbers no meaning; these are errno's.
constexpr const char* no_such_thread = "E03";
constexpr const char* failed = "E05";
constexpr const char* not_mapped = "E0e";
constexpr const char* still_running = "E10";
constexpr const char* malformed = "E16";
constexpr const char* ok = "OK";
constexpr const char* unsupported = "";

// What an answer in hexadecimal digits has room for.
constexpr std::uint64_t most_memory = gdb_packet_limit / 2;

std::string refuse(const Error& error) {
    log_for(Subsystem::machine).warn("gdb: {}", error.text());
    return failed;
}

std::span<const std::byte> bytes_of(std::string_view text) {
    return std::as_bytes(std::span(text));
}

} // namespace

GdbSession::GdbSession(DebugTarget& target, std::function<void(std::string)> send)
    : target_(target), send_(std::move(send)) {
    if (auto done = target_.stop(); !done) log_for(Subsystem::machine).error("gdb: {}", done.error().text());
}

void GdbSession::packet(std::string_view content) {
    if (!attached_) return;
    if (auto text = answer(content)) send_(std::move(*text));
}

// Nothing: the answer comes later, or there is none.
std::optional<std::string> GdbSession::answer(std::string_view content) {
    if (content.empty()) return unsupported;
    const char command = content.front();
    const std::string_view rest = content.substr(1);
    // While it waits for a stop a client sends nothing but Ctrl-C; whatever it does, it waits on.
    if (running_) return std::nullopt;
    const bool needs_stop = std::string_view("gGpPmMXZzcCsS").find(command) != std::string_view::npos;
    if (needs_stop && !target_.stopped()) return still_running; // something else let it go
    switch (command) {
    case '?':
        return stop_text();
    case 'g':
        return read_registers();
    case 'G':
        return write_registers(rest);
    case 'p':
        return read_register(rest);
    case 'P':
        return write_register(rest);
    case 'm':
        return read_memory(rest);
    case 'M':
    case 'X':
        return write_memory(rest, command == 'X');
    case 'Z':
    case 'z':
        return change_breakpoint(rest, command == 'Z');
    case 'c':
    case 'C':
    case 's':
    case 'S':
        return resume_one_way(rest, command == 's' || command == 'S', command == 'C' || command == 'S');
    case 'H':
        return select_thread(rest);
    case 'T': {
        std::string_view text = rest;
        const auto thread = take_hex_number(text);
        return thread && vcpu_of_thread(*thread) ? ok : no_such_thread;
    }
    case 'v':
        return answer_v(content);
    case 'q':
    case 'Q':
        return answer_query(content);
    case 'D':
        attached_ = false;
        target_.detach();
        return ok;
    case 'k':
        attached_ = false;
        target_.end_machine(); // first: the guest is not to go on
        target_.detach();
        return std::nullopt;
    default:
        return unsupported;
    }
}

std::optional<std::string> GdbSession::answer_v(std::string_view content) {
    if (content == "vCont?") return "vCont;c;C;s;S;t";
    if (take(content, "vCont")) return target_.stopped() ? resume_each(content) : still_running;
    if (content.starts_with("vKill")) {
        attached_ = false;
        target_.end_machine(); // first: the guest is not to go on
        target_.detach();
        return ok;
    }
    return unsupported;
}

std::string GdbSession::answer_query(std::string_view content) {
    if (content == "QStartNoAckMode") return ok; // the framing's business
    if (content == "qAttached") return "1";      // so that a client that leaves lets the guest live
    if (content == "qfThreadInfo") return thread_list();
    if (content == "qsThreadInfo") return "l";
    if (content == "qC") {
        std::string text = "QC";
        append_hex_number(text, selected_ + 1);
        return text;
    }
    if (take(content, "qSupported")) return supported(content);
    if (take(content, "qThreadExtraInfo,")) {
        const auto thread = take_hex_number(content);
        const auto vcpu = thread ? vcpu_of_thread(*thread) : std::nullopt;
        if (!vcpu) return no_such_thread;
        std::string text;
        append_hex(text, bytes_of("vCPU " + std::to_string(*vcpu)));
        return text;
    }
    if (take(content, "qXfer:features:read:target.xml:")) {
        const auto offset = take_hex_number(content);
        if (!offset || !take(content, ",")) return malformed;
        const auto length = take_hex_number(content);
        if (!length) return malformed;
        const std::string& xml = gdb_target_description();
        if (*offset >= xml.size()) return "l";
        // Escapes of the framing may double what is sent.
        const std::string part = xml.substr(*offset, std::min(*length, most_memory));
        return (*offset + part.size() < xml.size() ? "m" : "l") + part;
    }
    return unsupported;
}

std::string GdbSession::supported(std::string_view features) {
    tells_software_ = features.find("swbreak+") != std::string_view::npos;
    tells_hardware_ = features.find("hwbreak+") != std::string_view::npos;
    std::string text = "PacketSize=";
    append_hex_number(text, gdb_packet_limit);
    return text + ";QStartNoAckMode+;qXfer:features:read+;vContSupported+;swbreak+;hwbreak+";
}

std::string GdbSession::thread_list() const {
    std::string text = "m";
    for (std::uint32_t vcpu = 0; vcpu < target_.vcpu_count(); ++vcpu) {
        if (vcpu != 0) text += ',';
        append_hex_number(text, vcpu + 1);
    }
    return text;
}

std::optional<std::uint32_t> GdbSession::vcpu_of_thread(std::uint64_t thread) const {
    if (thread == 0 || thread > target_.vcpu_count()) return std::nullopt;
    return static_cast<std::uint32_t>(thread - 1);
}

// Hg THREAD, Hc THREAD: -1 is all, 0 any.
std::string GdbSession::select_thread(std::string_view content) {
    if (content.empty()) return malformed;
    const char purpose = content.front();
    content.remove_prefix(1);
    std::optional<std::uint32_t> vcpu;
    if (content != "-1" && content != "0") {
        const auto thread = take_hex_number(content);
        vcpu = thread ? vcpu_of_thread(*thread) : std::nullopt;
        if (!vcpu) return no_such_thread;
    }
    if (purpose == 'g') {
        if (vcpu) selected_ = *vcpu;
    } else if (purpose == 'c') {
        resumed_only_ = vcpu;
    } else {
        return malformed;
    }
    return ok;
}

std::string GdbSession::read_registers() {
    const auto registers = target_.registers(selected_);
    if (!registers) return refuse(registers.error());
    std::string text;
    for (std::size_t i = 0; i < gdb_register_count(); ++i)
        append_gdb_register(*registers, i, text);
    return text;
}

std::string GdbSession::write_registers(std::string_view digits) {
    const auto bytes = bytes_of_hex(digits);
    if (!bytes || bytes->size() != gdb_registers_size()) return malformed;
    auto registers = target_.registers(selected_);
    if (!registers) return refuse(registers.error());
    std::string_view left = *bytes;
    for (std::size_t i = 0; i < gdb_register_count(); ++i) {
        const std::size_t size = gdb_register_size(i);
        // What cannot be changed stays: a client sends back all that it was given.
        static_cast<void>(set_gdb_register(*registers, i, left.substr(0, size)));
        left.remove_prefix(size);
    }
    if (auto done = target_.set_registers(selected_, *registers); !done) return refuse(done.error());
    return ok;
}

std::string GdbSession::read_register(std::string_view content) {
    const auto number = take_hex_number(content);
    if (!number || gdb_register_size(*number) == 0) return malformed;
    const auto registers = target_.registers(selected_);
    if (!registers) return refuse(registers.error());
    std::string text;
    append_gdb_register(*registers, *number, text);
    return text;
}

std::string GdbSession::write_register(std::string_view content) {
    const auto number = take_hex_number(content);
    if (!number || !take(content, "=")) return malformed;
    const auto bytes = bytes_of_hex(content);
    if (!bytes || bytes->empty() || bytes->size() != gdb_register_size(*number)) return malformed;
    auto registers = target_.registers(selected_);
    if (!registers) return refuse(registers.error());
    if (!set_gdb_register(*registers, *number, *bytes)) return failed;
    if (auto done = target_.set_registers(selected_, *registers); !done) return refuse(done.error());
    return ok;
}

std::string GdbSession::read_memory(std::string_view content) {
    const auto address = take_hex_number(content);
    if (!address || !take(content, ",")) return malformed;
    const auto length = take_hex_number(content);
    if (!length || !content.empty()) return malformed;
    std::vector<std::byte> bytes(std::min(*length, most_memory));
    const std::size_t read = target_.read_memory(selected_, *address, bytes);
    if (read == 0 && !bytes.empty()) return not_mapped;
    std::string text;
    append_hex(text, std::span(bytes).first(read));
    return text;
}

// ADDRESS,LENGTH:BYTES
std::string GdbSession::write_memory(std::string_view content, bool binary) {
    const auto address = take_hex_number(content);
    if (!address || !take(content, ",")) return malformed;
    const auto length = take_hex_number(content);
    if (!length || !take(content, ":")) return malformed;
    const auto bytes = binary ? std::string(content) : bytes_of_hex(content);
    if (!bytes || bytes->size() != *length) return malformed;
    return target_.write_memory(selected_, *address, bytes_of(*bytes)) ? ok : not_mapped;
}

// TYPE,ADDRESS,KIND; what may follow are conditions and commands, which nobody was offered.
std::string GdbSession::change_breakpoint(std::string_view content, bool insert) {
    const auto type = take_hex_number(content);
    if (!type || !take(content, ",")) return malformed;
    const auto address = take_hex_number(content);
    if (!address || !take(content, ",")) return malformed;
    const auto length = take_hex_number(content);
    if (!length || !content.empty()) return malformed;
    DebugBreakpoint breakpoint{.address = *address};
    switch (*type) {
    case 0:
        break;
    case 1:
        breakpoint.kind = DebugBreakpoint::Kind::hardware;
        break;
    case 2:
        breakpoint.kind = DebugBreakpoint::Kind::write_watch;
        breakpoint.length = *length;
        break;
    case 4:
        breakpoint.kind = DebugBreakpoint::Kind::access_watch;
        breakpoint.length = *length;
        break;
    default:
        return unsupported; // 3: the processor cannot watch reads alone
    }
    if (!insert) {
        target_.remove(breakpoint);
        return ok;
    }
    if (auto done = target_.insert(selected_, breakpoint); !done) return refuse(done.error());
    return ok;
}

// c, s, C and S: [SIGNAL;][ADDRESS]. Signals mean nothing to a processor.
std::optional<std::string> GdbSession::resume_one_way(std::string_view content, bool step, bool signal) {
    if (signal && (!take_hex_number(content) || (!content.empty() && !take(content, ";")))) return malformed;
    const std::uint32_t vcpu = resumed_only_.value_or(selected_);
    if (!content.empty()) {
        const auto address = take_hex_number(content);
        if (!address || !content.empty()) return malformed;
        auto registers = target_.registers(vcpu);
        if (!registers) return refuse(registers.error());
        registers->general.rip = *address;
        if (auto done = target_.set_registers(vcpu, *registers); !done) return refuse(done.error());
    }
    std::vector<ResumeAction> actions(target_.vcpu_count(),
                                      step || resumed_only_ ? ResumeAction::hold : ResumeAction::run);
    actions[vcpu] = step ? ResumeAction::step : ResumeAction::run;
    return resume(std::move(actions));
}

// ;ACTION[:THREAD]...: the first that names a vCPU is its.
std::optional<std::string> GdbSession::resume_each(std::string_view content) {
    std::vector<std::optional<ResumeAction>> chosen(target_.vcpu_count());
    while (take(content, ";")) {
        if (content.empty()) return malformed;
        const char letter = content.front();
        content.remove_prefix(1);
        if ((letter == 'C' || letter == 'S') && !take_hex_number(content)) return malformed;
        ResumeAction action = ResumeAction::hold;
        if (letter == 'c' || letter == 'C')
            action = ResumeAction::run;
        else if (letter == 's' || letter == 'S')
            action = ResumeAction::step;
        else if (letter != 't')
            return malformed;
        std::optional<std::uint32_t> only;
        if (take(content, ":") && !take(content, "-1")) {
            const auto thread = take_hex_number(content);
            if (!thread) return malformed;
            if (*thread != 0 && !(only = vcpu_of_thread(*thread))) return no_such_thread;
        }
        for (std::uint32_t vcpu = 0; vcpu < chosen.size(); ++vcpu) {
            if ((!only || vcpu == *only) && !chosen[vcpu]) chosen[vcpu] = action;
        }
    }
    if (!content.empty()) return malformed;
    std::vector<ResumeAction> actions;
    for (const auto& each : chosen)
        actions.push_back(each.value_or(ResumeAction::hold));
    return resume(std::move(actions));
}

std::optional<std::string> GdbSession::resume(std::vector<ResumeAction> actions) {
    // One steps at a time, with the others held, the one that stopped before all others: so a step is short and its
    // outcome that vCPU's own.
    auto stepping = std::find(actions.begin(), actions.end(), ResumeAction::step);
    if (stepping != actions.end()) {
        if (actions[last_stop_.vcpu] == ResumeAction::step)
            stepping = actions.begin() + static_cast<std::ptrdiff_t>(last_stop_.vcpu);
        const auto index = stepping - actions.begin();
        std::fill(actions.begin(), actions.end(), ResumeAction::hold);
        actions[static_cast<std::size_t>(index)] = ResumeAction::step;
    }
    if (std::all_of(actions.begin(), actions.end(), [](auto each) { return each == ResumeAction::hold; }))
        return stop_text();
    running_ = true;
    if (auto done = target_.resume(actions); !done) {
        running_ = false;
        return refuse(done.error());
    }
    return std::nullopt;
}

void GdbSession::interrupt() {
    if (!attached_ || !running_) return;
    if (auto done = target_.stop(); !done) log_for(Subsystem::machine).error("gdb: {}", done.error().text());
    stopped({.reason = DebugStop::Reason::interrupted, .vcpu = selected_});
}

void GdbSession::stopped(const DebugStop& stop) {
    if (!attached_ || !running_) return;
    running_ = false;
    last_stop_ = stop;
    selected_ = stop.vcpu;
    send_(stop_text());
}

void GdbSession::machine_ended() {
    if (attached_ && running_) send_("W00");
    attached_ = false;
}

// T SIGNAL: 2 is SIGINT, 5 SIGTRAP.
std::string GdbSession::stop_text() const {
    std::string text = last_stop_.reason == DebugStop::Reason::interrupted ? "T02" : "T05";
    text += "thread:";
    append_hex_number(text, last_stop_.vcpu + 1);
    text += ';';
    if (last_stop_.reason != DebugStop::Reason::breakpoint) return text;
    using Kind = DebugBreakpoint::Kind;
    const DebugBreakpoint& hit = last_stop_.breakpoint;
    if (hit.kind == Kind::software && tells_software_) text += "swbreak:;";
    if (hit.kind == Kind::hardware && tells_hardware_) text += "hwbreak:;";
    if (hit.kind == Kind::write_watch || hit.kind == Kind::access_watch) {
        text += hit.kind == Kind::write_watch ? "watch:" : "awatch:";
        append_hex_number(text, hit.address);
        text += ';';
    }
    return text;
}

} // namespace plugbay::core
