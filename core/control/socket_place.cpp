#include "core/control/socket_place.hpp"

#include "core/base/errno_error.hpp"
#include "core/base/utf8.hpp"

#include <fmt/format.h>

#include <algorithm>
#include <cstdlib>
#include <fcntl.h>
#include <optional>
#include <sys/file.h>
#include <sys/socket.h>
#include <sys/stat.h>
#include <sys/un.h>
#include <system_error>
#include <unistd.h>
#include <utility>

namespace plugbay::core {

namespace {

constexpr const char* system_folder = "/run/plugbay";

std::optional<std::filesystem::path> chosen_folder() {
    const char* chosen = std::getenv("PLUGBAY_RUNTIME_DIR");
    if (chosen == nullptr || *chosen == '\0') return std::nullopt;
    return chosen;
}

std::filesystem::path wanted_folder() {
    if (auto chosen = chosen_folder()) return *chosen;
    if (const char* session = std::getenv("XDG_RUNTIME_DIR"); session != nullptr && *session != '\0')
        return std::filesystem::path(session) / "plugbay";
    if (::geteuid() == 0) return system_folder;
    return fmt::format("/tmp/plugbay-{}", ::geteuid());
}

Result<void> check_name(std::string_view name) {
    constexpr std::size_t longest = 64;
    if (!name.empty() && name.size() <= longest && name.front() != '.' && name.find('/') == name.npos &&
        is_printable_utf8(name))
        return {};
    return Error{fmt::format("\"{}\" cannot name a running machine",
                             is_printable_utf8(name) ? name.substr(0, 80) : "these bytes"),
                 fmt::format("1 to {} bytes of text, without \"/\", not beginning with \".\"", longest)};
}

std::filesystem::path socket_name(std::string_view name) {
    return std::string(name) + ".sock";
}

// Sorted; none if there is no such folder.
std::vector<std::filesystem::path> entries_of(const std::filesystem::path& folder) {
    std::vector<std::filesystem::path> found;
    std::error_code failed;
    for (const auto& entry : std::filesystem::directory_iterator(folder, failed))
        found.push_back(entry.path());
    std::ranges::sort(found);
    return found;
}

void add_sockets(const std::filesystem::path& folder, std::vector<std::filesystem::path>& found) {
    for (const auto& entry : entries_of(folder)) {
        if (entry.extension() == ".sock") found.push_back(entry);
    }
}

std::filesystem::path lock_of(const std::filesystem::path& socket) {
    return socket.string() + ".lock";
}

// True if `fd` is still what `path` names.
bool same_file(int fd, const std::filesystem::path& path) {
    struct stat opened {};
    struct stat named {};
    return ::fstat(fd, &opened) == 0 && ::stat(path.c_str(), &named) == 0 && opened.st_dev == named.st_dev &&
           opened.st_ino == named.st_ino;
}

} // namespace

Result<std::filesystem::path> control_folder() {
    const std::filesystem::path folder = wanted_folder();
    if (::mkdir(folder.c_str(), 0700) != 0 && errno != EEXIST)
        return errno_error(fmt::format("the folder of control sockets, {}, cannot be made", folder.string()),
                           errno, "set PLUGBAY_RUNTIME_DIR to a folder of yours");
    struct stat status {};
    if (::lstat(folder.c_str(), &status) != 0)
        return errno_error(fmt::format("the folder of control sockets, {}", folder.string()));
    if (!S_ISDIR(status.st_mode) || status.st_uid != ::geteuid() || (status.st_mode & 022) != 0) {
        return Error{fmt::format("{} is no folder that only this user may write to", folder.string()),
                     "mend that, or set PLUGBAY_RUNTIME_DIR to another one"};
    }
    return folder;
}

Result<std::filesystem::path> control_socket_of(std::string_view name) {
    if (auto good = check_name(name); !good) return std::move(good).error();
    auto folder = control_folder();
    if (!folder) return folder;
    return *folder / socket_name(name);
}

std::vector<std::filesystem::path> control_sockets() {
    std::vector<std::filesystem::path> found;
    add_sockets(wanted_folder(), found);
    if (::geteuid() != 0) return found;
    for (const auto& service : entries_of(chosen_folder().value_or(system_folder)))
        add_sockets(service, found);
    return found;
}

Result<std::vector<std::filesystem::path>> control_sockets_of(std::string_view name) {
    if (::geteuid() != 0) {
        auto socket = control_socket_of(name);
        if (!socket) return std::move(socket).error();
        return std::vector{*std::move(socket)};
    }
    if (auto good = check_name(name); !good) return std::move(good).error();
    std::vector<std::filesystem::path> found = control_sockets();
    std::erase_if(found, [&](const auto& socket) { return socket.filename() != socket_name(name); });
    return found;
}

bool somebody_listens(const std::filesystem::path& socket) {
    sockaddr_un address{};
    address.sun_family = AF_UNIX;
    const std::string path = socket.string();
    if (path.size() >= sizeof address.sun_path) return false;
    path.copy(address.sun_path, path.size());
    const UniqueFd caller(::socket(AF_UNIX, SOCK_STREAM | SOCK_CLOEXEC | SOCK_NONBLOCK, 0));
    if (!caller) return false;
    if (::connect(caller.get(), reinterpret_cast<const sockaddr*>(&address), sizeof address) == 0)
        return true;
    return errno == EAGAIN; // more wait than it takes
}

Result<SocketPlace> SocketPlace::take(const std::filesystem::path& socket) {
    const std::filesystem::path lock_file = lock_of(socket);
    for (;;) {
        UniqueFd lock(::open(lock_file.c_str(), O_RDWR | O_CREAT | O_CLOEXEC | O_NOFOLLOW, 0600));
        if (!lock) return errno_error(fmt::format("{} cannot be made", lock_file.string()));
        if (::flock(lock.get(), LOCK_EX | LOCK_NB) != 0) {
            if (errno != EWOULDBLOCK)
                return errno_error(fmt::format("{} cannot be locked", lock_file.string()));
            return Error{fmt::format("a running machine has the control socket {}", socket.string()),
                         "choose another --name or --control, or end that machine: `plugbay ps` lists them"};
        }
        // Its last owner may have removed the file between our opening and locking it.
        if (same_file(lock.get(), lock_file)) return SocketPlace(socket, std::move(lock));
    }
}

SocketPlace::~SocketPlace() {
    if (!lock_) return; // moved away
    if (made_) ::unlink(socket_.c_str());
    ::unlink(lock_of(socket_).c_str());
}

Result<UniqueFd> SocketPlace::listen() {
    const auto failed = [&](const char* what) {
        return errno_error(fmt::format("the control socket {} cannot be {}", socket_.string(), what));
    };
    sockaddr_un address{};
    address.sun_family = AF_UNIX;
    const std::string path = socket_.string();
    if (path.size() >= sizeof address.sun_path) {
        return Error{fmt::format("the name of the control socket, {}, is too long", path),
                     fmt::format("at most {} bytes", sizeof address.sun_path - 1)};
    }
    path.copy(address.sun_path, path.size());
    struct stat there {};
    if (::lstat(path.c_str(), &there) == 0) {
        if (!S_ISSOCK(there.st_mode))
            return Error{fmt::format("{} is there and is no socket", path), "choose another --control"};
        if (somebody_listens(path))
            return Error{fmt::format("another program listens at {}", path), "choose another --control"};
        ::unlink(path.c_str()); // a crash left it
    }
    UniqueFd listener(::socket(AF_UNIX, SOCK_STREAM | SOCK_CLOEXEC | SOCK_NONBLOCK, 0));
    if (!listener) return failed("made");
    // bind() gives the file the mode of the socket.
    if (::fchmod(listener.get(), 0600) != 0 ||
        ::bind(listener.get(), reinterpret_cast<const sockaddr*>(&address), sizeof address) != 0)
        return failed("made");
    made_ = true;
    if (::listen(listener.get(), 64) != 0) return failed("made");
    return listener;
}

} // namespace plugbay::core
