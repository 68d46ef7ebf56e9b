// The host as a device sees it: the calls of the ABI's host tables (those for PCI are in pci/function.hpp), with
// resources that give themselves back. A call that fails throws Failure; the host already knows why. Thread
// tags are those of the ABI headers.
#pragma once

#include <plugbay/abi/access.h>
#include <plugbay/abi/cpuid.h>
#include <plugbay/abi/doorbell.h>
#include <plugbay/abi/fd.h>
#include <plugbay/abi/firmware.h>
#include <plugbay/abi/host.h>
#include <plugbay/abi/host_event.h>
#include <plugbay/abi/hypercall.h>
#include <plugbay/abi/interrupt.h>
#include <plugbay/abi/machine.h>
#include <plugbay/abi/memory.h>
#include <plugbay/abi/msr.h>
#include <plugbay/abi/region.h>
#include <plugbay/abi/timer.h>
#include <plugbay/abi/worker.h>
#include <plugbay/failure.hpp>
#include <plugbay/handover.hpp>

#include <array>
#include <chrono>
#include <cstddef>
#include <cstdint>
#include <optional>
#include <span>
#include <string>
#include <utility>

namespace plugbay {

// A guest access as `read` and `write` receive it; see abi/access.h.
struct Access {
    std::uint64_t token;
    std::uint64_t offset;
    std::uint32_t width;
};

// A guest's rdmsr or wrmsr as `msr_read` and `msr_write` receive it; see abi/msr.h.
struct MsrAccess {
    std::uint64_t token;
    std::uint32_t index;
};

namespace detail {

// Owner of one handle; `Table` is the host table that `give_back` belongs to.
template <typename Table, auto give_back>
class Resource {
  public:
    Resource() = default;
    Resource(const plugbay_host* host, const Table* table, plugbay_handle handle)
        : host_(host), table_(table), handle_(handle) {}
    Resource(Resource&& other) noexcept
        : host_(other.host_), table_(other.table_), handle_(std::exchange(other.handle_, PLUGBAY_NO_HANDLE)) {
    }
    Resource& operator=(Resource&& other) noexcept {
        if (this != &other) {
            release();
            host_ = other.host_;
            table_ = other.table_;
            handle_ = std::exchange(other.handle_, PLUGBAY_NO_HANDLE);
        }
        return *this;
    }
    Resource(const Resource&) = delete;
    Resource& operator=(const Resource&) = delete;
    ~Resource() { release(); }

    [[nodiscard]] plugbay_handle handle() const { return handle_; }
    [[nodiscard]] explicit operator bool() const { return handle_ != PLUGBAY_NO_HANDLE; }
    void release() {
        if (handle_ != PLUGBAY_NO_HANDLE)
            (table_->*give_back)(host_, std::exchange(handle_, PLUGBAY_NO_HANDLE));
    }

  protected:
    const plugbay_host* host_ = nullptr;
    const Table* table_ = nullptr;
    plugbay_handle handle_ = PLUGBAY_NO_HANDLE;
};

} // namespace detail

// Ports or addresses whose accesses reach the device's read and write.
using Region = detail::Resource<plugbay_access_host, &plugbay_access_host::unmap>;

// MSRs whose accesses reach the device's msr_read and msr_write.
using MsrHook = detail::Resource<plugbay_msr_host, &plugbay_msr_host::unhook>;

// Bits of CPUID. Given back while creating, or when the device ends.
using CpuidBits = detail::Resource<plugbay_cpuid_host, &plugbay_cpuid_host::clear>;

// Hypercall numbers whose calls reach the device's hypercall().
using Hypercalls = detail::Resource<plugbay_hypercall_host, &plugbay_hypercall_host::release>;

// Pages of the guest's RAM whose accesses reach the device's read and write.
using RamWatch = detail::Resource<plugbay_region_host, &plugbay_region_host::remove>;

// Memory behind guest-physical addresses; see abi/region.h.
class MemoryRegion : public detail::Resource<plugbay_region_host, &plugbay_region_host::remove> {
  public:
    MemoryRegion() = default;
    MemoryRegion(const plugbay_host* host, const plugbay_region_host* table, plugbay_handle handle,
                 std::span<std::byte> bytes)
        : Resource(host, table, handle), bytes_(bytes) {}

