// From exec to the guest's first output, and memory beyond the guest's RAM: runs `plugbay run` on a machine, or `plugbay
// restore` on a checkpoint, whose guest writes one byte, or bytes without pause. The time is measured from outside, from before
// fork to the byte's arrival, so it holds process start, configuration, plugins, KVM, and the first exit. Beside it, in turn,
// what KVM alone takes to make the objects of such a machine.
//
//     bench_startup PLUGBAY run|restore MACHINE|FOLDER MEBIBYTES [RUNS]
#include <algorithm>
#include <chrono>
#include <csignal>
#include <cstdint>
#include <cstdio>
#include <cstdlib>
#include <fcntl.h>
#include <fstream>
#include <linux/kvm.h>
#include <sstream>
#include <string>
#include <sys/ioctl.h>
#include <sys/mman.h>
#include <sys/wait.h>
#include <unistd.h>
#include <vector>

namespace {

using Clock = std::chrono::steady_clock;

// Resident KiB of a process, without the mapping of guest memory.
long resident_beyond_guest(pid_t pid) {
    std::ifstream maps("/proc/" + std::to_string(pid) + "/smaps");
    long total = 0;
    bool guest = false;
    for (std::string line; std::getline(maps, line);) {
        const bool heading = line.find('-') != std::string::npos && line.find("kB") == std::string::npos;
        if (heading) guest = line.find("plugbay-guest-memory") != std::string::npos;
        if (guest || line.rfind("Rss:", 0) != 0) continue;
        std::istringstream words(line.substr(4));
        long kibibytes = 0;
        words >> kibibytes;
        total += kibibytes;
    }
    return total;
}

struct Run {
    double milliseconds;
    long kibibytes;
};

// A VM with interrupt controllers, timer, memory and a vCPU, in milliseconds.
double make_kvm_objects(std::size_t memory) {
    const auto start = Clock::now();
    const auto check = [](long result) {
        if (result >= 0) return static_cast<int>(result);
        std::perror("bench_startup: KVM");
        std::exit(1);
    };
    void* const bytes =
        ::mmap(nullptr, memory, PROT_READ | PROT_WRITE, MAP_PRIVATE | MAP_ANONYMOUS | MAP_NORESERVE, -1, 0);
    const int system = check(::open("/dev/kvm", O_RDWR | O_CLOEXEC));
    const int vm = check(::ioctl(system, KVM_CREATE_VM, 0));
    check(::ioctl(vm, KVM_SET_TSS_ADDR, 0xfffbd000UL));
    check(::ioctl(vm, KVM_CREATE_IRQCHIP, 0));
    kvm_pit_config timer{};
    check(::ioctl(vm, KVM_CREATE_PIT2, &timer));
    kvm_userspace_memory_region region{};
    region.memory_size = memory;
    region.userspace_addr = reinterpret_cast<std::uintptr_t>(bytes);
    check(::ioctl(vm, KVM_SET_USER_MEMORY_REGION, &region));
    const int vcpu = check(::ioctl(vm, KVM_CREATE_VCPU, 0UL));
    const double milliseconds = std::chrono::duration<double, std::milli>(Clock::now() - start).count();
    for (const int file : {vcpu, vm, system})
        ::close(file);
    ::munmap(bytes, memory);
    return milliseconds;
}

Run run_once(const char* plugbay, const char* command, const char* machine) {
    int ends[2];
    if (::pipe(ends) != 0) std::exit(1);
    const auto start = Clock::now();
    const pid_t pid = ::fork();
    if (pid == 0) {
        ::dup2(ends[1], STDOUT_FILENO);
        ::close(ends[0]);
        ::close(ends[1]);
        ::execl(plugbay, plugbay, command, machine, static_cast<char*>(nullptr));
        ::_exit(127);
    }
    ::close(ends[1]);
    char byte = 0;
    const bool arrived = ::read(ends[0], &byte, 1) == 1;
    const double milliseconds = std::chrono::duration<double, std::milli>(Clock::now() - start).count();
    const long kibibytes = resident_beyond_guest(pid);
    ::kill(pid, SIGTERM);
    ::waitpid(pid, nullptr, 0);
    ::close(ends[0]);
    if (!arrived) {
        std::fprintf(stderr, "bench_startup: the guest said nothing\n");
        std::exit(1);
    }
    return {milliseconds, kibibytes};
}

} // namespace

int main(int argc, char** argv) {
    if (argc < 5) {
        std::fprintf(stderr, "usage: bench_startup PLUGBAY run|restore MACHINE|FOLDER MEBIBYTES [RUNS]\n");
        return 2;
    }
    const std::size_t memory = std::strtoul(argv[4], nullptr, 10) << 20;
    const int count = argc > 5 ? std::max(std::atoi(argv[5]), 1) : 21;
    std::vector<double> kvm;
    std::vector<double> times;
    std::vector<long> sizes;
    for (int i = 0; i < count; ++i) {
        kvm.push_back(make_kvm_objects(memory));
        const Run run = run_once(argv[1], argv[2], argv[3]);
        times.push_back(run.milliseconds);
        sizes.push_back(run.kibibytes);
    }
    std::sort(kvm.begin(), kvm.end());
    std::sort(times.begin(), times.end());
    std::sort(sizes.begin(), sizes.end());
    const auto middle = static_cast<std::size_t>(count / 2);
    std::printf(
        "%s, exec to the guest's first byte: median %.1f ms, least %.1f ms (%d runs); KVM's objects alone: "
        "median %.1f ms\n",
        argv[2], times[middle], times.front(), count, kvm[middle]);
    std::printf("resident memory beyond guest RAM: median %.1f MiB\n",
                static_cast<double>(sizes[middle]) / 1024);
    return 0;
}
