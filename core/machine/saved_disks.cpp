#include "core/machine/saved_disks.hpp"

#include "core/base/errno_error.hpp"
#include "core/checkpoint/folder_files.hpp"
#include "core/machine/saved_entry.hpp"

#include <plugbay/abi/interface/blk.h>
#include <plugbay/abi/plugin.h>
#include <plugbay/unique_fd.hpp>

#include <algorithm>
#include <fcntl.h>
#include <fmt/format.h>
#include <optional>
#include <sys/stat.h>
#include <unistd.h>
#include <utility>

namespace plugbay::core {

namespace {

// Calls use(property's name, path) for each path of a device that serves a disk.
template <typename Use>
void for_each_disk(const DeviceConfig& device, const TypeCatalog& catalog, const Use& use) {
    const TypeDescription& type = *catalog.find(device.type);
    const bool serves_disk = std::ranges::any_of(type.ports, [](const PortDescription& port) {
        return port.role == PLUGBAY_PORT_BACKEND && port.interface == PLUGBAY_BLK;
    });
    if (!serves_disk) return;
    for (std::size_t i = 0; i < std::min(device.properties.size(), type.properties.size()); ++i) {
        if (type.properties[i].kind == PLUGBAY_PROPERTY_PATH)
            use(type.properties[i].name, device.properties[i].text);
    }
}

// The regular file of that name, if there is one.
std::optional<HostFile> look_at_file(const std::string& path) {
    struct stat facts {};
    if (::stat(path.c_str(), &facts) != 0 || !S_ISREG(facts.st_mode)) return std::nullopt;
    return HostFile{.path = path,
                    .size = static_cast<std::uint64_t>(facts.st_size),
                    .modified = std::int64_t{facts.st_mtim.tv_sec} * 1'000'000'000 + facts.st_mtim.tv_nsec};
}

UniqueFd open_disk(const std::string& path) {
    return UniqueFd(::open(path.c_str(), O_RDONLY | O_CLOEXEC | O_NOCTTY | O_NONBLOCK));
}

Result<std::string> checksum_of_disk(const std::string& path, std::uint64_t size) {
    const UniqueFd file = open_disk(path);
    if (!file) return errno_error("cannot read " + path);
    const auto sum = checksum_of_file(file.get(), size, path);
    if (!sum) return sum.error();
    return fmt::format("crc32c:{:08x}", *sum);
}

// Of a file, or of a block device to which it was copied.
Result<std::uint64_t> size_of_disk(const std::string& path) {
    const UniqueFd file = open_disk(path);
    const off_t size = file ? ::lseek(file.get(), 0, SEEK_END) : -1;
    if (size < 0) return errno_error("cannot read " + path);
    return static_cast<std::uint64_t>(size);
}

// Empty: what is at `path` is what was in `before`, as far as that can be told.
std::string change_of_disk(const HostFile& before, const std::string& path, bool accept_changed) {
    const bool moved = path != before.path;
    if (::access(path.c_str(), F_OK) != 0) return moved ? "is not there" : "is not there any more";
    const auto size = size_of_disk(path);
    if (!size) return "cannot be compared: " + size.error().text();
    if (*size != before.size) {
        return fmt::format("has {} bytes, and the guest knows {}: give the copy that was made with the "
                           "checkpoint",
                           *size, before.size);
    }
    if (accept_changed) return {};
    constexpr const char* advice = ": put back the copy that was made with the checkpoint, or say "
                                   "--accept-changed-disks";
    if (before.checksum.starts_with("crc32c:")) {
        const auto sum = checksum_of_disk(path, before.size);
        if (!sum) return "cannot be compared: " + sum.error().text();
        if (*sum == before.checksum) return {};
        return (moved ? "is no copy of what the guest knows" : "has changed since") + std::string(advice);
    }
    if (moved) return {};
    const auto now = look_at_file(path);
    return now && now->modified == before.modified ? "" : "has changed since" + std::string(advice);
}

} // namespace

std::vector<HostFile> disk_files(const MachineConfig& config, const TypeCatalog& catalog) {
    std::vector<HostFile> files;
    for (const DeviceConfig& device : config.devices) {
        for_each_disk(device, catalog, [&](const std::string&, const std::string& path) {
            if (auto file = look_at_file(path)) files.push_back(*std::move(file));
        });
    }
    return files;
}

Result<void> add_disk_checksums(Manifest& manifest) {
    for (HostFile& file : manifest.host_files) {
        auto checksum = checksum_of_disk(file.path, file.size);
        if (!checksum) return std::move(checksum).error();
        file.checksum = *std::move(checksum);
    }
    return {};
}

std::vector<std::string> find_changed_disks(const Manifest& manifest, const MachineConfig& config,
                                            const TypeCatalog& catalog, bool accept_changed) {
    std::vector<std::string> changed;
    for (const DeviceConfig& device : config.devices) {
        const auto* const saved = saved_entry(manifest.machine, device.id);
        if (saved == nullptr) continue;
        for_each_disk(device, catalog, [&](const std::string& property, const std::string& path) {
            const auto before =
                std::ranges::find(manifest.host_files, text_in(*saved, property), &HostFile::path);
            if (before == manifest.host_files.end()) return;
            if (const auto change = change_of_disk(*before, path, accept_changed); !change.empty())
                changed.push_back(path + ", a disk of the machine, " + change);
        });
    }
    return changed;
}

} // namespace plugbay::core