    // What the guest sees; it changes it at any time.
    [[nodiscard]] std::span<std::byte> bytes() const { return bytes_; }
    // A bit for each page that the guest wrote since the last call; needs PLUGBAY_REGION_TRACK_DIRTY.
    void take_dirty(std::span<std::uint64_t> bitmap) {
        check(table_->take_dirty(host_, handle_, bitmap.data(), bitmap.size()));
    }

  private:
    std::span<std::byte> bytes_;
};

// Jobs that reach work() on a thread of the host's and then on_done() on the I/O loop.
class WorkQueue : public detail::Resource<plugbay_worker_host, &plugbay_worker_host::destroy> {
  public:
    using Resource::Resource;
    // [any] False: as many jobs as the queue holds are not done yet.
    [[nodiscard]] bool submit(std::uint64_t token) {
        const plugbay_status status = table_->submit(host_, handle_, token);
        if (status == PLUGBAY_NO_MEMORY) return false;
        check(status);
        return true;
    }
};

// What happens outside the guest; reaches on_host_event.
using HostEventSubscription =
    detail::Resource<plugbay_host_event_host, &plugbay_host_event_host::unsubscribe>;

// A guest write that reaches on_doorbell on the I/O loop.
class Doorbell : public detail::Resource<plugbay_doorbell_host, &plugbay_doorbell_host::destroy> {
  public:
    using Resource::Resource;
    void ring() { check(table_->ring(host_, handle_)); }
};

// A legacy interrupt line.
class InterruptLine : public detail::Resource<plugbay_interrupt_host, &plugbay_interrupt_host::release> {
  public:
    using Resource::Resource;
    void set(bool level) { check(table_->set(host_, handle_, level ? 1 : 0)); }
    void pulse() {
        set(true);
        set(false);
    }
};

// A deadline that reaches on_timer. Times are nanoseconds on the clock it was made with.
class Timer : public detail::Resource<plugbay_timer_host, &plugbay_timer_host::destroy> {
  public:
    using Resource::Resource;
    void arm(std::uint64_t deadline, std::uint64_t period = 0) {
        check(table_->arm(host_, handle_, deadline, period));
    }
    void disarm() { check(table_->disarm(host_, handle_)); }
};

// A watched file descriptor whose readiness reaches on_fd. Declare it after the descriptor's owner.
class FdWatch : public detail::Resource<plugbay_fd_host, &plugbay_fd_host::unwatch> {
  public:
    using Resource::Resource;
    void change(std::uint32_t events) { check(table_->change(host_, handle_, events)); }
};

// The guest's RAM. Every access is checked; see abi/memory.h.
class Memory {
  public:
    Memory() = default;
    Memory(const plugbay_host* host, const plugbay_memory_host* table) : host_(host), table_(table) {}

    // False when any byte of the range is not RAM; nothing was copied then.
    [[nodiscard]] bool read(std::uint64_t address, std::span<std::byte> bytes) const {
        return table_->read(host_, address, bytes.data(), bytes.size()) == PLUGBAY_OK;
    }
    [[nodiscard]] bool write(std::uint64_t address, std::span<const std::byte> bytes) const {
        return table_->write(host_, address, bytes.data(), bytes.size()) == PLUGBAY_OK;
    }
    // The same for scattered bytes; the segments' lengths add up to those of `bytes`.
    [[nodiscard]] bool read_segments(std::span<const plugbay_segment> segments,
                                     std::span<std::byte> bytes) const {
        return table_->read_segments(host_, segments.data(), static_cast<std::uint32_t>(segments.size()),
                                     bytes.data(), bytes.size()) == PLUGBAY_OK;
    }
    [[nodiscard]] bool write_segments(std::span<const plugbay_segment> segments,
                                      std::span<const std::byte> bytes) const {
        return table_->write_segments(host_, segments.data(), static_cast<std::uint32_t>(segments.size()),
                                      bytes.data(), bytes.size()) == PLUGBAY_OK;
    }
    template <typename T>
    [[nodiscard]] bool read_object(std::uint64_t address, T& object) const {
        return read(address, std::as_writable_bytes(std::span(&object, 1)));
    }
    template <typename T>
    [[nodiscard]] bool write_object(std::uint64_t address, const T& object) const {
        return write(address, std::as_bytes(std::span(&object, 1)));
    }
    // The host's view of exactly the range, or an empty span. Valid until unmap or quiesce.
    [[nodiscard]] std::span<std::byte> map(std::uint64_t address, std::uint64_t length,
                                           std::uint32_t access) const {
        void* pointer = nullptr;
        if (table_->map(host_, address, length, access, &pointer) != PLUGBAY_OK) return {};
        return {static_cast<std::byte*>(pointer), length};
    }
    void unmap(std::uint64_t address, std::uint64_t length, std::uint32_t access) const {
        table_->unmap(host_, address, length, access);
    }

