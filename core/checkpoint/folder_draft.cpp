#include "core/checkpoint/folder_draft.hpp"

#include "core/base/errno_error.hpp"
#include "core/checkpoint/folder_files.hpp"
#include "core/checkpoint/manifest.hpp"
#include "core/checkpoint/manifest_text.hpp"

#include <algorithm>
#include <array>
#include <cstdio>
#include <dirent.h>
#include <fcntl.h>
#include <memory>
#include <sys/file.h>
#include <sys/stat.h>
#include <unistd.h>

namespace plugbay::core {

namespace {

constexpr std::array known_files{manifest_file, state_file, memory_file, memory_sums_file, memory_pages_file};

bool is_known(std::string_view name) {
    return std::ranges::find(known_files, name) != known_files.end();
}

// What is in the folder that no checkpoint has; "": nothing.
Result<std::string> find_stranger(int folder, const std::string& shown) {
    const int copy = ::openat(folder, ".", O_RDONLY | O_DIRECTORY | O_CLOEXEC);
    const std::unique_ptr<DIR, int (*)(DIR*)> listing(copy < 0 ? nullptr : ::fdopendir(copy), ::closedir);
    if (listing == nullptr) return errno_error(shown + " cannot be listed");
    while (const dirent* entry = ::readdir(listing.get())) {
        const std::string_view name = entry->d_name;
        if (name != "." && name != ".." && !is_known(name)) return std::string(name);
    }
    return std::string();
}

// Nothing but a checkpoint's files is ever removed.
void remove_files(int folder) {
    for (const char* name : known_files)
        ::unlinkat(folder, name, 0);
}

bool is_named(int beside, const std::string& name, int folder) {
    struct stat one {};
    struct stat other {};
    return ::fstat(folder, &one) == 0 && ::fstatat(beside, name.c_str(), &other, AT_SYMLINK_NOFOLLOW) == 0 &&
           one.st_dev == other.st_dev && one.st_ino == other.st_ino;
}

// An error, too, when somebody else has the lock.
Result<UniqueFd> open_locked(int beside, const std::string& name, const std::string& shown) {
    UniqueFd folder(::openat(beside, name.c_str(), O_RDONLY | O_DIRECTORY | O_NOFOLLOW | O_CLOEXEC));
    if (!folder)
        return errno_error(shown + " cannot be opened", errno, "take it away, or choose another name");
    if (::flock(folder.get(), LOCK_EX | LOCK_NB) != 0) {
        if (errno == EWOULDBLOCK)
            return Error{shown + " is being written by another process", "wait until it is done"};
        return errno_error(shown + " cannot be locked");
    }
    return folder;
}

// That the folder may be removed to make place: it is a checkpoint, if perhaps a damaged one, and nothing else is in it.
Result<void> check_replaceable(int folder, const std::string& shown) {
    const std::string file = shown + '/' + manifest_file;
    const auto opened = open_regular(folder, manifest_file, file);
    if (!opened)
        return Error{shown + " is no checkpoint: " + opened.error().message,
                     "it is not replaced; choose another name"};
    std::string head(static_cast<std::size_t>(std::min<std::uint64_t>(opened->size, 4096)), '\0');
    if (auto read = read_at(opened->file.get(), std::as_writable_bytes(std::span(head)), 0, file); !read)
        return read;
    if (head.find(manifest_format_name) == std::string::npos)
        return Error{shown + " is no checkpoint: " + file + " is something else",
                     "it is not replaced; choose another name"};
    const auto stranger = find_stranger(folder, shown);
    if (!stranger) return stranger.error();
    if (!stranger->empty())
        return Error{shown + " is not replaced, because \"" + *stranger +
                         "\" in it is no part of a checkpoint",
                     "take that away, or choose another name"};
    return {};
}

Error name_taken(const std::string& shown) {
    return Error{shown + " is there already", "choose another name, or say that it is to be replaced"};
}

} // namespace

Result<FolderDraft> FolderDraft::create(const std::filesystem::path& folder, bool may_replace) {
    FolderDraft result;
    result.path_ = folder.has_filename() ? folder : folder.parent_path();
    result.name_ = result.path_.filename().string();
    result.draft_name_ = '.' + result.name_ + ".partial";
    result.may_replace_ = may_replace;
    if (!is_folder_name(result.name_))
        return Error{"\"" + folder.string() + "\" is no name for a new folder", "end it with a name"};
    result.beside_shown_ = result.path_.has_parent_path() ? result.path_.parent_path().string() : ".";
    result.beside_ = UniqueFd(::open(result.beside_shown_.c_str(), O_RDONLY | O_DIRECTORY | O_CLOEXEC));
    if (!result.beside_)
        return errno_error(result.beside_shown_ + ", where the checkpoint is to be, cannot be opened");
    struct stat status {};
    if (::fstatat(result.beside_.get(), result.name_.c_str(), &status, AT_SYMLINK_NOFOLLOW) == 0) {
        if (!may_replace) return name_taken(result.path_.string());
        const UniqueFd old(::openat(result.beside_.get(), result.name_.c_str(),
                                    O_RDONLY | O_DIRECTORY | O_NOFOLLOW | O_CLOEXEC));
        if (!old)
            return errno_error(result.path_.string() +
                               " is not replaced: it is no folder that can be opened");
        if (auto checked = check_replaceable(old.get(), result.path_.string()); !checked)
            return std::move(checked).error();
    }
    if (auto taken = result.take_draft(); !taken) return std::move(taken).error();
    return result;
}

Result<void> FolderDraft::take_draft() {
    const std::string shown = (path_.parent_path() / draft_name_).string();
    constexpr int most_tries = 100; // each fails only when another writer ends in that very moment
    for (int tries = 0; tries < most_tries; ++tries) {
        const bool made = ::mkdirat(beside_.get(), draft_name_.c_str(), 0700) == 0;
        if (!made && errno != EEXIST)
            return errno_error(shown + " cannot be made", errno, "choose a folder that you may write to");
        auto locked = open_locked(beside_.get(), draft_name_, shown);
        struct stat status {};
        const bool is_there =
            ::fstatat(beside_.get(), draft_name_.c_str(), &status, AT_SYMLINK_NOFOLLOW) == 0;
        if (!locked && is_there) return std::move(locked).error();
        if (!locked || !is_named(beside_.get(), draft_name_, locked->get())) continue;
        if (!made) {
            // Who made it could change what is written there.
            if (::fstat(locked->get(), &status) != 0 || status.st_uid != ::geteuid())
                return Error{shown + " belongs to another user", "choose a folder of yours"};
            const auto stranger = find_stranger(locked->get(), shown);
            if (!stranger) return stranger.error();
            if (!stranger->empty())
                return Error{shown + " is the rest of a checkpoint, but \"" + *stranger + "\" in it is not",
                             "remove that folder"};
            remove_files(locked->get());
        }
        draft_ = *std::move(locked);
        return {};
    }
    return Error{shown + " comes and goes", "see which process writes there"};
}

FolderDraft::~FolderDraft() {
    // It has the other name when it was published, could not be put on the disk, and could not be renamed back either.
    if (!draft_ || !is_named(beside_.get(), draft_name_, draft_.get())) return;
    remove_files(draft_.get());
    ::unlinkat(beside_.get(), draft_name_.c_str(), AT_REMOVEDIR);
}

Result<void> FolderDraft::publish() {
    if (auto done = make_durable(draft_.get(), path_.string()); !done) return done;
    struct stat status {};
    if (::fstatat(beside_.get(), name_.c_str(), &status, AT_SYMLINK_NOFOLLOW) != 0) return publish_new();
    if (!may_replace_) return name_taken(path_.string());
    auto old = open_locked(beside_.get(), name_, path_.string());
    if (!old) return std::move(old).error();
    if (auto checked = check_replaceable(old->get(), path_.string()); !checked) return checked;
    return publish_instead(*std::move(old));
}

Result<void> FolderDraft::publish_new() {
    const auto rename = [this](const std::string& from, const std::string& to) {
        if (::renameat2(beside_.get(), from.c_str(), beside_.get(), to.c_str(), RENAME_NOREPLACE) == 0)
            return true;
        // Not every file system knows the flag. A folder that holds something is not replaced without it either.
        return errno == EINVAL && ::renameat(beside_.get(), from.c_str(), beside_.get(), to.c_str()) == 0;
    };
    if (!rename(draft_name_, name_)) {
        const int why = errno;
        if (why == EEXIST || why == ENOTEMPTY) return name_taken(path_.string());
        return errno_error(path_.string() + " cannot be given its name", why);
    }
    if (auto done = make_durable(beside_.get(), beside_shown_); !done) {
        static_cast<void>(rename(name_, draft_name_)); // the destructor removes it
        return done;
    }
    draft_.reset();
    return {};
}

Result<void> FolderDraft::publish_instead(UniqueFd old) {
    const auto exchange = [this] {
        return ::renameat2(beside_.get(), draft_name_.c_str(), beside_.get(), name_.c_str(),
                           RENAME_EXCHANGE) == 0;
    };
    if (!exchange())
        return errno_error(path_.string() + " cannot be replaced", errno,
                           "this file system may not be able to; choose another name");
    if (auto done = make_durable(beside_.get(), beside_shown_); !done) {
        static_cast<void>(exchange());
        return done;
    }
    draft_.reset();
    // The new one is whole and has the name. What is left of the old one the next writer removes.
    remove_files(old.get());
    ::unlinkat(beside_.get(), draft_name_.c_str(), AT_REMOVEDIR);
    return {};
}

} // namespace plugbay::core
