#include "core/cli/dev/source_watch.hpp"

#include "core/base/errno_error.hpp"

#include <algorithm>
#include <array>
#include <cstring>
#include <fmt/format.h>
#include <sys/inotify.h>
#include <unistd.h>

namespace plugbay::core::dev {

namespace {

constexpr std::uint32_t events = IN_CLOSE_WRITE | IN_MOVED_TO | IN_MOVED_FROM | IN_DELETE | IN_CREATE |
                                 IN_ONLYDIR | IN_DONT_FOLLOW | IN_EXCL_UNLINK;
constexpr int builds_of_a_product = 3;

constexpr std::array<std::string_view, 16> other_endings = {
    "~",  ".swp", ".swx", ".swo", ".tmp", ".bak", ".orig", ".rej",
    ".o", ".so",  ".a",   ".d",   ".lo",  ".gch", ".pyc",  ".part",
};

} // namespace

bool is_no_source(std::string_view name) {
    if (name.empty() || name.starts_with('.') || name == "4913") return true; // the last is Vim's
    if (name.starts_with('#') && name.ends_with('#')) return true;
    return std::ranges::any_of(other_endings, [&](std::string_view each) { return name.ends_with(each); });
}

bool is_no_source_folder(const std::filesystem::path& folder) {
    const std::string name = folder.filename().string();
    if (name.starts_with('.') || name == "build" || name.starts_with("build-") || name == "CMakeFiles")
        return true;
    std::error_code failed;
    return std::filesystem::exists(folder / "CMakeCache.txt", failed);
}

Result<SourceWatch> SourceWatch::start(const std::filesystem::path& folder, bool build_beside_sources) {
    UniqueFd inotify(::inotify_init1(IN_NONBLOCK | IN_CLOEXEC));
    if (!inotify) return errno_error("files cannot be watched");
    SourceWatch watch(std::move(inotify), folder, build_beside_sources);
    if (auto added = watch.add("", nullptr); !added) return std::move(added).error();
    return watch;
}

// With what is below it. `found`: where its files are noted; null: they are only known.
Result<void> SourceWatch::add(const std::string& folder, std::set<std::string>* found) {
    std::vector<std::string> waiting{folder};
    while (!waiting.empty()) {
        const std::string here = std::move(waiting.back());
        waiting.pop_back();
        if (folders_.size() >= most_folders) {
            return Error{fmt::format("{} has more than {} folders", folder_.string(), most_folders),
                         "name the folder of one plugin"};
        }
        const std::filesystem::path path = folder_ / here;
        const int watch = ::inotify_add_watch(inotify_.get(), path.c_str(), events);
        if (watch < 0) {
            if (!here.empty() && (errno == ENOENT || errno == ENOTDIR || errno == EACCES)) continue;
            return errno_error(path.string() + " cannot be watched", errno,
                               errno == ENOSPC ? "raise fs.inotify.max_user_watches" : "");
        }
        folders_[watch] = here;
        // After the watch, so that nothing is missed in between.
        std::error_code failed;
        for (std::filesystem::directory_iterator each(path, failed), end; !failed && each != end;
             each.increment(failed)) {
            std::error_code unknown;
            const std::string name = each->path().filename().string();
            if (each->is_directory(unknown) && !each->is_symlink(unknown)) {
                if (!is_no_source_folder(each->path())) waiting.push_back(here + name + '/');
            } else if (!is_no_source(name)) {
                if (known_.size() < most_files) known_.insert(here + name);
                if (found != nullptr) found->insert(here + name);
            }
        }
    }
    return {};
}

// A folder that is watched no more, with what is below it.
void SourceWatch::drop(const std::string& folder) {
    std::erase_if(folders_, [&](const auto& each) {
        const bool inside = each.second.starts_with(folder);
        if (inside) ::inotify_rm_watch(inotify_.get(), each.first);
        return inside;
    });
}

void SourceWatch::take_event(std::uint32_t mask, int watch, const std::string& name,
                             std::set<std::string>& changed) {
    if ((mask & IN_Q_OVERFLOW) != 0) { // some were lost: all may have changed
        folders_.clear();
        (void)add("", &changed);
        return;
    }
    const auto folder = folders_.find(watch);
    if (folder == folders_.end()) return;
    if ((mask & IN_IGNORED) != 0) {
        folders_.erase(folder);
        return;
    }
    const std::string path = folder->second + name;
    if ((mask & IN_ISDIR) != 0) {
        if ((mask & (IN_MOVED_FROM | IN_DELETE)) != 0) drop(path + '/');
        if ((mask & (IN_CREATE | IN_MOVED_TO)) != 0 && !is_no_source_folder(folder_ / path))
            (void)add(path + '/', &changed);
        return;
    }
    // A file that was only made is written to next, and closed.
    if ((mask & ~static_cast<std::uint32_t>(IN_CREATE)) != 0 && !is_no_source(name)) changed.insert(path);
}

bool SourceWatch::is_product(const std::string& file, bool building) {
    int& builds = changed_while_building_[file];
    if (builds >= builds_of_a_product) return true;
    if (!building)
        builds = 0;
    else
        builds = known_.contains(file) ? builds + 1 : builds_of_a_product;
    return builds >= builds_of_a_product;
}

std::set<std::string> SourceWatch::take(bool building) {
    std::set<std::string> changed;
    alignas(inotify_event) std::array<char, 65536> buffer;
    for (;;) {
        const ssize_t size = ::read(inotify_.get(), buffer.data(), buffer.size());
        if (size < 0 && errno == EINTR) continue;
        if (size <= 0) break;
        for (std::size_t at = 0; at + sizeof(inotify_event) <= static_cast<std::size_t>(size);) {
            inotify_event event{};
            std::memcpy(&event, buffer.data() + at, sizeof event);
            // The name is filled up with zeros.
            const char* name = buffer.data() + at + sizeof event;
            take_event(event.mask, event.wd, std::string(name, ::strnlen(name, event.len)), changed);
            at += sizeof event + event.len;
        }
    }
    if (build_beside_sources_)
        std::erase_if(changed, [&](const std::string& each) { return is_product(each, building); });
    for (const std::string& each : changed) {
        if (known_.size() < most_files) known_.insert(each);
    }
    return changed;
}

} // namespace plugbay::core::dev
