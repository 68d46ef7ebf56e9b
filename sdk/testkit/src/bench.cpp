#include <plugbay/testkit/bench.hpp>

#include "machine.hpp"

#include <utility>

namespace plugbay::testkit {
namespace {

template <typename Body>
Outcome outcome_of(Body body) {
    try {
        body();
        return {};
    } catch (const ContractViolation&) {
        throw;
    } catch (const Error& error) {
        return {error.status(), error.what()};
    }
}

constexpr std::uint64_t message_address = 0xfee00000;

} // namespace

Bench::Bench(BenchOptions options) : machine_(std::make_unique<detail::Machine>(options)) {}
Bench::~Bench() = default;

// --- devices ---

Device& Bench::add(const std::filesystem::path& plugin, std::string_view type, std::string_view id,
                   const Properties& properties) {
    return machine_->entry([&]() -> Device& { return machine_->add(plugin, type, id, properties).device; });
}
Outcome Bench::try_add(const std::filesystem::path& plugin, std::string_view type, std::string_view id,
                       const Properties& properties) {
    return outcome_of([&] { add(plugin, type, id, properties); });
}
Device& Bench::device(std::string_view id) {
    return machine_->entry([&]() -> Device& { return machine_->find(id).device; });
}
Holdings Bench::remove(std::string_view id) {
    return machine_->entry([&] { return machine_->remove(machine_->find(id)); });
}
Device& Bench::swap(std::string_view id, const std::filesystem::path& plugin, const Properties& properties) {
    machine_->entry([&] { machine_->swap(machine_->find(id), plugin, properties); });
    return device(id);
}
Device& Bench::swap(std::string_view id, const std::filesystem::path& plugin) {
    return swap(id, plugin, Properties(machine_->entry([&] { return machine_->find(id).properties; })));
}
Outcome Bench::try_swap(std::string_view id, const std::filesystem::path& plugin,
                        const Properties& properties) {
    return outcome_of([&] { swap(id, plugin, properties); });
}
Outcome Bench::try_swap(std::string_view id, const std::filesystem::path& plugin) {
    return outcome_of([&] { swap(id, plugin); });
}
void Bench::connect(std::string_view backend, std::string_view frontend, const Properties& options) {
    machine_->entry([&] { machine_->connect(backend, frontend, options); });
}
Outcome Bench::try_connect(std::string_view backend, std::string_view frontend, const Properties& options) {
    return outcome_of([&] { connect(backend, frontend, options); });
}
void Bench::connect(Peer& peer, std::string_view port, const Properties& options) {
    machine_->entry([&] { machine_->connect(peer, port, options); });
}
Outcome Bench::try_connect(Peer& peer, std::string_view port, const Properties& options) {
    return outcome_of([&] { connect(peer, port, options); });
}
void Bench::disconnect(std::string_view port) {
    machine_->entry([&] { machine_->disconnect(port); });
}
void Bench::disconnect(Peer& peer) {
    machine_->entry([&] { machine_->disconnect(peer); });
}

void Bench::leave(std::string_view id) {
    machine_->left_elsewhere.try_emplace(std::string(id));
}
void Bench::leave(std::string_view id, std::string_view name, UniqueFd descriptor) {
    machine_->left_elsewhere[std::string(id)].insert_or_assign(std::string(name), std::move(descriptor));
}
void Bench::take_over(std::string_view id) {
    machine_->entry([&] {
        machine_->require_stopped("taking over");
        machine_->find(id).started = true;
    });
}

// --- life cycle ---

void Bench::start() {
    machine_->entry([&] { machine_->start(); });
}
void Bench::quiesce(std::chrono::milliseconds timeout) {
    machine_->entry([&] { machine_->quiesce(timeout); });
}
bool Bench::begin_quiesce() {
    return machine_->entry([&] {
        machine_->begin_quiesce();
        return machine_->quiesce_pending().empty();
    });
}
std::vector<std::string> Bench::quiesce_pending() const {
    return machine_->entry([&] { return machine_->quiesce_pending(); });
}
void Bench::resume() {
    machine_->entry([&] { machine_->resume(); });
}
void Bench::reset() {
    machine_->entry([&] { machine_->reset(); });
}
bool Bench::running() const {
    return machine_->running;
}

// --- the guest ---

std::uint64_t Bench::in(std::uint16_t port, unsigned width) {
    return machine_->entry(
        [&] { return machine_->access(MappedRange::Space::ports, port, width, std::nullopt); });
}
void Bench::out(std::uint16_t port, unsigned width, std::uint64_t value) {
    machine_->entry([&] { machine_->access(MappedRange::Space::ports, port, width, value); });
}
std::uint64_t Bench::read(std::uint64_t address, unsigned width) {
    return machine_->entry(
        [&] { return machine_->access(MappedRange::Space::memory, address, width, std::nullopt); });
}
void Bench::write(std::uint64_t address, unsigned width, std::uint64_t value) {
    machine_->entry([&] { machine_->access(MappedRange::Space::memory, address, width, value); });
}
std::optional<std::uint64_t> Bench::rdmsr(std::uint32_t index) {
    return machine_->entry([&] {
        std::uint64_t value = 0;
        return machine_->access_msr(index, value, false) ? std::optional(value) : std::nullopt;
    });
}
bool Bench::wrmsr(std::uint32_t index, std::uint64_t value) {
    return machine_->entry([&] { return machine_->access_msr(index, value, true); });
}
std::array<std::uint32_t, 4> Bench::cpuid(std::uint32_t leaf, std::uint32_t subleaf,
                                          std::array<std::uint32_t, 4> before) const {
    return machine_->entry([&] { return machine_->read_cpuid(leaf, subleaf, before); });
}
std::uint64_t Bench::hypercall(plugbay_hypercall_registers& registers) {
    machine_->entry([&] { machine_->hypercall(registers); });
    return registers.rax;
}
std::uint64_t Bench::hypercall(std::uint32_t number, std::uint64_t rbx, std::uint64_t rcx, std::uint64_t rsi,
                               std::uint64_t rdi) {
    plugbay_hypercall_registers registers{};
    registers.rax = number;
    registers.rbx = rbx;
    registers.rcx = rcx;
    registers.rsi = rsi;
    registers.rdi = rdi;
    return hypercall(registers);
}
void Bench::publish(const plugbay_host_event& event) {
    machine_->entry([&] { machine_->publish(event); });
}
std::span<std::byte> Bench::memory() {
    return machine_->ram.range(0, machine_->ram.below_4gb());
}
void Bench::read_memory(std::uint64_t address, std::span<std::byte> bytes) {
    if (bytes.empty()) return;
    const auto source = machine_->ram.range(address, bytes.size());
    if (source.empty()) throw Error("the range to read is not all RAM", PLUGBAY_INVALID);
    std::copy(source.begin(), source.end(), bytes.begin());
}
void Bench::write_memory(std::uint64_t address, std::span<const std::byte> bytes) {
    if (bytes.empty()) return;
    const auto target = machine_->ram.range(address, bytes.size());
    if (target.empty()) throw Error("the range to write is not all RAM", PLUGBAY_INVALID);
    std::copy(bytes.begin(), bytes.end(), target.begin());
}
int Bench::line(unsigned gsi) const {
    return machine_->entry([&] { return machine_->levels.at(gsi) ? 1 : 0; });
}
std::uint64_t Bench::edges(unsigned gsi) const {
    return machine_->entry([&] { return machine_->edges.at(gsi); });
}

// --- time and the I/O loop ---

void Bench::run() {
    machine_->entry([&] { machine_->run(); });
}
bool Bench::run_until(const std::function<bool()>& predicate, std::chrono::milliseconds timeout) {
    std::unique_lock lock(machine_->mutex());
    return machine_->run_until(predicate, timeout, lock);
}
void Bench::advance(std::chrono::nanoseconds duration) {
    if (duration.count() < 0) throw Error("time does not go backwards", PLUGBAY_INVALID);
    machine_->entry([&] { machine_->advance(static_cast<std::uint64_t>(duration.count())); });
}
void Bench::pass(std::chrono::nanoseconds duration) {
    if (duration.count() < 0) throw Error("time does not go backwards", PLUGBAY_INVALID);
    machine_->entry([&] { machine_->pass(static_cast<std::uint64_t>(duration.count())); });
}
unsigned Bench::expire_timers() {
    return machine_->entry([&] { return static_cast<unsigned>(machine_->serve_timers()); });
}
std::chrono::nanoseconds Bench::overdue() const {
    return machine_->entry([&] { return std::chrono::nanoseconds(machine_->overdue()); });
}
std::uint64_t Bench::outside_uses() const {
    return machine_->entry([&] { return machine_->outside_uses; });
}
std::uint64_t Bench::now(std::uint32_t clock) const {
    return machine_->entry([&] { return machine_->now(clock); });
}

// --- PCI ---

namespace {
void check_config_access(unsigned slot, unsigned offset, unsigned width) {
    if ((width != 1 && width != 2 && width != 4) || offset % 4 + width > 4 || slot > 31)
        throw Error("a configuration access lies within one doubleword of slots 0 to 31", PLUGBAY_INVALID);
}
} // namespace

std::uint32_t Bench::config_read(unsigned slot, unsigned offset, unsigned width, std::string_view bus) {
    check_config_access(slot, offset, width);
    return machine_->entry([&] { return machine_->config_read(machine_->bus(bus), slot, offset, width); });
}
void Bench::config_write(unsigned slot, unsigned offset, unsigned width, std::uint32_t value,
                         std::string_view bus) {
    check_config_access(slot, offset, width);
    machine_->entry([&] { machine_->config_write(machine_->bus(bus), slot, offset, width, value); });
}
void Bench::slot_changed(std::string_view bus, unsigned slot) {
    machine_->entry(
        [&] { machine_->tell_bridge(bus, &plugbay_pci_bus_callbacks::changed, "changed", slot); });
}
void Bench::request_detach(std::string_view bus, unsigned slot) {
    machine_->entry([&] {
        machine_->tell_bridge(bus, &plugbay_pci_bus_callbacks::detach_requested, "detach_requested", slot);
    });
}
std::uint32_t Bench::take_ejected(std::string_view bus) {
    return machine_->entry([&] { return std::exchange(machine_->bus(bus).ejected, 0); });
}
void Bench::raise_acpi_event(std::string_view provider, unsigned event) {
    machine_->entry([&] { machine_->raise_acpi_event(provider, event); });
}
unsigned Bench::slot(std::string_view device) const {
    return machine_->entry([&] { return machine_->function_of(device).slot; });
}
std::uint64_t Bench::bar(std::string_view device, unsigned bar) const {
    return machine_->entry([&] { return bar > 5 ? 0 : machine_->function_of(device).bar_address(bar); });
}
std::vector<BarPlace> Bench::bars(std::string_view bus) const {
    return machine_->entry([&] {
        std::vector<BarPlace> places;
        for (const auto& [slot, handle] : machine_->bus(bus).slots) {
            const detail::PciFunction& function = machine_->functions.at(handle);
            for (unsigned i = 0; i < function.bars.size(); ++i) {
                if (function.bars[i].length == 0) continue;
                places.push_back({slot, i, function.bar_kind(i), function.bars[i].length,
                                  function.bar_address(i), function.bar_decoded(i)});
            }
        }
        return places;
    });
}
unsigned Bench::find_capability(std::string_view device, std::uint8_t id, unsigned nth) {
    return machine_->entry([&]() -> unsigned {
        const detail::PciFunction& function = machine_->function_of(device);
        unsigned at = function.read_byte(0x34);
        for (int links = 0; at != 0 && links < 48; ++links) {
            if (function.read_byte(at) == id && nth-- == 0) return at;
            at = function.read_byte(at + 1);
        }
        return 0;
    });
}
void Bench::enable_msix(std::string_view device) {
    machine_->entry([&] {
        detail::PciFunction& function = machine_->function_of(device);
        if (function.msix_capability() == 0)
            throw Error("device \"" + std::string(device) + "\" has no MSI-X", PLUGBAY_NOT_FOUND);
        std::uint32_t vector = 0;
        for (auto& entry : function.registers.vectors)
            entry = {message_address, vector++, 0, entry.pending};
        const unsigned control = function.msix_capability() + 2;
        const auto high = static_cast<std::uint8_t>((function.read_byte(control + 1) & 0x3f) | 0x80);
        function.write_byte(control + 1, high);
        machine_->function_changed(function);
    });
}
void Bench::mask_msix(std::string_view device, unsigned vector, bool masked) {
    machine_->entry([&] {
        detail::PciFunction& function = machine_->function_of(device);
        function.registers.vectors.at(vector).control = masked ? 1 : 0;
        machine_->function_changed(function);
    });
}
std::vector<unsigned> Bench::take_msix(std::string_view device) {
    std::vector<unsigned> vectors;
    for (const MsixMessage& message : take_msix_messages(device))
        vectors.push_back(message.vector);
    return vectors;
}
std::vector<MsixMessage> Bench::take_msix_messages(std::string_view device) {
    return machine_->entry([&] { return std::exchange(machine_->function_of(device).delivered, {}); });
}
bool Bench::msix_pending(std::string_view device, unsigned vector) const {
    return machine_->entry(
        [&] { return machine_->function_of(device).registers.vectors.at(vector).pending; });
}

// --- what the devices said ---

const std::vector<LogLine>& Bench::log() const {
    return machine_->log;
}
const std::vector<Request>& Bench::requests() const {
    return machine_->requests;
}
std::vector<Request> Bench::take_requests() {
    return machine_->entry([&] { return std::exchange(machine_->requests, {}); });
}
const std::optional<plugbay_acpi_fixed_hardware>& Bench::acpi_fixed_hardware() const {
    return machine_->fixed_hardware;
}
const std::vector<plugbay_acpi_legacy_device>& Bench::acpi_legacy_devices() const {
    return machine_->legacy_devices;
}
const std::vector<std::vector<std::byte>>& Bench::acpi_tables() const {
    return machine_->acpi_tables;
}
const std::vector<std::string>& Bench::violations() const {
    return machine_->violations;
}
std::vector<std::string> Bench::take_violations() {
    machine_->violations_thrown = 0;
    return std::exchange(machine_->violations, {});
}

// --- state ---

std::shared_ptr<const Bench::Checkpoint> Bench::save() {
    return machine_->entry([&] { return machine_->save_all(); });
}
void Bench::load(const Checkpoint& checkpoint) {
    machine_->entry([&] { machine_->load_all(checkpoint); });
}

} // namespace plugbay::testkit
