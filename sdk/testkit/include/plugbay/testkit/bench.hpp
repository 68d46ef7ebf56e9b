// A machine without CPUs and without KVM, in which a test is the guest: it loads plugins as they ship and
// implements the whole host side of the ABI in one thread, with virtual time. docs/testkit.md is the guide.
#pragma once

#include <plugbay/abi/firmware.h>
#include <plugbay/abi/host_event.h>
#include <plugbay/abi/hypercall.h>
#include <plugbay/abi/machine.h>
#include <plugbay/abi/timer.h>
#include <plugbay/state_image.hpp>
#include <plugbay/testkit/device.hpp>
#include <plugbay/testkit/error.hpp>
#include <plugbay/testkit/peer.hpp>
#include <plugbay/unique_fd.hpp>

#include <array>
#include <chrono>
#include <cstddef>
#include <cstdint>
#include <filesystem>
#include <functional>
#include <memory>
#include <optional>
#include <span>
#include <string>
#include <string_view>
#include <vector>

namespace plugbay::testkit {

struct BenchOptions {
    std::uint64_t memory = 16 << 20;                    // bytes of RAM from address 0
    std::uint64_t memory_above_4gb = 0;                 // bytes of RAM from address 4 GiB
    std::uint32_t cpu_count = 1;                        // what plugbay.machine/1 says
    std::uint64_t calendar = 1'000'000'000'000'000'000; // UTC at the beginning, ns: 2001-09-09T01:46:40
    std::uint64_t guest_time = 0;                       // PLUGBAY_CLOCK_GUEST at the beginning, ns
    int memory_file = -1;     // RAM begins as these bytes, the parts in order; -1: as zeros. Never written
    bool any_pci_bus = false; // a function on a bus that is not there joins the one built into the Bench
    bool strict = true;       // throw ContractViolation; off: only collect, see violations()
};

struct LogLine {
    std::string device;
    std::uint32_t level = 0;
    std::string text;
};

// What a device asked of the machine. The Bench only records it.
struct Request {
    std::string device;
    std::uint32_t request = 0; // PLUGBAY_REQUEST_POWER_OFF, ...
    std::uint32_t argument = 0;
};

struct MsixMessage {
    unsigned vector = 0;
    std::uint64_t address = 0;
    std::uint32_t data = 0;
};

// Where a function's BAR lies.
struct BarPlace {
    unsigned slot = 0;
    unsigned bar = 0;
    std::uint32_t kind = 0;
    std::uint64_t length = 0;
    std::uint64_t address = 0; // 0: not assigned
    bool decoded = false;      // the guest reaches it: enabled in the command register
};

class Bench {
  public:
    explicit Bench(BenchOptions options = {});
    // Disconnects and destroys what is left, newest device first.
    ~Bench();
    Bench(const Bench&) = delete;
    Bench& operator=(const Bench&) = delete;

    // --- devices: before start, or while quiesced ---

    // Creates a device of `type` from the plugin file. add throws Error with the device's own text.
    Device& add(const std::filesystem::path& plugin, std::string_view type, std::string_view id,
                const Properties& properties = {});
    Outcome try_add(const std::filesystem::path& plugin, std::string_view type, std::string_view id,
                    const Properties& properties = {});
    [[nodiscard]] Device& device(std::string_view id);
    // Disconnects it and destroys it; returns what it had not given back itself.
    Holdings remove(std::string_view id);

    // Replaces the build of a device in the way of a monitor: creates the one of `plugin` beside it, quiesces the
    // machine if it runs, connects it, hands the state over, destroys the old one and resumes. On failure the old
    // build goes on, and the text says at which step: stage, create, quiesce, connect, save, load, validate.
    Device& swap(std::string_view id, const std::filesystem::path& plugin);
    Device& swap(std::string_view id, const std::filesystem::path& plugin, const Properties& properties);
    Outcome try_swap(std::string_view id, const std::filesystem::path& plugin);
    Outcome try_swap(std::string_view id, const std::filesystem::path& plugin, const Properties& properties);

