// The host side of the ABI. One mutex guards everything: a Bench call and every host function hold it,
// callbacks into devices run without it. So a device's own threads may call what is tagged [any].
#pragma once

#include "guest_ram.hpp"
#include "pci_function.hpp"
#include "records.hpp"

#include <plugbay/testkit/bench.hpp>

#include <array>
#include <deque>
#include <map>
#include <mutex>
#include <optional>
#include <thread>
#include <type_traits>

namespace plugbay::testkit::detail {

inline constexpr unsigned line_count = 24;
inline constexpr int most_rounds = 100'000; // of the I/O loop in one run()

class Machine {
  public:
    explicit Machine(const BenchOptions& options);
    ~Machine();
    Machine(const Machine&) = delete;
    Machine& operator=(const Machine&) = delete;

    // Every public call of the testkit runs in here.
    template <typename Body>
    decltype(auto) entry(Body body) {
        std::unique_lock lock(mutex_);
        if constexpr (std::is_void_v<decltype(body())>) {
            body();
            throw_violations();
        } else {
            decltype(auto) result = body();
            throw_violations();
            return result;
        }
    }

    // A callback into a device, or into a fake's device: the mutex is free meanwhile.
    class Callback {
      public:
        Callback(Machine& machine, DeviceRecord& device, const char* name);
        ~Callback();
        Callback(const Callback&) = delete;
        Callback& operator=(const Callback&) = delete;

      private:
        Machine& machine_;
    };

    void violation(const DeviceRecord* device, const std::string& text);
    void throw_violations();
    [[nodiscard]] bool in_callback() const {
        return !frames_.empty() && thread_ == std::this_thread::get_id();
    }
    // The callback that runs now; "" for none.
    [[nodiscard]] std::string_view callback_name() const {
        return frames_.empty() ? "" : frames_.back().name;
    }

    // --- devices and life cycle (devices.cpp, life_cycle.cpp) ---
    DeviceRecord& add(const std::filesystem::path& file, std::string_view type, std::string_view id,
                      const Properties& properties);
    DeviceRecord& find(std::string_view id) const;
    Holdings remove(DeviceRecord& device);
    // In the way of a monitor; swap.cpp. Throws Error that says at which step; the build before it goes on then.
    void swap(DeviceRecord& device, const std::filesystem::path& file, const Properties& properties);
    [[nodiscard]] Holdings holdings(const DeviceRecord& device) const;
    void start();
    void begin_quiesce();
    void mark_stopped(DeviceRecord& device);
    [[nodiscard]] std::vector<std::string> quiesce_pending() const;
    void quiesce(std::chrono::milliseconds timeout);
    void resume();
    void reset();
    void require_stopped(const char* what) const;
    void require_running(const char* what) const;
    void require_peers() const; // on every port that needs one
    // Counts uses of memory and peers, and flags those by a device that has been quiesced.
    void expect_awake(DeviceRecord& device, const std::string& what);
    StateImage save(DeviceRecord& device);
    void load(DeviceRecord& device, const StateImage& image);     // throws Error
    std::vector<Statistic> read_statistics(DeviceRecord& device); // statistics.cpp
    std::shared_ptr<const Bench::Checkpoint> save_all();
    void load_all(const Bench::Checkpoint& checkpoint);

    // --- links (links.cpp) ---
    void connect(std::string_view backend, std::string_view frontend, const Properties& options);
    void connect(Peer& peer, std::string_view port, const Properties& options);
    void disconnect(std::string_view port);
    void disconnect(Peer& peer);
    void retire(Peer& peer) noexcept; // the fake is dying

    // --- the guest (guest.cpp) ---
    std::uint64_t access(MappedRange::Space space, std::uint64_t address, unsigned width,
                         std::optional<std::uint64_t> value);
    [[nodiscard]] std::vector<MappedRange> ranges(const DeviceRecord& device) const;
    void update_line(unsigned gsi);

    // --- the guest's processor (processor.cpp) ---
    bool access_msr(std::uint32_t index, std::uint64_t& value, bool write); // false: the guest faults
    [[nodiscard]] std::array<std::uint32_t, 4> read_cpuid(std::uint32_t leaf, std::uint32_t subleaf,
                                                          std::array<std::uint32_t, 4> before) const;
    void hypercall(plugbay_hypercall_registers& registers);

    // --- memory that devices watch (host_region.cpp) ---
    // True when the access was one to such memory; what it read is in `result`.
    bool access_region(std::uint64_t address, unsigned width, std::optional<std::uint64_t> value,
                       std::uint64_t& result);

    // --- workers and host events (host_worker.cpp, host_event.cpp) ---
    int serve_workers();
    int serve_events();
    void publish(const plugbay_host_event& event);

    // --- time and I/O (io_loop.cpp) ---
    void run();
    bool run_until(const std::function<bool()>& predicate, std::chrono::milliseconds timeout,
                   std::unique_lock<std::mutex>& lock);
    void advance(std::uint64_t nanoseconds);
    void pass(std::uint64_t nanoseconds);
    int serve_timers();
    [[nodiscard]] std::int64_t overdue() const; // ns, of the timer that was due first
    [[nodiscard]] std::uint64_t now(std::uint32_t clock) const;
    void ring(DoorbellRecord& doorbell, plugbay_handle handle);

