// Fifty clients make random calls, valid and not, on a machine whose guest never rests:
//
//     control_soak [SECONDS [CLIENTS [SEED]]]
//
// Ends with status 1 if the monitor stopped answering or failed, if its memory (without sanitizers), descriptors or threads grew, or if it held
// the guest up for more than 100 ms, by its own records or (without sanitizers) by the guest's. The guest measures the longest time
// between two of its accesses; that also has what the host's scheduler did, so a run before gives the measure for it, in which
// the clients only keep the processors busy. Status 77: no machine can run here.
#include "core/control/control_client.hpp"
#include "core/control/rpc.hpp"
#include "tests/guests/machine/monitor.hpp"

#include <plugbay/unique_fd.hpp>

#include <algorithm>
#include <atomic>
#include <csignal>
#include <cstdlib>
#include <filesystem>
#include <fstream>
#include <iostream>
#include <mutex>
#include <poll.h>
#include <random>
#include <sys/socket.h>
#include <sys/un.h>
#include <thread>
#include <x86intrin.h>

namespace plugbay::end_to_end {
namespace {

using core::ControlClient;
using nlohmann::json;
using namespace std::chrono_literals;
using Clock = std::chrono::steady_clock;

constexpr std::chrono::milliseconds longest_stall = 100ms;

// The address sanitizer keeps what was freed, and something of each library that was unloaded. It finds leaks at the end.
#ifdef __SANITIZE_ADDRESS__
constexpr bool keeps_what_was_freed = true;
#else
constexpr bool keeps_what_was_freed = false;
#endif
#if defined(__SANITIZE_ADDRESS__) || defined(__SANITIZE_THREAD__)
constexpr bool sanitized = true;
#else
constexpr bool sanitized = false;
#endif
constexpr int skipped = 77;

// Real mode, at 0x7c00. Keeps the longest time between two rounds, in ticks of the time stamp counter, at 0x500:
//     rdtsc; mov %eax, %ebx
//  1: rdtsc; mov %eax, %ecx; sub %ebx, %ecx; mov %eax, %ebx; cmp 0x500, %ecx; jbe 2f; mov %ecx, 0x500
//  2: mov $0x3f8, %dx; mov $'x', %al; out %al, %dx; jmp 1b
constexpr std::string_view guest("\x0f\x31\x66\x89\xc3"
                                 "\x0f\x31\x66\x89\xc1\x66\x29\xd9\x66\x89\xc3\x66\x3b\x0e\x00\x05\x76\x05"
                                 "\x66\x89\x0e\x00\x05\xba\xf8\x03\xb0\x78\xee\xeb\xe1",
                                 36);

constexpr const char* machine = R"({
    "memory": "16M", "boot": { "kernel": "image", "protocol": "flat" },
    "devices": [
      { "type": "acpi-pm", "id": "power" },
      { "type": "pci-host", "id": "pci" },
      { "type": "serial-16550", "id": "com1" },
      { "type": "char-ring", "id": "ring", "frontend": { "id": "com1" } },
      { "type": "serial-16550", "id": "com2", "port": "0x2f8", "irq": 3 },
      { "type": "os-debug", "id": "debug" },
      { "type": "virtio-blk", "id": "vda" },
      { "type": "disk-ram", "id": "disk", "size": "1M", "frontend": { "id": "vda" } } ] })";

// Which calls a client may make, and what with. Nothing that ends or pauses the machine.
class Caller {
  public:
    // `gdb` is where a GDB server may listen.
    Caller(std::string gdb, std::uint64_t seed) : gdb_(std::move(gdb)), random_(seed) {}

