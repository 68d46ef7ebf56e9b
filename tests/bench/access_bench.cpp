// What an access to a plugin's device costs beside KVM itself: a guest that writes to a port, or an address,
// for ever; its exits answered in turn by a raw KVM_RUN loop that does nothing, and by Plugbay's whole path
// (decode, bus, gate, lock, plugin). Both run in slices of the same run, so that the machine's mood falls on
// both alike. Prints the ratio of the medians.
#include "core/bus/access_bus.hpp"
#include "core/device/cpuid_edits.hpp"
#include "core/device/device.hpp"
#include "core/device/firmware_records.hpp"
#include "core/device/guest_clock.hpp"
#include "core/device/host_events.hpp"
#include "core/device/interrupt_lines.hpp"
#include "core/device/ram_watches.hpp"
#include "core/io/worker_pool.hpp"
#include "core/kvm/tiny_guest.hpp"
#include "core/machine/guest_access.hpp"
#include "core/machine/kvm_platform.hpp"
#include "core/pci/pci_bus.hpp"
#include "core/plugin/master_device_table.hpp"

#include <algorithm>
#include <array>
#include <chrono>
#include <cstdio>
#include <cstdlib>
#include <sys/ioctl.h>
#include <vector>

namespace {

using namespace plugbay::core;
using Clock = std::chrono::steady_clock;

asm(PLUGBAY_GUEST_BEGIN(write_port) R"(
1:  out %al, $0xf4
    jmp 1b
)" PLUGBAY_GUEST_END(write_port));
PLUGBAY_GUEST_DECLARE(write_port)

asm(PLUGBAY_GUEST_BEGIN(write_memory) R"(
    mov $0xd0000000, %ebx
1:  mov %eax, (%rbx)
    jmp 1b
)" PLUGBAY_GUEST_END(write_memory));
PLUGBAY_GUEST_DECLARE(write_memory)

constexpr unsigned long kvm_run = 0xae80; // KVM_RUN, _IO(KVMIO, 0x80)
constexpr std::size_t slices = 40;

[[noreturn]] void give_up(const std::string& why) {
    std::fprintf(stderr, "bench_access: %s\n", why.c_str());
    std::exit(1);
}

template <typename T>
T or_give_up(Result<T> result) {
    if (!result) give_up(result.error().text());
    return *std::move(result);
}

// A machine's services around one device on the tiny guest's VM.
struct Machine {
    explicit Machine(TinyGuest& guest)
        : platform(guest.vm()), lines(platform),
          loop(or_give_up(IoLoop::create("bench"))), services{.memory = guest.memory(),
                                                              .bus = bus,
                                                              .platform = platform,
                                                              .lines = lines,
                                                              .pci = pci,
                                                              .firmware = firmware,
                                                              .cpuid = cpuid,
                                                              .ram_watches = ram_watches,
                                                              .workers = workers,
                                                              .events = events,
                                                              .clock = clock,
                                                              .cpu_count = 1,
                                                              .request = [](MachineRequest) {},
                                                              .attention = [] {}} {}

    KvmPlatform platform;
    AccessBus bus;
    InterruptLines lines;
    PciBuses pci;
    FirmwareRecords firmware;
    CpuidEdits cpuid;
    RamWatches ram_watches{platform};
    WorkerPool workers;
    HostEvents events;
    GuestClock clock;
    std::unique_ptr<IoLoop> loop;
    MachineServices services;
};

double nanoseconds_per_exit(Clock::duration time, std::size_t exits) {
    return std::chrono::duration<double, std::nano>(time).count() / static_cast<double>(exits);
}

double median(std::vector<double> values) {
    std::nth_element(values.begin(), values.begin() + static_cast<std::ptrdiff_t>(values.size() / 2),
                     values.end());
    return values[values.size() / 2];
}

void measure(const KvmSystem& system, const char* name, GuestProgram program, std::size_t accesses) {
    const auto guest = or_give_up(TinyGuest::create(system, program, {}));
    KvmVcpu& vcpu = guest->vcpu();
    Machine machine(*guest);
    MasterDeviceTable table = MasterDeviceTable::build({.files = {PLUGBAY_BENCH_PLUGIN}, .directories = {}});
    Device device("counter", or_give_up(table.load("bench-counter")), machine.services, *machine.loop);
    const std::array<plugbay_value, 2> values{
        {{0, 0, 0xf4, nullptr}, {0, 0, TinyGuest::device_address, nullptr}}};
    if (auto created = device.create(values); !created) give_up(created.error().text());
    if (auto started = device.start(); !started) give_up(started.error().text());

    Presence presence;
    machine.bus.presences().add(presence);
    const std::size_t slice = std::max<std::size_t>(accesses / slices, 1);
    std::vector<double> raw;
    std::vector<double> whole;
    for (std::size_t i = 0; i < slices; ++i) {
        auto start = Clock::now();
        for (std::size_t n = 0; n < slice; ++n) {
            if (::ioctl(vcpu.file(), kvm_run, 0) != 0) give_up("KVM_RUN failed");
        }
        raw.push_back(nanoseconds_per_exit(Clock::now() - start, slice));
        start = Clock::now();
        for (std::size_t n = 0; n < slice; ++n) {
            if (!answer_access(machine.bus, presence, vcpu.run())) give_up("the guest left its loop");
        }
        whole.push_back(nanoseconds_per_exit(Clock::now() - start, slice));
    }
    const std::uint64_t counted = machine.bus.read_port(presence, 0xf4, 4);
    machine.bus.presences().remove(presence);
    if (counted != slice * slices) give_up("the device did not see every access");
    std::printf("%-13s %8zu accesses  raw KVM_RUN %8.1f ns  plugbay %8.1f ns  ratio %.4f\n", name,
                slice * slices, median(raw), median(whole), median(whole) / median(raw));
}

} // namespace

int main(int argc, char** argv) {
    const std::size_t accesses = argc > 1 ? std::strtoull(argv[1], nullptr, 10) : 1'000'000;
    const auto system = or_give_up(KvmSystem::open());
    measure(system, "port writes", guest_program_write_port(), accesses);
    measure(system, "MMIO writes", guest_program_write_memory(), accesses);
    return 0;
}
