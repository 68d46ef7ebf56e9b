// What a device does to the process that it is in, and to the rules of the ABI.
#include "core/plugin/mapped_image.hpp"
#include "core/validate/subject.hpp"

#include <algorithm>
#include <array>
#include <clocale>
#include <csignal>
#include <cstring>
#include <fstream>
#include <malloc.h>
#include <sys/stat.h>
#include <thread>
#include <unistd.h>
#include <vector>
#include <xmmintrin.h>

namespace plugbay::core::validation {

namespace {

using namespace std::chrono_literals;

// A whole life, with work in it.
void live(Trial& trial, std::uint32_t seed) {
    Made subject(trial, seeded(seed));
    subject->bench.start();
    for (int i = 0; i < 200; ++i)
        subject->poke_once();
    subject->settle();
    subject->bench.quiesce();
    if (has_state(trial)) subject->device().load(subject->device().save());
    subject->bench.reset();
}

// The plugin's file and its peers'. While they are loaded no life loads them, of which the loader would keep something.
std::vector<testkit::PluginFile> loaded_files(const Trial& trial) {
    std::vector<testkit::PluginFile> files;
    files.emplace_back(trial.file);
    for (const PeerDevice& peer : trial.peers)
        files.emplace_back(peer.file);
    return files;
}

std::size_t entries(const char* folder) {
    const std::filesystem::directory_iterator list(folder);
    return static_cast<std::size_t>(std::distance(begin(list), end(list)));
}

// Threads that were told to end need a moment.
std::size_t settled(std::size_t (*count)(), std::size_t wanted) {
    std::size_t now = count();
    for (int i = 0; i < 50 && now > wanted; ++i) {
        std::this_thread::sleep_for(10ms);
        now = count();
    }
    return now;
}

std::size_t threads() {
    return entries("/proc/self/task");
}

std::size_t descriptors() {
    return entries("/proc/self/fd");
}

void leaves_no_threads(Trial& trial) {
    const auto stay_loaded = loaded_files(trial);
    const std::size_t before = threads();
    for (int round = 0; round < 3; ++round)
        live(trial, trial.seed);
    const std::size_t after = settled(threads, before);
    require(after <= before,
            std::to_string(after - before) + " threads go on after 3 devices were destroyed");
}

void leaves_no_descriptors(Trial& trial) {
    const auto stay_loaded = loaded_files(trial);
    live(trial, trial.seed); // what is opened once and for all
    const std::size_t before = descriptors();
    constexpr int rounds = 5;
    for (int round = 0; round < rounds; ++round)
        live(trial, trial.seed);
    const std::size_t after = settled(descriptors, before);
    require(after <= before, std::to_string(after - before) + " file descriptors are open after " +
                                 std::to_string(rounds) + " devices were destroyed");
}

void leaves_no_memory(Trial& trial) {
#if defined(__SANITIZE_ADDRESS__) || defined(__SANITIZE_THREAD__)
    static_cast<void>(trial);
    throw CheckSkipped("the sanitizer has its own heap");
#else
    const auto stay_loaded = loaded_files(trial);
    const auto used = [] {
        const auto facts = ::mallinfo2();
        return facts.uordblks + facts.hblkhd;
    };
    const auto mappings = [] {
        std::ifstream file("/proc/self/maps");
        return static_cast<std::size_t>(
            std::count(std::istreambuf_iterator<char>(file), std::istreambuf_iterator<char>(), '\n'));
    };
    // What is lost with each device is lost in each window; what is made once, or kept by the allocator, is not.
    constexpr std::size_t windows = 4;
    constexpr std::size_t lives = 8;
    constexpr std::size_t smallest = 16; // what malloc gives out at least
    std::size_t heap = ~std::size_t{0};
    std::size_t maps = ~std::size_t{0};
    for (std::size_t window = 0; window < windows; ++window) {
        const std::size_t maps_before = mappings();
        const std::size_t before = used();
        for (std::size_t i = 0; i < lives; ++i)
            live(trial, trial.seed);
        const std::size_t after = used();
        const std::size_t maps_after = mappings();
        heap = std::min(heap, after > before ? after - before : 0);
        maps = std::min(maps, maps_after > maps_before ? maps_after - maps_before : 0);
    }
    require(heap < lives * smallest,
            std::to_string(heap / lives) + " bytes of the heap are lost with each device");
    require(maps < lives, std::to_string(maps / lives) + " mappings are left by each device");
#endif
}

void is_unloaded_after_use(Trial& trial) {
    live(trial, trial.seed);
    const auto why = still_mapped(trial.file);
    require(!why.has_value(), why ? "it stays in the process after its last device: " + *why : "");
}

// What belongs to the process and not to a plugin.
struct Belongings {
    std::array<struct sigaction, 65> actions{};
    sigset_t blocked{};
    std::filesystem::path folder = std::filesystem::current_path();
    mode_t mask = 0;
    std::string locale = std::setlocale(LC_ALL, nullptr);
    unsigned floating_point = _mm_getcsr() & ~0x3fu; // without the flags of what happened