  private:
    const plugbay_host* host_ = nullptr;
    const plugbay_memory_host* table_ = nullptr;
};

// Cheap to copy; valid for the life of the device.
class Host {
  public:
    explicit Host(const plugbay_host* raw)
        : raw_(raw), timers_(static_cast<const plugbay_timer_host*>(raw->extension(raw, PLUGBAY_TIMER))) {}

    [[nodiscard]] const plugbay_host* raw() const { return raw_; }
    [[nodiscard]] const char* device_id() const { return raw_->device_id; }

    void log(std::uint32_t level, const std::string& message) const {
        raw_->log(raw_, level, message.c_str());
    }
    void info(const std::string& message) const { log(PLUGBAY_LOG_INFO, message); }
    void warning(const std::string& message) const { log(PLUGBAY_LOG_WARNING, message); }
    void quiesced() const { raw_->quiesced(raw_); }

    // The host's table for an extension; throws when this host does not have it.
    template <typename Table>
    [[nodiscard]] const Table& extension(const char* id) const {
        const auto* table = static_cast<const Table*>(raw_->extension(raw_, id));
        if (table == nullptr) {
            throw Failure(std::string("this host (") + raw_->name + " " + raw_->version + ") has no " + id,
                          PLUGBAY_UNSUPPORTED);
        }
        return *table;
    }

