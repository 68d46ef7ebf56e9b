#include "core/hotswap/staging.hpp"

#include "core/base/errno_error.hpp"
#include "core/base/log.hpp"
#include "core/base/write_all.hpp"
#include "core/control/socket_place.hpp"
#include "core/plugin/mapped_image.hpp"
#include "core/plugin/metadata_reader.hpp"

#include <plugbay/unique_fd.hpp>

#include <fmt/format.h>

#include <algorithm>
#include <array>
#include <cstdlib>
#include <cstring>
#include <fcntl.h>
#include <span>
#include <string_view>
#include <sys/file.h>
#include <sys/stat.h>
#include <sys/statvfs.h>
#include <unistd.h>
#include <utility>
#include <vector>

namespace plugbay::core {

namespace {

// Fowler, Noll and Vo's 1a. It only names: equal names are followed by a comparison of the bytes.
class Hash {
  public:
    void add(std::span<const std::byte> bytes) {
        for (const std::byte byte : bytes)
            value_ = (value_ ^ std::to_integer<std::uint64_t>(byte)) * 0x100000001b3;
    }
    [[nodiscard]] std::uint64_t value() const { return value_; }

  private:
    std::uint64_t value_ = 0xcbf29ce484222325;
};

using Block = std::array<std::byte, 65536>;

// Bytes read: fewer than the block's only at the end of the file. -1: errno says why.
ssize_t read_block(int file, Block& block) {
    std::size_t have = 0;
    while (have < block.size()) {
        const ssize_t got = ::read(file, block.data() + have, block.size() - have);
        if (got < 0 && errno == EINTR) continue;
        if (got < 0) return -1;
        if (got == 0) break;
        have += static_cast<std::size_t>(got);
    }
    return static_cast<ssize_t>(have);
}

Error no_regular_file(const std::filesystem::path& file, mode_t mode) {
    return Error{file.string() +
                     (S_ISDIR(mode) ? " is a directory, not a plugin file" : " is not a regular file"),
                 "name the plugin's .so"};
}

Result<UniqueFd> open_source(const std::filesystem::path& file) {
    struct stat status {};
    // Before it is opened: opening alone does something to a tape, a terminal, a FIFO's writer.
    if (::stat(file.c_str(), &status) != 0) return errno_error(file.string() + " cannot be staged");
    if (!S_ISREG(status.st_mode)) return no_regular_file(file, status.st_mode);
    UniqueFd source(::open(file.c_str(), O_RDONLY | O_CLOEXEC | O_NONBLOCK | O_NOCTTY));
    if (!source) return errno_error(file.string() + " cannot be opened");
    if (::fstat(source.get(), &status) != 0) return errno_error(file.string() + " cannot be examined");
    if (!S_ISREG(status.st_mode)) return no_regular_file(file, status.st_mode); // it was replaced in between
    return source;
}

bool same_version(const struct stat& a, const struct stat& b) {
    return a.st_size == b.st_size && a.st_mtim.tv_sec == b.st_mtim.tv_sec &&
           a.st_mtim.tv_nsec == b.st_mtim.tv_nsec;
}

Error too_large(const std::filesystem::path& file) {
    return Error{fmt::format("{} is larger than {} MiB, the most that is taken as a plugin", file.string(),
                             Staging::largest_file >> 20),
                 "strip debug information off it, or put it into a file of its own"};
}

// The contents' hash.
Result<std::uint64_t> copy_bytes(const std::filesystem::path& file, int source, int target) {
    struct stat before {};
    struct stat after {};
    if (::fstat(source, &before) != 0) return errno_error(file.string() + " cannot be examined");
    if (static_cast<std::uint64_t>(before.st_size) > Staging::largest_file) return too_large(file);
    auto block = std::make_unique<Block>();
    Hash hash;
    for (std::uint64_t copied = 0;;) {
        const ssize_t got = read_block(source, *block);
        if (got < 0) return errno_error(file.string() + " cannot be read");
        const auto bytes = std::span(*block).first(static_cast<std::size_t>(got));
        copied += bytes.size();
        if (copied > Staging::largest_file) return too_large(file); // it grew
        if (!write_all(target, bytes))
            return errno_error(fmt::format("{} cannot be copied", file.string()), errno,
                               "the copy goes below PLUGBAY_RUNTIME_DIR");
        hash.add(bytes);
        if (bytes.size() < block->size()) break;
    }
    if (::fstat(source, &after) != 0 || !same_version(before, after))
        return Error{file.string() + " was changed while it was read", "try again when its build is done"};
    return hash.value();
}

bool same_bytes(const std::filesystem::path& a, const std::filesystem::path& b) {
    const UniqueFd one(::open(a.c_str(), O_RDONLY | O_CLOEXEC));
    const UniqueFd other(::open(b.c_str(), O_RDONLY | O_CLOEXEC));
    if (!one || !other) return false;
    auto left = std::make_unique<Block>();
    auto right = std::make_unique<Block>();
    for (;;) {
        const ssize_t got = read_block(one.get(), *left);
        if (got < 0 || got != read_block(other.get(), *right) ||
            std::memcmp(left->data(), right->data(), static_cast<std::size_t>(got)) != 0)
            return false;
        if (static_cast<std::size_t>(got) < left->size()) return true;
    }
}

// Where folders of copies may be: only where files may be mapped as code, which /run often forbids.
std::vector<std::filesystem::path> possible_places() {
    std::vector<std::filesystem::path> places;
    if (auto folder = control_folder()) places.push_back(*folder);
    if (const char* own = std::getenv("TMPDIR"); own != nullptr && *own != '\0') places.emplace_back(own);
    places.emplace_back("/tmp");
    places.emplace_back("/var/tmp");
    return places;
}

constexpr std::string_view folder_prefix = "plugbay-staged-";

// This user's own folder, opened and locked. None: it is somebody else's, is gone, or is in use. The lock ends with the
// process that has it, however that ends.
UniqueFd lock_folder(const std::filesystem::path& folder) {
    UniqueFd opened(::open(folder.c_str(), O_RDONLY | O_DIRECTORY | O_NOFOLLOW | O_CLOEXEC));
    struct stat locked {};
    struct stat named {};
    if (!opened || ::fstat(opened.get(), &locked) != 0 || locked.st_uid != ::geteuid()) return {};
    if (::flock(opened.get(), LOCK_EX | LOCK_NB) != 0) return {};
    // Whoever had the lock until now may have removed it.
    if (::lstat(folder.c_str(), &named) != 0 || named.st_dev != locked.st_dev ||
        named.st_ino != locked.st_ino)
        return {};
    return opened;
}

// Of monitors that were killed. Nobody else may put anything into them, so what is in them is theirs.
void remove_left_folders(const std::filesystem::path& place) {
    std::error_code failed;
    for (const auto& entry : std::filesystem::directory_iterator(place, failed)) {
        if (!entry.path().filename().native().starts_with(folder_prefix)) continue;
        if (const UniqueFd lock = lock_folder(entry.path()))
            std::filesystem::remove_all(entry.path(), failed);
    }
}

} // namespace

StagedPlugin::~StagedPlugin() {
    if (!still_mapped(copy_)) ::unlink(copy_.c_str());
}

Staging::~Staging() {
    if (folder_.empty()) return;
    std::error_code ignored; // nobody else writes there
    std::filesystem::remove_all(folder_, ignored);
}

Result<void> Staging::make_folder() {
    if (!folder_.empty()) return {};
    constexpr int most_attempts = 3;
    std::string tried;
    for (const auto& place : possible_places()) {
        struct statvfs system {};
        remove_left_folders(place);
        const bool can_run = ::statvfs(place.c_str(), &system) == 0 && (system.f_flag & ST_NOEXEC) == 0;
        // Again, because another monitor that starts now may take the new folder for one that was left.
        for (int attempt = 0; can_run && attempt < most_attempts; ++attempt) {
            std::string pattern = (place / folder_prefix).string() + "XXXXXX";
            if (::mkdtemp(pattern.data()) == nullptr) break; // mode 0700
            lock_ = lock_folder(pattern);
            if (!lock_) {
                ::rmdir(pattern.c_str());
                continue;
            }
            folder_ = pattern;
            return {};
        }
        tried += (tried.empty() ? "" : ", ") + place.string();
    }
    return Error{
        "no folder can be made for copies of plugins, which has to be where files may be mapped as code; "
        "tried: " +
            tried,
        "set PLUGBAY_RUNTIME_DIR or TMPDIR to such a folder of yours"};
}

// A copy with these very contents that is there already, or a name that is free. The author's name is part of it, for
// debuggers and core dumps.
std::filesystem::path Staging::name_for(const std::filesystem::path& file, const std::filesystem::path& fresh,
                                        std::uint64_t hash) const {
    constexpr std::size_t longest_stem = 100;
    const std::string ending = fmt::format("-{:016x}.so", hash);
    std::error_code failed;
    for (const auto& entry : std::filesystem::directory_iterator(folder_, failed)) {
        if (entry.path().native().ends_with(ending) && same_bytes(entry.path(), fresh)) return entry.path();
    }
    const std::string stem = file.stem().string().substr(0, longest_stem);
    auto name = folder_ / (stem + ending);
    for (unsigned number = 2; std::filesystem::exists(name, failed); ++number)
        name = folder_ / fmt::format("{}-{}{}", stem, number, ending);
    return name;
}

Result<std::shared_ptr<const StagedPlugin>> Staging::stage(const std::filesystem::path& file) {
    auto source = open_source(file);
    if (!source) return std::move(source).error();
    if (auto made = make_folder(); !made)
        return with_context(file.string() + " cannot be staged", made.error());
    const std::filesystem::path fresh = folder_ / "incoming";
    const UniqueFd target(::open(fresh.c_str(), O_WRONLY | O_CREAT | O_TRUNC | O_CLOEXEC, 0500));
    if (!target) return errno_error(fmt::format("{} cannot be copied", file.string()));
    const auto hash = copy_bytes(file, source->get(), target.get());
    if (!hash) {
        ::unlink(fresh.c_str());
        return hash.error();
    }
    const std::filesystem::path copy = name_for(file, fresh, *hash);
    std::erase_if(staged_, [](const auto& entry) { return entry.second.expired(); });
    std::erase_if(loaded_, [](const auto& entry) { return entry.second.expired(); });
    if (const auto held = staged_.find(copy); held != staged_.end()) {
        if (auto known = held->second.lock()) {
            ::unlink(fresh.c_str());
            return known;
        }
    }
    auto description = read_plugin_metadata(fresh, file);
    if (!description) {
        ::unlink(fresh.c_str());
        return std::move(description).error();
    }
    std::error_code failed;
    if (std::filesystem::exists(copy, failed)) { // of an image that is pinned
        ::unlink(fresh.c_str());
    } else if (::rename(fresh.c_str(), copy.c_str()) != 0) {
        ::unlink(fresh.c_str());
        return errno_error(fmt::format("{} cannot be copied", file.string()));
    }
    auto staged = std::make_shared<const StagedPlugin>(copy, *std::move(description));
    staged_.emplace(copy, staged);
    return std::shared_ptr<const StagedPlugin>(std::move(staged));
}

Result<std::shared_ptr<const LoadedPlugin>> Staging::load(const std::shared_ptr<const StagedPlugin>& staged) {
    return load(staged, staged->description());
}

Result<std::shared_ptr<const LoadedPlugin>> Staging::load(const PluginDescription& description) {
    const auto staged = stage(description.file);
    auto loaded = staged ? load(*staged, description) : staged.error();
    if (loaded) return loaded;
    auto in_place = LoadedPlugin::load(description);
    if (in_place) {
        log_for(Subsystem::plugins)
            .warn("{}; its code runs from that file, which must not be written over meanwhile",
                  loaded.error().text());
    }
    return in_place;
}

Result<std::shared_ptr<const LoadedPlugin>> Staging::load(const std::shared_ptr<const StagedPlugin>& staged,
                                                          const PluginDescription& description) {
    auto& known = loaded_[staged->copy()];
    if (auto loaded = known.lock()) return loaded;
    auto loaded = LoadedPlugin::load(description, staged->copy());
    if (!loaded) return loaded;
    // The library goes before its file.
    struct Both {
        std::shared_ptr<const StagedPlugin> staged;
        std::shared_ptr<const LoadedPlugin> loaded;
    };
    auto both = std::make_shared<const Both>(Both{staged, *std::move(loaded)});
    const LoadedPlugin* plugin = both->loaded.get();
    std::shared_ptr<const LoadedPlugin> result(std::move(both), plugin);
    known = result;
    return result;
}

} // namespace plugbay::core
