// What a checkpoint says of itself: manifest.json of a folder, and the two manifests of a stream.
// docs/checkpoint-format.md specifies the text.
#pragma once

#include "core/base/result.hpp"

#include <nlohmann/json.hpp>
#include <plugbay/state_image.hpp>

#include <cstdint>
#include <map>
#include <optional>
#include <string>
#include <string_view>
#include <utility>
#include <variant>
#include <vector>

namespace plugbay::core {

inline constexpr std::uint32_t checkpoint_format_version = 1;
inline constexpr std::uint64_t checkpoint_page_size = 4096;
// Of all states of a checkpoint together, in bytes: they are held in memory.
inline constexpr std::uint64_t largest_states = std::uint64_t{16} << 30;

inline constexpr std::size_t longest_state_name = 512; // of a NamedState, in bytes

// The files of a folder, all that there can be.
inline constexpr const char* manifest_file = "manifest.json";
inline constexpr const char* state_file = "state";
inline constexpr const char* memory_file = "memory";
inline constexpr const char* memory_sums_file = "memory.sums";   // a word a page: page_checksums
inline constexpr const char* memory_pages_file = "memory.pages"; // incremental: a PageSet

// Where one image is among the states, and what it says of itself.
struct StatePlace {
    std::string type = {};
    std::uint32_t version = 0;
    std::uint64_t offset = 0;
    std::uint64_t size = 0;
    // The image's own, its last four bytes. One over several images would say nothing: what a CRC over data and their CRC is
    // depends on the length alone.
    std::uint32_t checksum = 0;
};

// Of a state's image.
[[nodiscard]] inline std::uint32_t checksum_in(const StateImage& image) {
    const std::span<const std::byte> bytes = image.bytes();
    return plugbay::detail::state_load<std::uint32_t>(
        bytes.last(plugbay::detail::state_checksum_size).data());
}

// The state of something that is no device: a vCPU, an interrupt chip, the clock.
struct NamedState {
    std::string name = {}; // unique among these; "vcpu0"
    StatePlace place = {};
};

struct SavedDevice {
    std::string id = {};
    std::string type = {};
    std::string plugin = {};
    std::string plugin_version = {};
    std::string build_id = {};
    std::uint16_t abi_major = 0;
    std::uint16_t abi_minor = 0;
    std::optional<StatePlace> state = {}; // none: the type has none, or the checkpoint has no states
    // What the monitor keeps for it, such as a PCI function's configuration; names are unique in the device.
    std::vector<NamedState> resources = {};
    // What the guest knows of it, such as "ports 0x3f8-0x3ff". None: nobody wrote it down.
    std::optional<std::vector<std::string>> guest_visible = {};
};

// A file of the host that a device depends on, such as a disk's.
struct HostFile {
    std::string path = {};
    std::uint64_t size = 0;
    std::int64_t modified = 0; // nanoseconds since 1970
    std::string checksum = {}; // empty, "crc32c:" and 8 digits, or "sha256:" and 64 digits, hexadecimal
};

enum class LayerKind { full, incremental };

struct SavedMemory {
    std::uint64_t size = 0;
    LayerKind kind = LayerKind::full;
    // Of a folder: pages that this layer decides, and those among them with bytes other than zero.
    std::uint64_t decided = 0;
    std::uint64_t stored = 0;
};

struct ParentCheckpoint {
    std::string id = {};
    std::string folder = {}; // its name, beside this one's folder
};

struct StoredFile {
    std::uint64_t size = 0;
    std::optional<std::uint32_t> checksum = {}; // of memory.sums and memory.pages
};

using HostFact = std::variant<std::string, std::uint64_t>;

// Who saves a machine fills the first part; the writer fills the second and replaces what is in it.
struct Manifest {
    nlohmann::ordered_json machine = nlohmann::ordered_json::object(); // the resolved machine file
    std::uint32_t vcpus = 0;
    std::vector<std::pair<std::string, HostFact>> host = {}; // names are unique
    std::vector<NamedState> states = {};
    std::vector<SavedDevice> devices = {}; // in the order of their creation
    std::vector<HostFile> host_files = {};

    std::string id = {}; // 32 hexadecimal digits
    std::optional<ParentCheckpoint> parent = {};
    std::string created = {}; // "2026-11-30T16:12:00Z"
    std::string plugbay = {}; // version of the writer
    bool holds_states = false;
    std::optional<SavedMemory> memory = {}; // none: the checkpoint has no memory
    std::map<std::string, StoredFile> files = {};
};

// Which of the three manifests a text is.
enum class ManifestStage {
    folder,
    opening, // of a stream: before the first page, so nothing is known of states
    closing, // of a stream: `files` has only the states, and there are no counts of pages
};

// A new checkpoint's id, from the kernel's random numbers.
[[nodiscard]] Result<std::string> new_checkpoint_id();

// Fails when a text in it is no UTF-8.
[[nodiscard]] Result<std::string> manifest_text(const Manifest& manifest, ManifestStage stage);

// Whatever the text holds, the result keeps to docs/checkpoint-format.md. `file` names the text in errors.
[[nodiscard]] Result<Manifest> read_manifest(std::string text, const std::string& file, ManifestStage stage);

// A folder's name that is nothing but a name.
[[nodiscard]] bool is_folder_name(std::string_view text);

// What is wrong between the parts of a manifest, each of which is right for itself: "" when nothing is.
struct ManifestConflict {
    std::string path = {}; // JSON path
    std::string message = {};
};
[[nodiscard]] std::optional<ManifestConflict> find_conflict(const Manifest& manifest, ManifestStage stage);

} // namespace plugbay::core
