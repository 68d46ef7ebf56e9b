// From exec to the guest's first output, and memory beyond the guest's RAM: runs `plugbay run` on a machine
// of ten plugins whose guest writes one byte and then waits. The time is measured from outside, from before
// fork to the byte's arrival, so it holds process start, configuration, plugins, KVM, and the first exit.
//
//     bench_startup PLUGBAY MACHINE [RUNS]
#include <algorithm>
#include <chrono>
#include <csignal>
#include <cstdio>
#include <cstdlib>
#include <fstream>
#include <sstream>
#include <string>
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

Run run_once(const char* plugbay, const char* machine) {
    int ends[2];
    if (::pipe(ends) != 0) std::exit(1);
    const auto start = Clock::now();
    const pid_t pid = ::fork();
    if (pid == 0) {
        ::dup2(ends[1], STDOUT_FILENO);
        ::close(ends[0]);
        ::close(ends[1]);
        ::execl(plugbay, plugbay, "run", machine, static_cast<char*>(nullptr));
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
    if (argc < 3) {
        std::fprintf(stderr, "usage: bench_startup PLUGBAY MACHINE [RUNS]\n");
        return 2;
    }
    const int count = argc > 3 ? std::max(std::atoi(argv[3]), 1) : 21;
    std::vector<double> times;
    std::vector<long> sizes;
    for (int i = 0; i < count; ++i) {
        const Run run = run_once(argv[1], argv[2]);
        times.push_back(run.milliseconds);
        sizes.push_back(run.kibibytes);
    }
    std::sort(times.begin(), times.end());
    std::sort(sizes.begin(), sizes.end());
    const auto middle = static_cast<std::size_t>(count / 2);
    std::printf("start-up, exec to the guest's first byte: median %.1f ms, least %.1f ms (%d runs)\n",
                times[middle], times.front(), count);
    std::printf("resident memory beyond guest RAM: median %.1f MiB\n",
                static_cast<double>(sizes[middle]) / 1024);
    return 0;
}
