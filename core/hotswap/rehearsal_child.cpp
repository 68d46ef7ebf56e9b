#include "core/hotswap/rehearsal_child.hpp"

#include "core/base/write_all.hpp"
#include "core/cli/exit_status.hpp"
#include "core/hotswap/rehearsal_peers.hpp"
#include "core/hotswap/rehearsal_protocol.hpp"
#include "core/hotswap/state_difference.hpp"
#include "core/plugin/metadata_reader.hpp"

#include <plugbay/testkit/testkit.hpp>
#include <plugbay/unique_fd.hpp>

#include <fmt/format.h>
#include <nlohmann/json.hpp>

#include <algorithm>
#include <array>
#include <cerrno>
#include <csignal>
#include <cstdint>
#include <fcntl.h>
#include <iostream>
#include <optional>
#include <span>
#include <string>
#include <string_view>
#include <sys/prctl.h>
#include <sys/resource.h>
#include <sys/stat.h>
#include <unistd.h>
#include <vector>

namespace plugbay::core {

namespace {

using nlohmann::json;

// What it may use beside the guest's RAM: the program, libraries, stacks and heaps of threads; and some copies of the
// state.
constexpr std::uint64_t own_memory = std::uint64_t{4} << 30;
constexpr std::uint64_t state_copies = 8;

// One line of the report. A parent that is gone takes the child with it.
void report(const json& line) {
    const std::string text = line.dump(-1, ' ', false, json::error_handler_t::replace) + '\n';
    if (!write_all(rehearsal::report_descriptor, std::as_bytes(std::span(text))))
        ::_exit(exit_status::failure);
}

void begin(const char* step) {
    report({{"step", step}});
}

[[noreturn]] void fail(const std::string& why, const std::string& hint) {
    report({{"failed", {{"why", why.substr(0, rehearsal::longest_text)}, {"hint", hint}}}});
    ::_exit(exit_status::success);
}

std::vector<RegisterBlockDescription> declared_registers(const std::string& file, std::string_view type) {
    auto plugin = read_plugin_metadata(file);
    if (!plugin) return {};
    const auto found = std::ranges::find(plugin->types, type, &TypeDescription::name);
    return found == plugin->types.end() ? std::vector<RegisterBlockDescription>{}
                                        : std::move(found->register_blocks);
}

void limit(__rlimit_resource resource, std::uint64_t most) {
    const rlimit both{most, most};
    ::setrlimit(resource, &both);
}

// Those that were handed over follow RAM's, in the order of their names.
int first_handed_descriptor(const json& request) {
    return rehearsal::first_free_descriptor + (request["memory_given"].get<bool>() ? 1 : 0);
}

// Bytes of files that were handed over, which the plugin may map, and as many for what it maps beside them.
[[maybe_unused]] std::uint64_t handed_memory(const json& request) {
    constexpr std::uint64_t most = std::uint64_t{1} << 42;
    std::uint64_t total = 0;
    int descriptor = first_handed_descriptor(request);
    for (std::size_t i = 0; i < request["handover"].size(); ++i) {
        struct stat facts {};
        if (::fstat(descriptor++, &facts) == 0 && S_ISREG(facts.st_mode))
            total += std::min<std::uint64_t>(2 * static_cast<std::uint64_t>(facts.st_size), most - total);
    }
    return total;
}

// Before anything of the plugin runs. Not a sandbox: the plugin may do what the user may.
void confine(const json& request, [[maybe_unused]] std::uint64_t state_size) {
    ::prctl(PR_SET_PDEATHSIG, SIGKILL);
    if (::getppid() != request["parent"].get<pid_t>()) ::_exit(exit_status::failure); // it died before
    limit(RLIMIT_CORE, 0);
    limit(RLIMIT_CPU, request["limit_ms"].get<std::uint64_t>() / 1000 + 2);
#if !defined(__SANITIZE_ADDRESS__) && !defined(__SANITIZE_THREAD__) // whose shadows are terabytes
    limit(RLIMIT_AS, own_memory + state_copies * state_size + handed_memory(request) +
                         request["memory"].get<std::uint64_t>() +
                         request["memory_above_4gb"].get<std::uint64_t>());
#endif
}

// The request's line and the bytes behind it.
std::optional<std::string> read_request() {
    std::string text;
    std::array<char, 65536> chunk;
    for (;;) {
        const ssize_t got = ::pread(rehearsal::request_descriptor, chunk.data(), chunk.size(),
                                    static_cast<off_t>(text.size()));
        if (got < 0 && errno == EINTR) continue;
        if (got < 0) return std::nullopt;
        if (got == 0) return text;
        text.append(chunk.data(), static_cast<std::size_t>(got));
    }
}

testkit::Properties properties_of(const json& values) {
    testkit::Properties properties;
    for (const auto& [name, value] : values.items())
        properties.emplace_back(name, value.get<std::string>());
    return properties;
}

class Rehearsal {
  public:
    Rehearsal(json request, std::string state) : request_(std::move(request)), state_(std::move(state)) {}
    [[noreturn]] void run();