    [[nodiscard]] Region map_ports(std::uint32_t first, std::uint32_t count, std::uint64_t token = 0) const {
        const auto& table = extension<plugbay_access_host>(PLUGBAY_ACCESS);
        plugbay_handle handle{};
        check(table.map_ports(raw_, first, count, token, &handle));
        return {raw_, &table, handle};
    }
    [[nodiscard]] Region map_memory(std::uint64_t address, std::uint64_t length,
                                    std::uint64_t token = 0) const {
        const auto& table = extension<plugbay_access_host>(PLUGBAY_ACCESS);
        plugbay_handle handle{};
        check(table.map_memory(raw_, address, length, token, &handle));
        return {raw_, &table, handle};
    }
    // `flags`: PLUGBAY_MSR_...
    [[nodiscard]] MsrHook hook_msrs(std::uint32_t first, std::uint32_t count,
                                    std::uint32_t flags = PLUGBAY_MSR_READ | PLUGBAY_MSR_WRITE,
                                    std::uint64_t token = 0) const {
        const auto& table = extension<plugbay_msr_host>(PLUGBAY_MSR);
        plugbay_handle handle{};
        check(table.hook(raw_, first, count, flags, token, &handle));
        return {raw_, &table, handle};
    }
    // A whole leaf: eax, ebx, ecx, edx. Only in the constructor, as is the next.
    [[nodiscard]] CpuidBits set_cpuid_leaf(std::uint32_t leaf, const std::array<std::uint32_t, 4>& value,
                                           std::optional<std::uint32_t> subleaf = {}) const {
        constexpr std::uint32_t all = ~std::uint32_t{0};
        return set_cpuid(leaf, subleaf, {all, all, all, all}, value);
    }
    // Bits of one register (PLUGBAY_CPUID_EAX ...) of a leaf; `value` is within `mask`.
    [[nodiscard]] CpuidBits set_cpuid_bits(std::uint32_t leaf, std::optional<std::uint32_t> subleaf,
                                           std::uint32_t which, std::uint32_t mask,
                                           std::uint32_t value) const {
        std::array<std::uint32_t, 4> masks{};
        std::array<std::uint32_t, 4> values{};
        masks.at(which) = mask;
        values.at(which) = value;
        return set_cpuid(leaf, subleaf, masks, values);
    }
    [[nodiscard]] Hypercalls claim_hypercalls(std::uint32_t first, std::uint32_t count,
                                              std::uint64_t token = 0) const {
        const auto& table = extension<plugbay_hypercall_host>(PLUGBAY_HYPERCALL);
        plugbay_handle handle{};
        check(table.claim(raw_, first, count, token, &handle));
        return {raw_, &table, handle};
    }
    // `kind`: PLUGBAY_REGION_RAM, _ROM or _WRITE_HOOK. Only in the constructor, as is the next.
    [[nodiscard]] MemoryRegion memory_region(std::uint32_t kind, std::uint64_t address, std::uint64_t length,
                                             std::uint64_t token = 0, std::uint32_t flags = 0) const {
        const auto& table = extension<plugbay_region_host>(PLUGBAY_REGION);
        plugbay_handle handle{};
        void* pointer = nullptr;
        check(table.create(raw_, kind, flags, address, length, token, &handle, &pointer));
        return {raw_, &table, handle, {static_cast<std::byte*>(pointer), static_cast<std::size_t>(length)}};
    }
    // `what`: PLUGBAY_WATCH_WRITES or _ALL.
    [[nodiscard]] RamWatch watch_ram(std::uint32_t what, std::uint64_t address, std::uint64_t length,
                                     std::uint64_t token = 0) const {
        const auto& table = extension<plugbay_region_host>(PLUGBAY_REGION);
        plugbay_handle handle{};
        check(table.watch_ram(raw_, what, address, length, token, &handle));
        return {raw_, &table, handle};
    }
    [[nodiscard]] WorkQueue work_queue(std::uint32_t capacity) const {
        const auto& table = extension<plugbay_worker_host>(PLUGBAY_WORKER);
        plugbay_handle handle{};
        check(table.create(raw_, capacity, &handle));
        return {raw_, &table, handle};
    }
    // `kinds`: PLUGBAY_EVENT_...
    [[nodiscard]] HostEventSubscription subscribe(std::uint32_t kinds, std::uint64_t token = 0) const {
        const auto& table = extension<plugbay_host_event_host>(PLUGBAY_HOST_EVENT);
        plugbay_handle handle{};
        check(table.subscribe(raw_, kinds, token, &handle));
        return {raw_, &table, handle};
    }
    // [any]
    void publish(const plugbay_host_event& event) const {
        check(extension<plugbay_host_event_host>(PLUGBAY_HOST_EVENT).publish(raw_, &event));
    }
    // Every write of `width` bytes rings, whatever its value.
    [[nodiscard]] Doorbell doorbell(plugbay_handle region, std::uint64_t offset, std::uint32_t width,
                                    std::uint64_t token = 0) const {
        return make_doorbell(region, offset, width, PLUGBAY_DOORBELL_ANY_VALUE, 0, token);
    }
    // Only writes of `value` ring.
    [[nodiscard]] Doorbell doorbell_for_value(plugbay_handle region, std::uint64_t offset,
                                              std::uint32_t width, std::uint64_t value,
                                              std::uint64_t token = 0) const {
        return make_doorbell(region, offset, width, 0, value, token);
    }
    [[nodiscard]] InterruptLine interrupt_line(std::uint32_t gsi, std::uint32_t flags = 0) const {
        const auto& table = extension<plugbay_interrupt_host>(PLUGBAY_INTERRUPT);
        plugbay_handle handle{};
        check(table.claim(raw_, gsi, flags, &handle));
        return {raw_, &table, handle};
    }
    [[nodiscard]] std::uint64_t now(std::uint32_t clock = PLUGBAY_CLOCK_GUEST) const {
        return timers().now(raw_, clock);
    }
    // The deadline for Timer::arm that is `wait` from now.
    [[nodiscard]] std::uint64_t after(std::chrono::nanoseconds wait,
                                      std::uint32_t clock = PLUGBAY_CLOCK_GUEST) const {
        return now(clock) + static_cast<std::uint64_t>(wait.count());
    }
    [[nodiscard]] Timer timer(std::uint32_t clock = PLUGBAY_CLOCK_GUEST, std::uint64_t token = 0) const {
        const auto& table = timers();
        plugbay_handle handle{};
        check(table.create(raw_, clock, token, &handle));
        return {raw_, &table, handle};
    }
    [[nodiscard]] FdWatch watch(int fd, std::uint32_t events, std::uint64_t token = 0) const {
        const auto& table = extension<plugbay_fd_host>(PLUGBAY_FD);
        plugbay_handle handle{};
        check(table.watch(raw_, fd, events, token, &handle));
        return {raw_, &table, handle};
    }
    // What survives the replacing of this device's build.
    [[nodiscard]] Handover handover() const {
        return {raw_, static_cast<const plugbay_handover_host*>(raw_->extension(raw_, PLUGBAY_HANDOVER))};
    }
    [[nodiscard]] Memory memory() const { return {raw_, &extension<plugbay_memory_host>(PLUGBAY_MEMORY)}; }
    [[nodiscard]] plugbay_machine_facts machine_facts() const {
        plugbay_machine_facts facts{};
        facts.size = sizeof facts;
        extension<plugbay_machine_host>(PLUGBAY_MACHINE).facts(raw_, &facts);
        return facts;
    }
    // What the firmware tables say of the device; see abi/firmware.h.
    void set_acpi_fixed_hardware(const plugbay_acpi_fixed_hardware& hardware) const {
        check(firmware().set_acpi_fixed_hardware(raw_, &hardware));
    }
    void add_acpi_legacy_device(const plugbay_acpi_legacy_device& device) const {
        check(firmware().add_acpi_legacy_device(raw_, &device));
    }
    void add_acpi_table(std::span<const std::byte> table) const {
        check(firmware().add_acpi_table(raw_, table.data(), table.size()));
    }
    // PLUGBAY_REQUEST_POWER_OFF, _RESET or _EXIT (`argument`: the exit status).
    void request(std::uint32_t request, std::uint32_t argument = 0) const {
        check(extension<plugbay_machine_host>(PLUGBAY_MACHINE).request(raw_, request, argument));
    }