    // Joins two devices; `options` are those of the frontend's port. A port is named "<device id>", or
    // "<device id>.<name>" when it has a name. The frontend's connected comes first.
    void connect(std::string_view backend, std::string_view frontend, const Properties& options = {});
    Outcome try_connect(std::string_view backend, std::string_view frontend, const Properties& options = {});
    // Joins a fake to a device's port; the fake plays the other role.
    void connect(Peer& peer, std::string_view port, const Properties& options = {});
    Outcome try_connect(Peer& peer, std::string_view port, const Properties& options = {});
    void disconnect(std::string_view port);
    void disconnect(Peer& peer);

    // Before add: another build of the device `id` serves elsewhere and goes on. The device is never in that one's place,
    // and finds the descriptors that it has left, if any (plugbay.handover/1).
    void leave(std::string_view id);
    void leave(std::string_view id, std::string_view name, UniqueFd descriptor);
    // The device goes on where another build of it stopped: from start() or resume() it gets resume, and no start.
    void take_over(std::string_view id);

    // --- life cycle ---

    // Power-on: the built-in PCI bus assigns BARs, every device's start is called, the guest clock starts.
    void start();
    // Stops all devices, frontends before backends, and serves what is in flight until all have stopped;
    // throws when some device has not after `timeout` of real time.
    void quiesce(std::chrono::milliseconds timeout = std::chrono::seconds(10));
    // Only begins: calls quiesce of each; true when none is pending. Serve with run() and ask again with
    // quiesce_pending(): the devices that have not stopped yet.
    bool begin_quiesce();
    [[nodiscard]] std::vector<std::string> quiesce_pending() const;
    void resume();
    // Quiesces if running, resets PCI functions and every device, and resumes if it was running.
    void reset();
    [[nodiscard]] bool running() const;

    // --- the guest ---

    // Port access of 1, 2 or 4 bytes. Nobody there: reads give all ones, writes vanish.
    std::uint64_t in(std::uint16_t port, unsigned width = 1);
    void out(std::uint16_t port, unsigned width, std::uint64_t value);
    // Memory access of 1, 2, 4 or 8 bytes: RAM, mapped ranges, decoded BARs, MSI-X tables.
    std::uint64_t read(std::uint64_t address, unsigned width);
    void write(std::uint64_t address, unsigned width, std::uint64_t value);

    // rdmsr and wrmsr. Nothing and false: the guest faults, as it does where no device has a hook for the
    // access.
    std::optional<std::uint64_t> rdmsr(std::uint32_t index);
    bool wrmsr(std::uint32_t index, std::uint64_t value);
    // What devices made of a leaf whose registers were `before`: eax, ebx, ecx, edx.
    [[nodiscard]] std::array<std::uint32_t, 4> cpuid(std::uint32_t leaf, std::uint32_t subleaf = 0,
                                                     std::array<std::uint32_t, 4> before = {}) const;
    // A hypercall: `registers` as the guest has them, the number in rax. Returns rax.
    std::uint64_t hypercall(plugbay_hypercall_registers& registers);
    std::uint64_t hypercall(std::uint32_t number, std::uint64_t rbx = 0, std::uint64_t rcx = 0,
                            std::uint64_t rsi = 0, std::uint64_t rdi = 0);

    // RAM from address 0 (below 4 GiB); checked copies anywhere in RAM.
    [[nodiscard]] std::span<std::byte> memory();
    void read_memory(std::uint64_t address, std::span<std::byte> bytes);
    void write_memory(std::uint64_t address, std::span<const std::byte> bytes);
    template <typename T>
    [[nodiscard]] T load_object(std::uint64_t address) {
        T object{};
        read_memory(address, std::as_writable_bytes(std::span(&object, 1)));
        return object;
    }
    template <typename T>
    void store_object(std::uint64_t address, const T& object) {
        write_memory(address, std::as_bytes(std::span(&object, 1)));
    }

    // Interrupt lines: the level now, and rising edges since the beginning. PCI pins count in.
    [[nodiscard]] int line(unsigned gsi) const;
    [[nodiscard]] std::uint64_t edges(unsigned gsi) const;

    // --- time and the I/O loop ---

