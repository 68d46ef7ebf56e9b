#include "core/kvm/kvm_system.hpp"

#include "core/base/errno_error.hpp"
#include "core/kvm/kvm_abi.hpp"

#include <fcntl.h>
#include <grp.h>
#include <pwd.h>
#include <sys/stat.h>

#include <algorithm>
#include <array>

namespace plugbay::core {

namespace {

constexpr std::size_t first_cpuid_room = 256;
constexpr std::size_t most_cpuid_room = 4096;
constexpr std::size_t page_size = 4096;

std::string group_name(gid_t id) {
    std::array<char, 4096> buffer{};
    group entry{};
    group* found = nullptr;
    if (getgrgid_r(id, &entry, buffer.data(), buffer.size(), &found) == 0 && found) return found->gr_name;
    return "number " + std::to_string(id);
}

std::string user_name(uid_t id) {
    std::array<char, 4096> buffer{};
    passwd entry{};
    passwd* found = nullptr;
    if (getpwuid_r(id, &entry, buffer.data(), buffer.size(), &found) == 0 && found) return found->pw_name;
    return "number " + std::to_string(id);
}

std::string permission_hint(const std::string& path) {
    struct stat status {};
    if (::stat(path.c_str(), &status) != 0) return "run as root, or as a user who may open " + path;
    const std::string owner = user_name(status.st_uid);
    const std::string group = group_name(status.st_gid);
    constexpr mode_t group_access = S_IRGRP | S_IWGRP;
    if ((status.st_mode & group_access) == group_access) {
        return "it belongs to user " + owner + " and group " + group + "; join the group with `usermod -aG " +
               group + " $USER` as root and log in again, or run as " + owner;
    }
    return "it belongs to user " + owner + " and its group " + group + " may not use it; run as " + owner +
           ", or let the group in with `chgrp kvm " + path + " && chmod 0660 " + path + "` as root";
}

Error open_error(const std::string& path, int error_number) {
    const std::string what = "cannot open " + path;
    switch (error_number) {
    case ENOENT:
        return errno_error(
            what, error_number,
            "this kernel has no KVM loaded: load the module with `modprobe kvm_intel` or `modprobe "
            "kvm_amd`, turn on virtualization in the firmware, or, inside a virtual machine or "
            "container, ask its host for nested virtualization or for the device");
    case ENODEV:
    case ENXIO:
        return errno_error(
            what, error_number,
            "the device file is there and KVM is not: load kvm_intel or kvm_amd and see `dmesg | grep kvm`");
    case EACCES:
    case EPERM:
        return errno_error(what, error_number, permission_hint(path));
    case EBUSY:
        return errno_error(what, error_number, "another hypervisor holds the processor's virtualization");
    default:
        return errno_error(what, error_number);
    }
}

std::vector<std::uint32_t> msr_index_list(int file) {
    constexpr std::size_t most = 4096;
    std::vector<std::uint32_t> list(1 + most); // the count, then the numbers
    list[0] = most;
    if (abi::call(file, abi::get_msr_index_list, list.data()) < 0) return {};
    const std::size_t count = std::min<std::size_t>(list[0], most);
    return {list.begin() + 1, list.begin() + 1 + static_cast<std::ptrdiff_t>(count)};
}

} // namespace

Result<KvmSystem> KvmSystem::open(const std::string& path) {
    KvmSystem system;
    system.file_ = UniqueFd(::open(path.c_str(), O_RDWR | O_CLOEXEC));
    if (!system.file_) return open_error(path, errno);

    const int version = abi::call(system.file_.get(), KVM_GET_API_VERSION, 0);
    if (version < 0) {
        return errno_error(path + " is not a KVM device", errno,
                           "point at the machine's KVM, usually /dev/kvm");
    }
    if (version != KVM_API_VERSION) {
        return Error{path + " speaks version " + std::to_string(version) + " of the KVM interface, wanted " +
                         std::to_string(KVM_API_VERSION),
                     "use a kernel of 2.6.22 or later"};
    }

    const auto extension = [&](long number) {
        return abi::call(system.file_.get(), KVM_CHECK_EXTENSION, number);
    };
    for (const KvmCapabilityInfo& info : kvm_capabilities()) {
        if (extension(info.number) > 0) system.capabilities_.add(info.capability);
    }
    constexpr int least_memory_slots = 32; // what KVM had before it could be asked
    system.max_memory_slots_ =
        static_cast<std::uint32_t>(std::max(extension(KVM_CAP_NR_MEMSLOTS), least_memory_slots));

    const int size = abi::call(system.file_.get(), KVM_GET_VCPU_MMAP_SIZE, 0);
    if (size < static_cast<int>(page_size)) {
        return Error{path + " gives vCPU pages of " + std::to_string(size) + " bytes, wanted at least 4096",
                     "this is no working KVM"};
    }
    system.vcpu_page_size_ = static_cast<std::size_t>(size);
    system.state_msrs_ = msr_index_list(system.file_.get());
    return system;
}

std::vector<KvmCapabilityInfo> KvmSystem::missing_required() const {
    std::vector<KvmCapabilityInfo> missing;
    for (const auto& info : kvm_capabilities()) {
        if (info.required && !has(info.capability)) missing.push_back(info);
    }
    return missing;
}

Result<CpuidTable> KvmSystem::supported_cpuid() const {
    for (std::size_t room = first_cpuid_room; room <= most_cpuid_room; room *= 2) {
        abi::CountedArray<kvm_cpuid_entry2> table(room);
        if (abi::call(file_.get(), abi::get_supported_cpuid, table.data()) < 0) {
            if (errno == E2BIG) continue;
            return errno_error("KVM_GET_SUPPORTED_CPUID");
        }
        std::vector<CpuidEntry> entries;
        for (const auto& entry : table.entries()) {
            entries.push_back({entry.function, entry.index,
                               (entry.flags & KVM_CPUID_FLAG_SIGNIFCANT_INDEX) != 0, entry.eax, entry.ebx,
                               entry.ecx, entry.edx});
        }
        return CpuidTable(std::move(entries));
    }
    return Error{"KVM_GET_SUPPORTED_CPUID has more than " + std::to_string(most_cpuid_room) + " entries", {}};
}

} // namespace plugbay::core