    std::string line() {
        switch (below(20)) {
        case 0:
            return noise(below(200));
        case 1:
            return std::string(below(60), '[');
        case 2:
            return R"({"jsonrpc":"2.0","id":1,"method":")" + noise(below(20)) + "\"}";
        case 3:
            return core::rpc::line_of(call("devices." + noise(3), json::object()));
        case 4:
            return std::string(core::rpc::longest_line + below(4096), 'x');
        case 5: {
            json all = json::array();
            for (std::size_t i = below(10); i > 0; --i)
                all.push_back(valid());
            return all.dump();
        }
        default: {
            json one = valid();
            if (below(10) == 0) one["params"][noise_name()] = below(100);
            if (below(20) == 0) one["params"] = json::parse(pick({"[]", "7", "null", "{}", R"({"id":{}})"}));
            if (below(20) == 0) one.erase("id");
            return one.dump();
        }
        }
    }
    std::size_t below(std::size_t limit) {
        return std::uniform_int_distribution<std::size_t>(0, limit - 1)(random_);
    }

  private:
    std::string pick(std::initializer_list<const char*> choices) {
        return choices.begin()[static_cast<std::ptrdiff_t>(below(choices.size()))];
    }
    std::string device() {
        return pick(
            {"power", "pci", "com1", "ring", "com2", "debug", "vda", "disk", "x1", "x2", "x3", "nobody"});
    }
    std::string noise(std::size_t length) {
        std::string bytes;
        for (std::size_t i = 0; i < length; ++i)
            bytes += static_cast<char>(below(256));
        std::ranges::replace(bytes, '\n', ' ');
        return bytes;
    }
    std::string noise_name() { return pick({"id", "force", "vcpu", "nonsense", "", "params"}); }
    static json call(const std::string& method, json params) {
        return {{"jsonrpc", "2.0"}, {"id", 1}, {"method", method}, {"params", std::move(params)}};
    }
    json added() {
        const std::string id = pick({"x1", "x2", "x3"});
        switch (below(4)) {
        case 0:
            return {{"type", "debugcon"}, {"id", id}, {"port", 0x400 + below(4)}};
        case 1:
            return {{"type", "char-null"}, {"id", id}, {"frontend", {{"id", pick({"com1", "com2"})}}}};
        case 2:
            return {{"type", "virtio-rng"}, {"id", id}};
        default:
            return {{"type", noise_name()}, {"id", id}};
        }
    }
    json valid() {
        switch (below(26)) {
        case 0:
            return call("describe", json::object());
        case 1:
            return call("events.subscribe", json::object());
        case 2:
            return call("machine.status", json::object());
        case 3:
            return call("devices.list", json::object());
        case 4:
            return call("devices.tree", {{"format", pick({"text", "graphviz"})}});
        case 5:
            return call("devices.show", {{"id", device()}});
        case 6:
            return call("devices.add", {{"devices", json::array({added()})}});
        case 7:
            return call("devices.remove",
                        {{"id", pick({"x1", "x2", "x3"})}, {"force", true}, {"dependents", true}});
        case 8:
            return call("devices.reset", {{"id", pick({"com1", "com2", "debug", "x1"})}});
        case 9:
            return call("devices.set", {{"id", "debug"}, {"property", "rate"}, {"value", below(200)}});
        case 10:
            return call("links.list", json::object());
        case 11:
            return call("links.disconnect", {{"port", pick({"com1", "com2", "x1"})}});
        case 12:
            return call("links.connect",
                        {{"backend", pick({"ring", "x1"})}, {"frontend", pick({"com1", "com2"})}});
        case 13:
            return call(
                "links.replace",
                {{"frontend", "vda"},
                 {"device", {{"type", "disk-ram"}, {"id", pick({"disk", "disk2"})}, {"size", "1M"}}}});
        case 14:
            return call("registers.read", {{"vcpu", below(2)}});
        case 15:
            return call("memory.read",
                        {{"address", std::to_string(below(1 << 25))}, {"length", 1 + below(65536)}});
        case 16:
            return call("stats", below(2) == 0 ? json::object() : json{{"device", device()}});
        case 17:
            return call("stats.measure", {{"on", below(2) == 0}});
        case 18:
            return call("trace.start", {{"device", device()}});
        case 19:
            return call("trace.stop", {{"device", device()}});
        case 20:
            return call("devices.state", {{"id", device()}});
        case 21:
            return call("log.levels", json::object());
        case 22:
            return below(2) == 0 ? call("gdb.start", {{"address", gdb_}}) : call("gdb.stop", json::object());
        case 23: // a process of its own, which takes the others' time
            if (below(8) != 0) return call("trace.list", json::object());
            return call("swap", {{"device", "com1"}, {"file", serial}, {"dry_run", true}});
        case 24:
            if (below(8) != 0) return call("shadow.stop", {{"device", "com1"}});
            return call("shadow", {{"device", "com1"}, {"file", serial}, {"duration", 1000}});
        default:
            return call("log.set", {{"level", pick({"warning", "error"})}, {"name", pick({"io", "com1"})}});
        }
    }

    static constexpr const char* serial = PLUGBAY_PLUGINS "/serial-16550.so";
    const std::string gdb_;
    std::mt19937_64 random_;
};

// A connection without manners: it may stop reading, or leave in mid-sentence.
class Client {
  public:
    Client(std::filesystem::path socket, std::uint64_t seed)
        : socket_(std::move(socket)), caller_("unix:" + (socket_.parent_path() / "gdb").string(), seed) {}