  private:
    [[nodiscard]] const plugbay_timer_host& timers() const {
        return timers_ != nullptr ? *timers_ : extension<plugbay_timer_host>(PLUGBAY_TIMER); // which throws
    }
    [[nodiscard]] const plugbay_firmware_host& firmware() const {
        return extension<plugbay_firmware_host>(PLUGBAY_FIRMWARE);
    }
    [[nodiscard]] CpuidBits set_cpuid(std::uint32_t leaf, std::optional<std::uint32_t> subleaf,
                                      const std::array<std::uint32_t, 4>& mask,
                                      const std::array<std::uint32_t, 4>& value) const {
        const auto& table = extension<plugbay_cpuid_host>(PLUGBAY_CPUID);
        plugbay_cpuid_bits bits{};
        bits.size = sizeof bits;
        bits.flags = subleaf ? PLUGBAY_CPUID_SUBLEAF : 0;
        bits.leaf = leaf;
        bits.subleaf = subleaf.value_or(0);
        for (std::size_t i = 0; i < mask.size(); ++i) {
            bits.mask[i] = mask[i];
            bits.value[i] = value[i];
        }
        plugbay_handle handle{};
        check(table.set(raw_, &bits, &handle));
        return {raw_, &table, handle};
    }
    [[nodiscard]] Doorbell make_doorbell(plugbay_handle region, std::uint64_t offset, std::uint32_t width,
                                         std::uint32_t flags, std::uint64_t value,
                                         std::uint64_t token) const {
        const auto& table = extension<plugbay_doorbell_host>(PLUGBAY_DOORBELL);
        plugbay_handle handle{};
        check(table.create(raw_, region, offset, width, flags, value, token, &handle));
        return {raw_, &table, handle};
    }

    const plugbay_host* raw_;
    const plugbay_timer_host* timers_; // looked up once: devices ask for the time in guest accesses
};

} // namespace plugbay