    Belongings() {
        for (int number = 1; number < 65; ++number)
            ::sigaction(number, nullptr, &actions[static_cast<std::size_t>(number)]);
        ::pthread_sigmask(SIG_BLOCK, nullptr, &blocked);
        mask = ::umask(0);
        ::umask(mask);
    }
};

std::string signal_text(int number) {
    const char* const name = ::sigabbrev_np(number);
    return name != nullptr ? std::string("SIG") + name : "signal " + std::to_string(number);
}

void minds_its_own_business(Trial& trial) {
    const Belongings before;
    live(trial, trial.seed);
    const Belongings after;
    for (int number = 1; number < 65; ++number) {
        const auto at = static_cast<std::size_t>(number);
        require(before.actions[at].sa_handler == after.actions[at].sa_handler,
                "it changed what happens on " + signal_text(number));
        require(::sigismember(&before.blocked, number) == ::sigismember(&after.blocked, number),
                "it blocked or unblocked " + signal_text(number) + " in a thread of the host");
    }
    require(before.folder == after.folder, "it changed the working directory of the process");
    require(before.mask == after.mask, "it changed the umask of the process");
    require(before.locale == after.locale, "it changed the locale of the process");
    require(before.floating_point == after.floating_point,
            "it changed the floating-point mode of a thread of the host");
}

// All that the testkit minds in a life with real time in it, in which threads of the device's own get to work.
std::vector<std::string> broken_rules(Trial& trial) {
    ExerciserOptions options = seeded(trial.seed);
    options.bench.strict = false;
    std::vector<std::string> broken;
    {
        Made subject(trial, options);
        testkit::Bench& bench = subject->bench;
        bench.start();
        for (int round = 0; round < 3; ++round) {
            subject->poke(1);
            static_cast<void>(bench.run_until([] { return false; }, 30ms));
            bench.quiesce();
            bench.advance(10ms);
            std::this_thread::sleep_for(10ms); // may its threads touch the guest now?
            if (has_state(trial)) {
                const testkit::Outcome loaded = subject->device().try_load(subject->device().save());
                if (!loaded) broken.push_back("does not load what it saved: " + loaded.text);
            }
            bench.reset();
            bench.resume();
        }
        bench.quiesce();
        bench.remove("subject");
        for (std::string& text : bench.take_violations())
            broken.push_back(std::move(text));
    }
    return broken;
}

bool is_of_thread(const std::string& violation) {
    return violation.find("another thread") != std::string::npos;
}

std::string joined(const std::vector<std::string>& texts) {
    constexpr std::size_t most = 5;
    std::string text;
    for (std::size_t i = 0; i < std::min(texts.size(), most); ++i)
        text += (text.empty() ? "" : "; ") + texts[i];
    if (texts.size() > most) text += "; and " + std::to_string(texts.size() - most) + " more";
    return text;
}

void keeps_the_rules(Trial& trial) {
    auto broken = broken_rules(trial);
    std::erase_if(broken, is_of_thread);
    require(broken.empty(), joined(broken));
}

void calls_from_the_right_threads(Trial& trial) {
    auto broken = broken_rules(trial);
    std::erase_if(broken, [](const std::string& text) { return !is_of_thread(text); });
    require(broken.empty(), joined(broken));
}

constexpr std::array list{
    Check{"PB-RULE-001", "it keeps the rules of the ABI",
          "the headers in plugbay/abi say at each function in which state it may be called, and with what",
          Check::Scope::type, keeps_the_rules},
    Check{"PB-RULE-002", "its own threads call only what they may",
          "a thread of the device's own may call what is tagged [any]; to get to the I/O loop, ring a "
          "doorbell or write "
          "to an eventfd that is watched",
          Check::Scope::type, calls_from_the_right_threads},
    Check{"PB-LEAK-001", "no thread outlives it", "destroy stops each thread and waits for it",
          Check::Scope::type, leaves_no_threads},
    Check{"PB-LEAK-002", "no file descriptor outlives it", "destroy closes what the device has opened",
          Check::Scope::type, leaves_no_descriptors},
    Check{"PB-LEAK-003", "no memory outlives it", "destroy frees the instance and all that it holds",
          Check::Scope::type, leaves_no_memory},
    Check{"PB-LEAK-004", "its file is gone after its last device",
          "thread_local objects with destructors, libraries that load themselves, and threads that go on "
          "keep it mapped",
          Check::Scope::type, is_unloaded_after_use},
    Check{"PB-PROC-001", "it leaves the process as it was",
          "signals, locale, umask, working directory and floating-point mode are the host's; threads of the "
          "device's own "
          "block signals for themselves",
          Check::Scope::type, minds_its_own_business},
};

} // namespace

std::span<const Check> process_checks() {
    return list;
}

} // namespace plugbay::core::validation