    // As busy with itself as run() is.
    void think(const std::atomic<bool>& ending) {
        while (!ending) {
            static_cast<void>(caller_.line());
            std::this_thread::sleep_for(std::chrono::milliseconds(caller_.below(3)));
        }
    }
    void run(const std::atomic<bool>& ending) {
        while (!ending) {
            if (!fd_ && !connect()) continue;
            std::string line = caller_.line();
            const bool leave = caller_.below(200) == 0;
            if (leave) line.resize(line.size() / 2);
            if (!send(leave ? line : line + '\n') || leave) {
                fd_.reset();
                continue;
            }
            ++lines;
            if (caller_.below(8) != 0) drain();
        }
    }
    std::size_t lines = 0;

  private:
    bool connect() {
        sockaddr_un address{};
        address.sun_family = AF_UNIX;
        socket_.string().copy(address.sun_path, sizeof address.sun_path - 1);
        fd_ = UniqueFd(::socket(AF_UNIX, SOCK_STREAM | SOCK_CLOEXEC, 0));
        if (::connect(fd_.get(), reinterpret_cast<const sockaddr*>(&address), sizeof address) == 0)
            return true;
        fd_.reset();
        std::this_thread::sleep_for(10ms);
        return false;
    }
    // Gives up after a while: the other end does not read from who does not read.
    bool send(std::string_view bytes) {
        while (!bytes.empty()) {
            pollfd writable{.fd = fd_.get(), .events = POLLOUT, .revents = 0};
            if (::poll(&writable, 1, 200) != 1) return false;
            const ssize_t size = ::send(fd_.get(), bytes.data(), bytes.size(), MSG_NOSIGNAL | MSG_DONTWAIT);
            if (size < 0 && errno != EAGAIN) return false;
            if (size > 0) bytes.remove_prefix(static_cast<std::size_t>(size));
        }
        return true;
    }
    // What has come, and waits a little for more.
    void drain() {
        std::array<char, 65536> chunk;
        for (int wait = 20;; wait = 0) {
            pollfd readable{.fd = fd_.get(), .events = POLLIN, .revents = 0};
            if (::poll(&readable, 1, wait) != 1) return;
            if (::recv(fd_.get(), chunk.data(), chunk.size(), MSG_DONTWAIT) <= 0) return fd_.reset();
        }
    }

    std::filesystem::path socket_;
    Caller caller_;
    UniqueFd fd_;
};

struct Size {
    std::size_t kilobytes = 0; // resident
    std::size_t descriptors = 0;
    std::size_t threads = 0;
};

Size size_of(int process) {
    const std::filesystem::path folder = "/proc/" + std::to_string(process);
    const auto count = [&](const char* what) {
        std::error_code ignored;
        return static_cast<std::size_t>(
            std::distance(std::filesystem::directory_iterator(folder / what, ignored), {}));
    };
    std::size_t pages = 0;
    std::ifstream(folder / "statm") >> pages >> pages;
    return {pages * 4, count("fd"), count("task")};
}

double ticks_per_millisecond() {
    const auto begun = Clock::now();
    const std::uint64_t first = __rdtsc();
    std::this_thread::sleep_for(200ms);
    const std::uint64_t ticks = __rdtsc() - first;
    return static_cast<double>(ticks) /
           std::chrono::duration<double, std::milli>(Clock::now() - begun).count();
}

class Soak {
  public:
    Soak() {
        ::setenv("PLUGBAY_RUNTIME_DIR", (folder_.path() / "run").c_str(), 1);
        folder_.write("image", guest);
        const std::string file = folder_.write("soak.json", machine);
        monitor_ = std::make_unique<Child>(plugbay_command({"run", file}));
        for (int i = 0; i < 400 && !observer_; ++i) {
            if (auto found = ControlClient::find("soak"))
                observer_ = std::make_unique<ControlClient>(std::move(*found));
            std::this_thread::sleep_for(50ms);
        }
        if (!observer_)
            throw std::runtime_error("the machine did not come up: " + monitor_->finish(1s).text());
        process_ = call("machine.status")["pid"];
    }