    // Serves rung doorbells, due timers and ready descriptors until nothing is left. Held back while
    // quiesced.
    void run();
    // run() again and again, in real time, until the predicate holds (true) or the timeout passed (false).
    // For descriptors and threads whose work ends by itself, such as io_uring's.
    bool run_until(const std::function<bool()>& predicate,
                   std::chrono::milliseconds timeout = std::chrono::seconds(10));
    // Lets virtual time pass. Timers fire in order, each at its exact time; run() is done between them.
    void advance(std::chrono::nanoseconds duration);
    // Lets virtual time pass as on a machine whose I/O loop is late: nothing is served, and timers that came due wait for
    // expire_timers(), run() or advance().
    void pass(std::chrono::nanoseconds duration);
    // Calls each timer that is due, once; how many that were.
    unsigned expire_timers();
    // How long the timer that was due first has been due; 0: none is.
    [[nodiscard]] std::chrono::nanoseconds overdue() const;
    [[nodiscard]] std::uint64_t now(std::uint32_t clock) const; // PLUGBAY_CLOCK_...

    // As another device would: tells all subscribers, at the next run().
    void publish(const plugbay_host_event& event);

    // --- PCI ---

    // Configuration space of `slot` on `bus`: a bridge's device id; empty: the first bridge's, or without one
    // the bus built into the Bench.
    std::uint32_t config_read(unsigned slot, unsigned offset, unsigned width, std::string_view bus = {});
    void config_write(unsigned slot, unsigned offset, unsigned width, std::uint32_t value,
                      std::string_view bus = {});
    [[nodiscard]] unsigned slot(std::string_view device) const;
    [[nodiscard]] std::uint64_t bar(std::string_view device, unsigned bar) const; // address; 0: not assigned
    [[nodiscard]] std::vector<BarPlace> bars(std::string_view bus = {}) const;
    // Hot plug: what the host tells the bridge `bus`, and the slots (bits) that the guest has let go of since the last take.
    void slot_changed(std::string_view bus, unsigned slot);
    void request_detach(std::string_view bus, unsigned slot);
    [[nodiscard]] std::uint32_t take_ejected(std::string_view bus);
    // Has the provider of ACPI's fixed hardware raise general-purpose event `event`.
    void raise_acpi_event(std::string_view provider, unsigned event);
    // Offset of a capability in the function's configuration space, the `nth` with this id; 0: none.
    [[nodiscard]] unsigned find_capability(std::string_view device, std::uint8_t id, unsigned nth = 0);
    // As a driver would: fills the table (vector v: address 0xfee00000, data v), unmasks, enables.
    void enable_msix(std::string_view device);
    void mask_msix(std::string_view device, unsigned vector, bool masked);
    // The messages that reached the guest since the last take.
    [[nodiscard]] std::vector<unsigned> take_msix(std::string_view device);
    [[nodiscard]] std::vector<MsixMessage> take_msix_messages(std::string_view device);
    [[nodiscard]] bool msix_pending(std::string_view device, unsigned vector) const;

    // --- what the devices said ---

    // How often devices have used the guest's RAM or a fake so far: what comes of that depends on more than themselves.
    [[nodiscard]] std::uint64_t outside_uses() const;

    [[nodiscard]] const std::vector<LogLine>& log() const;
    [[nodiscard]] const std::vector<Request>& requests() const; // all; in a machine the first wins
    [[nodiscard]] std::vector<Request> take_requests();
    [[nodiscard]] const std::optional<plugbay_acpi_fixed_hardware>& acpi_fixed_hardware() const;
    [[nodiscard]] const std::vector<plugbay_acpi_legacy_device>& acpi_legacy_devices() const;
    [[nodiscard]] const std::vector<std::vector<std::byte>>& acpi_tables() const;
    // Rules of the ABI that plugins broke, in words. Clearing is for tests that provoke them.
    [[nodiscard]] const std::vector<std::string>& violations() const;
    [[nodiscard]] std::vector<std::string> take_violations();

    // --- state ---

    [[nodiscard]] StateImage save(std::string_view id) { return device(id).save(); }
    void load(std::string_view id, const StateImage& image) { device(id).load(image); }
    // Everything: RAM, clocks, each device's state and its PCI function's configuration and MSI-X table. For
    // a Bench on which devices of the same ids and types have been added; between add and start.
    struct Checkpoint;
    [[nodiscard]] std::shared_ptr<const Checkpoint> save();
    void load(const Checkpoint& checkpoint);

  private:
    std::unique_ptr<detail::Machine> machine_;
};

} // namespace plugbay::testkit
