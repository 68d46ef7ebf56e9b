#include "core/hotswap/child_process.hpp"

#include "core/base/errno_error.hpp"

#include <algorithm>
#include <csignal>
#include <fcntl.h>
#include <poll.h>
#include <spawn.h>
#include <sys/syscall.h>
#include <sys/wait.h>
#include <unistd.h>
#include <utility>

namespace plugbay::core {

namespace {

constexpr int first_passed = 3;
constexpr int patience = 2000; // ms, for a killed process to be gone

struct SpawnPlan {
    SpawnPlan() {
        ::posix_spawn_file_actions_init(&actions);
        ::posix_spawnattr_init(&attributes);
    }
    ~SpawnPlan() {
        ::posix_spawn_file_actions_destroy(&actions);
        ::posix_spawnattr_destroy(&attributes);
    }
    SpawnPlan(const SpawnPlan&) = delete;
    SpawnPlan& operator=(const SpawnPlan&) = delete;

    posix_spawn_file_actions_t actions{};
    posix_spawnattr_t attributes{};
};

// glibc 2.36 declares its own without C linkage.
int pidfd_open(pid_t id) {
    return static_cast<int>(::syscall(SYS_pidfd_open, id, 0));
}

// Beyond the numbers they are going to have, so that putting one in its place does not overwrite another.
Result<std::vector<UniqueFd>> out_of_the_way(const std::vector<int>& descriptors) {
    const int beyond = first_passed + static_cast<int>(descriptors.size());
    std::vector<UniqueFd> copies;
    for (const int descriptor : descriptors) {
        copies.emplace_back(::fcntl(descriptor, F_DUPFD_CLOEXEC, beyond));
        if (!copies.back()) return errno_error("a descriptor for another process cannot be copied");
    }
    return copies;
}

} // namespace

Result<ChildProcess> ChildProcess::start(const ChildProgram& program) {
    std::vector<int> all{program.output};
    all.insert(all.end(), program.descriptors.begin(), program.descriptors.end());
    const auto copies = out_of_the_way(all);
    if (!copies) return copies.error();

    SpawnPlan plan;
    sigset_t signals;
    sigfillset(&signals);
    int failed = ::posix_spawnattr_setsigdefault(&plan.attributes, &signals);
    sigemptyset(&signals);
    const auto add = [&failed](int result) { failed = failed != 0 ? failed : result; };
    add(::posix_spawnattr_setsigmask(&plan.attributes, &signals));
    add(::posix_spawnattr_setpgroup(&plan.attributes, 0));
    add(::posix_spawnattr_setflags(&plan.attributes,
                                   POSIX_SPAWN_SETSIGDEF | POSIX_SPAWN_SETSIGMASK | POSIX_SPAWN_SETPGROUP));
    add(::posix_spawn_file_actions_addopen(&plan.actions, STDIN_FILENO, "/dev/null", O_RDONLY, 0));
    add(::posix_spawn_file_actions_adddup2(&plan.actions, (*copies)[0].get(), STDOUT_FILENO));
    add(::posix_spawn_file_actions_adddup2(&plan.actions, (*copies)[0].get(), STDERR_FILENO));
    int number = first_passed;
    for (std::size_t i = 1; i < copies->size(); ++i)
        add(::posix_spawn_file_actions_adddup2(&plan.actions, (*copies)[i].get(), number++));
    add(::posix_spawn_file_actions_addclosefrom_np(&plan.actions, number));
    std::vector<char*> arguments;
    for (const std::string& argument : program.arguments)
        arguments.push_back(const_cast<char*>(argument.c_str()));
    arguments.push_back(nullptr);
    pid_t id = -1;
    if (failed == 0) {
        failed = ::posix_spawn(&id, program.file.c_str(), &plan.actions, &plan.attributes, arguments.data(),
                               environ);
    }
    if (failed != 0) return errno_error(program.file + " cannot be started", failed);
    ChildProcess child(id, UniqueFd(pidfd_open(id)));
    if (!child.process_) return errno_error("a process that was started cannot be watched");
    return child;
}

ChildProcess::ChildProcess(ChildProcess&& other) noexcept
    : id_(std::exchange(other.id_, -1)), process_(std::move(other.process_)) {}

ChildProcess::~ChildProcess() {
    if (id_ >= 0) (void)end();
}

void ChildProcess::ask_to_end(std::chrono::milliseconds limit) const {
    ::kill(-id_, SIGTERM);
    pollfd ended{process_.get(), POLLIN, 0};
    const auto deadline = std::chrono::steady_clock::now() + limit;
    for (;;) {
        const auto left =
            std::chrono::ceil<std::chrono::milliseconds>(deadline - std::chrono::steady_clock::now());
        if (left.count() <= 0 || ::poll(&ended, 1, static_cast<int>(left.count())) >= 0 || errno != EINTR)
            return;
    }
}

std::optional<int> ChildProcess::end() {
    const pid_t id = std::exchange(id_, -1);
    // Before it is waited for: until then the number is not another process group's.
    ::kill(-id, SIGKILL);
    if (process_) {
        pollfd ended{process_.get(), POLLIN, 0};
        int ready = 0;
        while ((ready = ::poll(&ended, 1, patience)) < 0 && errno == EINTR) {
        }
        if (ready == 0) return std::nullopt;
    }
    int status = 0;
    while (::waitpid(id, &status, 0) < 0) {
        if (errno != EINTR) return std::nullopt;
    }
    return status;
}

} // namespace plugbay::core