    bool run(std::chrono::seconds time, std::size_t count, std::uint64_t seed) {
        const double rate = ticks_per_millisecond();
        std::vector<std::unique_ptr<Client>> clients;
        for (std::size_t i = 0; i < count; ++i)
            clients.push_back(std::make_unique<Client>(folder_.path() / "run/soak.sock", seed + i));
        std::atomic<bool> ending{false};
        std::vector<std::thread> threads;
        call("machine.reset");
        for (const auto& client : clients)
            threads.emplace_back([&ending, &client] { client->think(ending); });
        std::this_thread::sleep_for(std::min(time, std::chrono::seconds(20)));
        ending = true;
        for (std::thread& thread : threads)
            thread.join();
        const double baseline = stall() / rate;
        std::cout << "without calls: longest time between two accesses of the guest " << baseline << " ms\n";

        call("machine.reset");
        ending = false;
        threads.clear();
        for (const auto& client : clients)
            threads.emplace_back([&ending, &client] { client->run(ending); });
        const auto begun = Clock::now();
        Size settled;
        bool answers = true;
        for (auto passed = 0s; passed < time && answers; passed += 10s) {
            std::this_thread::sleep_until(begun + std::min(passed + 10s, time));
            answers = well();
            const Size now = size_of(process_);
            if (passed * 5 <= time) settled = now;
            std::cout << (passed + 10s).count() << " s: " << now.kilobytes << " KiB, " << now.descriptors
                      << " descriptors, " << now.threads << " threads" << std::endl;
        }
        ending = true;
        std::size_t lines = 0;
        for (std::size_t i = 0; i < count; ++i) {
            threads[i].join();
            lines += clients[i]->lines;
        }
        clients.clear();
        end_what_was_begun();
        std::this_thread::sleep_for(1s);
        const Size last = size_of(process_);
        const double longest = stall() / rate;
        const double held = held_milliseconds();
        std::cout << lines << " lines sent; longest time between two accesses of the guest " << longest
                  << " ms, longest time for which the monitor held the guest or a device " << held << " ms\n";
        return check(answers, "the machine answers") &
               check(held <= longest_stall.count(), "nothing is held for long") &
               check(sanitized || longest <= std::max<double>(longest_stall.count(), 3 * baseline),
                     "the guest is not held up") &
               check(keeps_what_was_freed || last.kilobytes < settled.kilobytes + 16384,
                     "memory does not grow") &
               check(last.descriptors <= settled.descriptors, "descriptors do not grow") &
               check(last.threads <= settled.threads, "threads do not grow") & end();
    }

  private:
    static bool check(bool good, const char* what) {
        std::cout << (good ? "ok      " : "FAILED  ") << what << std::endl;
        return good;
    }
    json call(const std::string& method, const json& params = json::object()) {
        auto result = observer_->call(method, params, 30s);
        if (!result) throw std::runtime_error(method + ": " + result.error().text());
        return std::move(*result);
    }
    // What was not begun is refused.
    void end_what_was_begun() {
        const json none = json::object();
        static_cast<void>(observer_->call("gdb.stop", json::object(), 30s));
        static_cast<void>(observer_->call("shadow.stop", {{"device", "com1"}}, 30s));
        for (const auto& device : call("trace.list")["devices"])
            call("trace.stop", {{"device", device}});
    }
    bool well() {
        try {
            return call("machine.status")["state"] == "running";
        } catch (const std::runtime_error& error) {
            std::cout << error.what() << '\n';
            return false;
        }
    }
    // As the guest measured it, in ticks.
    double stall() {
        const std::string bytes = call("memory.read", {{"address", "0x500"}, {"length", 4}})["bytes"];
        std::uint32_t ticks = 0;
        for (int i = 3; i >= 0; --i)
            ticks = ticks << 8 | static_cast<std::uint32_t>(std::stoul(
                                     bytes.substr(static_cast<std::size_t>(2 * i), 2), nullptr, 16));
        return ticks;
    }
    double held_milliseconds() {
        const json all = call("stats");
        double longest = all["pauses"]["longest_nanoseconds"];
        for (const auto& device : all["devices"])
            longest = std::max(longest, device["pauses"]["longest_nanoseconds"].get<double>());
        return longest / 1e6;
    }
    bool end() {
        call("machine.quit");
        const Outcome outcome = monitor_->finish(60s);
        if (outcome.status != 0) std::cout << outcome.text();
        return check(outcome.status == 0, "the monitor ends well");
    }

    TemporaryFolder folder_;
    std::unique_ptr<Child> monitor_;
    std::unique_ptr<ControlClient> observer_;
    int process_ = 0;
};

} // namespace
} // namespace plugbay::end_to_end

int main(int argc, char** argv) {
    if (const std::string problem = plugbay::end_to_end::kvm_problem(); !problem.empty()) {
        std::cout << "skipped: " << problem << '\n';
        return plugbay::end_to_end::skipped;
    }
    const auto number = [&](int index, std::uint64_t otherwise) {
        return argc > index ? std::strtoull(argv[index], nullptr, 10) : otherwise;
    };
    try {
        plugbay::end_to_end::Soak soak;
        const bool good = soak.run(std::chrono::seconds(number(1, 600)), number(2, 50), number(3, 1));
        return good ? 0 : 1;
    } catch (const std::exception& error) {
        std::cout << "FAILED  " << error.what() << '\n';
        return 1;
    }
}