  private:
    testkit::Bench& make_bench();
    void hand_over();
    void connect();
    void load_and_compare();
    [[nodiscard]] std::string tie() const;
    void go_and_stop();
    void live(const std::string& file);
    void not_rehearsed(const std::string& what) { report({{"not_rehearsed", what}}); }
    [[nodiscard]] std::string port_name(const plugbay_port& port) const;

    json request_;
    std::string state_;
    std::string id_;
    const plugbay_device_type* type_ = nullptr;
    std::vector<RegisterBlockDescription> registers_; // of the type, for names
    testkit::Bench* bench_ = nullptr;                 // never destroyed
    bool complete_ = true;                            // every port that needs a peer has one
};

testkit::Bench& Rehearsal::make_bench() {
    const bool with_memory = request_["memory_given"];
    auto* bench = new testkit::Bench({.memory = request_["memory"],
                                      .memory_above_4gb = request_["memory_above_4gb"],
                                      .cpu_count = request_["cpus"],
                                      .calendar = request_["calendar"],
                                      .guest_time = request_["guest_time"],
                                      .memory_file = with_memory ? rehearsal::first_free_descriptor : -1,
                                      .any_pci_bus = true});
    if (with_memory) ::close(rehearsal::first_free_descriptor);
    return *bench;
}

// What the build before has left.
void Rehearsal::hand_over() {
    if (request_["beside"]) bench_->leave(id_);
    int next = first_handed_descriptor(request_);
    for (const json& name : request_["handover"])
        bench_->leave(id_, name.get<std::string>(), UniqueFd(next++));
}

std::string Rehearsal::port_name(const plugbay_port& port) const {
    return port.name == nullptr ? id_ : id_ + "." + port.name;
}

void Rehearsal::connect() {
    for (std::uint32_t number = 0; number < type_->port_count; ++number) {
        const plugbay_port& port = *type_->ports[number];
        json link;
        for (const json& each : request_["links"]) {
            if (link.is_null() && each["port"] == number) link = each;
        }
        const bool needed = (port.flags & PLUGBAY_PORT_OPTIONAL) == 0;
        if (link.is_null() && !needed) continue;
        if (link.is_null()) link = json{{"options", json::object()}};
        auto peer = make_peer(port, link);
        if (peer == nullptr) {
            complete_ = complete_ && !needed;
            not_rehearsed(fmt::format("port \"{}\" has no peer: there is no fake that speaks {}",
                                      port_name(port), port.interface));
            continue;
        }
        bench_->connect(*peer.release(), port_name(port),
                        properties_of(link["options"])); // lives on, like the bench
    }
}

void Rehearsal::load_and_compare() {
    std::string error;
    const auto bytes = std::as_bytes(std::span(state_));
    const auto before = StateImage::parse({bytes.begin(), bytes.end()}, error);
    if (!before) fail("its state cannot be given to it: " + error, "");
    begin("load");
    bench_->take_over(id_);
    bench_->load(id_, *before);
    begin("save");
    const StateImage after = bench_->save(id_);
    const auto differences = state_differences(*before, after, registers_);
    std::size_t lost = 0;
    std::string first;
    for (std::size_t i = 0; i < differences.size(); ++i) {
        const auto& [text, allowed] = differences[i];
        if (i < rehearsal::most_differences) report({{"difference", text}});
        if (allowed) continue;
        if (lost++ == 0) first = text;
    }
    if (differences.size() > rehearsal::most_differences)
        report(
            {{"difference", fmt::format("and {} more", differences.size() - rehearsal::most_differences)}});
    if (lost == 0) return;
    fail(
        fmt::format("the state that it saves is not the one that it loaded: {}{}", first,
                    lost > 1 ? fmt::format(", and {} more fields", lost - 1) : ""),
        "save and load the same fields; a build that means something else by them has another state_version");
}

// Why the device may not go on here: what reaches out of the machine is still the old build's. Empty: it may.
std::string Rehearsal::tie() const {
    if (!request_["handover"].empty()) return "it has descriptors of the build before it";
    for (std::uint32_t i = 0; i < type_->port_count; ++i) {
        if (type_->ports[i]->role == PLUGBAY_PORT_BACKEND) return "it is a backend";
    }
    for (std::uint32_t i = 0; i < type_->property_count; ++i) {
        const plugbay_property& property = *type_->properties[i];
        const auto given = request_["properties"].find(property.name);
        if (property.kind == PLUGBAY_PROPERTY_PATH && given != request_["properties"].end() && *given != "")
            return fmt::format("its property \"{}\" names a file", property.name);
    }
    return {};
}

void Rehearsal::go_and_stop() {
    const bool has_state = request_["has_state"];
    const char* const going = has_state ? "resume" : "start";
    const std::string tied = tie();
    if (!tied.empty()) {
        return not_rehearsed(
            fmt::format("{}, quiesce and reset: {}, and what it does outside of the machine cannot be "
                        "undone",
                        going, tied));
    }
    if (complete_) {
        begin(going);
        bench_->start();
        begin("quiesce");
        bench_->quiesce();
    } else {
        not_rehearsed(fmt::format("{} and quiesce: a port that needs a peer has none", going));
    }
    begin("reset");
    bench_->reset();
}

void Rehearsal::live(const std::string& file) {
    begin("create");
    bench_->add(file, type_->name, id_, properties_of(request_["properties"]));
    begin("connected");
    connect();
    if (request_["has_state"]) load_and_compare();
    go_and_stop();
}

void Rehearsal::run() {
    try {
        const std::string file = request_["plugin"];
        id_ = request_["id"];
        bench_ = &make_bench();
        begin("open");
        const auto* plugin = new testkit::PluginFile(file); // stays open
        type_ = plugin->find(request_["type"].get<std::string>());
        if (type_ == nullptr) fail("it has another device type when loaded than in its file", "");
        registers_ = declared_registers(file, type_->name);
        hand_over();
        live(file);
    } catch (const testkit::ContractViolation& violation) {
        fail(std::string("it broke a rule of the ABI: ") + violation.what(),
             "the ABI's headers say at each function what is allowed; the testkit finds the same in a test");
    } catch (const testkit::Error& error) {
        fail(error.what(), "");
    } catch (const std::exception& exception) {
        fail(std::string("an exception came out of it: ") + exception.what(),
             "no exception may leave a plugin: catch it and return a status with a text");
    } catch (...) {
        fail("an exception came out of it",
             "no exception may leave a plugin: catch it and return a status with a text");
    }
    report({{"passed", true}});
    ::_exit(exit_status::success);
}

} // namespace

int rehearse_as_child() {
    const auto text = read_request();
    const std::size_t end = text ? text->find('\n') : std::string::npos;
    json request = end == std::string::npos ? json() : json::parse(text->substr(0, end), nullptr, false);
    if (!request.is_object()) {
        std::cerr << "plugbay rehearse: only a running machine starts this, to try a new build of a device\n";
        return exit_status::usage;
    }
    confine(request, text->size() - end);
    Rehearsal(std::move(request), text->substr(end + 1)).run();
}

} // namespace plugbay::core