    // --- PCI (pci_machine.cpp) ---
    PciBus& bus(std::string_view name);
    PciFunction& function_of(std::string_view device);
    using SlotEvent = void (*)(void* instance, std::uint32_t slot);
    void tell_bridge(std::string_view bus, SlotEvent plugbay_pci_bus_callbacks::*event, const char* name,
                     unsigned slot);
    void raise_acpi_event(std::string_view provider, unsigned event);
    plugbay_status add_function(DeviceRecord& device, const plugbay_pci_function& description,
                                plugbay_handle& handle, std::string& why);
    void remove_function(plugbay_handle handle);
    void pass_bars(plugbay_handle function, DeviceRecord& heir, const plugbay_pci_function& description);
    std::uint32_t config_read(PciBus& bus, unsigned slot, unsigned offset, unsigned width);
    void config_write(PciBus& bus, unsigned slot, unsigned offset, unsigned width, std::uint32_t value);
    void function_changed(PciFunction& function); // decoding, pin and pending vectors follow the registers
    void assign_built_in_bus();
    std::uint64_t msix_access(Region& region, std::uint64_t offset, unsigned width,
                              std::optional<std::uint64_t> value);

    plugbay_handle next_handle() { return ++last_handle_; }
    std::mutex& mutex() { return mutex_; }

    BenchOptions options;
    GuestRam ram;
    std::map<std::string, std::map<std::string, UniqueFd>> left_elsewhere; // by device, for those to be added
    std::vector<std::unique_ptr<DeviceRecord>> devices;
    std::vector<std::unique_ptr<Connection>> connections;
    std::vector<std::unique_ptr<plugbay_link>> dead_links; // kept for those devices that call through them

    std::map<plugbay_handle, Region> regions;
    std::map<plugbay_handle, DoorbellRecord> doorbells;
    std::deque<plugbay_handle> rung;
    std::map<plugbay_handle, MsrRecord> msrs;
    std::map<plugbay_handle, CpuidRecord> cpuid;
    std::map<plugbay_handle, HypercallRecord> hypercalls;
    std::map<plugbay_handle, MemoryRegionRecord> memory_regions;
    std::map<plugbay_handle, RamWatchRecord> ram_watches;
    std::map<plugbay_handle, WorkQueueRecord> work_queues;
    std::map<plugbay_handle, SubscriptionRecord> subscriptions;
    std::map<plugbay_handle, LineClaim> claims;
    std::map<plugbay_handle, TimerRecord> timers;
    std::map<plugbay_handle, WatchRecord> watches;
    std::vector<MapRecord> maps;
    std::map<plugbay_handle, PciFunction> functions;
    std::map<plugbay_handle, PciBus> buses;
    plugbay_handle built_in_bus = PLUGBAY_NO_HANDLE;

    std::array<bool, line_count> levels{};
    std::array<std::uint64_t, line_count> edges{};
    std::uint64_t guest_time = 0;
    std::uint64_t host_time = 0;
    bool started = false;
    bool running = false;

    std::vector<LogLine> log;
    std::vector<Request> requests;
    std::optional<plugbay_acpi_fixed_hardware> fixed_hardware;
    std::string fixed_hardware_owner;
    std::vector<plugbay_acpi_legacy_device> legacy_devices;
    std::vector<std::vector<std::byte>> acpi_tables;
    std::vector<std::string> violations;
    std::size_t violations_thrown = 0;
    std::uint64_t outside_uses = 0;

  private:
    struct Frame {
        DeviceRecord* device;
        const char* name;
    };

    class Swap;

    std::shared_ptr<const PluginFile> open(const std::filesystem::path& file);
    void resolve_tables(DeviceRecord& device);
    [[nodiscard]] std::vector<DeviceRecord*> frontends_first() const;
    void release_everything(DeviceRecord& device);
    // Throws Error, with nothing of the device left.
    void create(DeviceRecord& device, const Properties& properties);
    void call_destroy(DeviceRecord& device);
    Holdings destroy(DeviceRecord& device);
    // Each map of what guests or peers know a device by, which its successor has to ask for.
    template <typename Visitor>
    void each_inheritance(Visitor visit) {
        visit("a range of ports or memory", regions);
        visit("a doorbell", doorbells);
        visit("an interrupt line", claims);
        visit("MSRs", msrs);
        visit("bits of CPUID", cpuid);
        visit("hypercalls", hypercalls);
        visit("memory of its own", memory_regions);
        visit("a watch of RAM", ram_watches);
        visit("a PCI function", functions);
        visit("a PCI bus", buses);
    }
    void forget_heir(const DeviceRecord& device);
    void call_connected(End& end, const plugbay_value* values, std::uint32_t count);
    void call_disconnected(End& end);
    void join(std::unique_ptr<Connection> connection, const Properties& options);
    void disconnect(Connection& connection);
    [[nodiscard]] End find_port(std::string_view name, std::uint32_t role, std::string_view interface) const;
    Region* find_region(MappedRange::Space space, std::uint64_t address, unsigned width,
                        plugbay_handle& handle);
    int serve_doorbells();
    int serve_watches();
    [[nodiscard]] std::optional<std::uint64_t> next_timer() const;

    std::mutex mutex_;
    std::vector<Frame> frames_;
    std::thread::id thread_;
    plugbay_handle last_handle_ = 0;
    std::map<std::string, std::shared_ptr<const PluginFile>> plugins_;
};

} // namespace plugbay::testkit::detail
