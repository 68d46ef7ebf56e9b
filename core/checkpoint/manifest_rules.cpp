#include "core/checkpoint/manifest.hpp"

#include "core/config/located_value.hpp"

#include <algorithm>
#include <set>

namespace plugbay::core {

namespace {

struct Placed {
    const StatePlace* place;
    std::string path;
};

std::vector<Placed> all_places(const Manifest& manifest) {
    std::vector<Placed> places;
    for (std::size_t i = 0; i < manifest.states.size(); ++i)
        places.push_back({&manifest.states[i].place, element_path("states", i)});
    for (std::size_t i = 0; i < manifest.devices.size(); ++i) {
        const std::string path = element_path("devices", i);
        if (manifest.devices[i].state) places.push_back({&*manifest.devices[i].state, path + ".state"});
        for (std::size_t j = 0; j < manifest.devices[i].resources.size(); ++j)
            places.push_back({&manifest.devices[i].resources[j].place, element_path(path + ".resources", j)});
    }
    return places;
}

// The states follow each other without a gap, in any order, and fill the file.
std::optional<ManifestConflict> check_places(const Manifest& manifest) {
    auto places = all_places(manifest);
    std::ranges::sort(places, {}, [](const Placed& placed) { return placed.place->offset; });
    std::uint64_t end = 0;
    for (const Placed& placed : places) {
        if (placed.place->offset != end)
            return ManifestConflict{placed.path + ".offset",
                                    "expected " + std::to_string(end) + ", where the state before it ends"};
        if (placed.place->size > largest_states - end)
            return ManifestConflict{placed.path + ".size",
                                    "passes the most that all states may have together, " +
                                        std::to_string(largest_states) + " bytes"};
        end += placed.place->size;
    }
    const auto file = manifest.files.find(state_file);
    if (file != manifest.files.end() && file->second.size != end)
        return ManifestConflict{"files.state.size",
                                "expected " + std::to_string(end) + ", the sum of the states' sizes"};
    return std::nullopt;
}

std::optional<ManifestConflict> check_names(const Manifest& manifest) {
    std::set<std::string_view> names;
    for (std::size_t i = 0; i < manifest.states.size(); ++i) {
        if (!names.insert(manifest.states[i].name).second)
            return ManifestConflict{element_path("states", i) + ".name", "is there twice"};
    }
    names.clear();
    for (std::size_t i = 0; i < manifest.devices.size(); ++i) {
        if (!names.insert(manifest.devices[i].id).second)
            return ManifestConflict{element_path("devices", i) + ".id", "is there twice"};
    }
    for (std::size_t i = 0; i < manifest.devices.size(); ++i) {
        names.clear();
        for (std::size_t j = 0; j < manifest.devices[i].resources.size(); ++j) {
            if (names.insert(manifest.devices[i].resources[j].name).second) continue;
            const std::string path = element_path("devices", i) + ".resources";
            return ManifestConflict{element_path(path, j) + ".name", "is there twice"};
        }
    }
    return std::nullopt;
}

struct ExpectedFile {
    const char* name;
    bool wanted;
    std::optional<std::uint64_t> size; // none: check_places
    bool has_checksum;
};

std::optional<ManifestConflict> check_files(const Manifest& manifest, ManifestStage stage) {
    const bool memory = stage == ManifestStage::folder && manifest.memory;
    const bool incremental = memory && manifest.memory->kind == LayerKind::incremental;
    const std::uint64_t size = memory ? manifest.memory->size : 0;
    const std::uint64_t pages = size / checkpoint_page_size;
    const std::initializer_list<ExpectedFile> expected{
        {state_file, stage != ManifestStage::opening && manifest.holds_states, std::nullopt, false},
        {memory_file, memory, size, false},
        {memory_sums_file, memory, pages * 4, true},
        {memory_pages_file, incremental, (pages + 63) / 64 * 8, true}};
    for (const ExpectedFile& file : expected) {
        const auto found = manifest.files.find(file.name);
        const std::string path = member_path("files", file.name);
        if ((found != manifest.files.end()) != file.wanted)
            return ManifestConflict{path, file.wanted ? "is missing, although \"holds\" promises it"
                                                      : "is there, although \"holds\" does not have it"};
        if (!file.wanted) continue;
        if (file.size && found->second.size != *file.size)
            return ManifestConflict{path + ".size", "expected " + std::to_string(*file.size) +
                                                        ", by the size of the memory, found " +
                                                        std::to_string(found->second.size)};
        if (found->second.checksum.has_value() != file.has_checksum)
            return ManifestConflict{path + ".crc32c",
                                    file.has_checksum ? "is missing" : "is there, where it means nothing"};
    }
    return std::nullopt;
}

std::optional<ManifestConflict> check_memory(const Manifest& manifest, ManifestStage stage) {
    const bool incremental = manifest.memory && manifest.memory->kind == LayerKind::incremental;
    if (incremental && stage != ManifestStage::folder)
        return ManifestConflict{"memory.kind", "a stream holds all of the memory, so it is \"full\""};
    if (manifest.parent.has_value() != incremental)
        return ManifestConflict{"parent", incremental ? "is missing, although the memory is incremental"
                                                      : "is there, although the memory is not incremental"};
    if (!manifest.memory || stage != ManifestStage::folder) return std::nullopt;
    const std::uint64_t pages = manifest.memory->size / checkpoint_page_size;
    if (manifest.memory->decided > pages || (!incremental && manifest.memory->decided != pages))
        return ManifestConflict{"memory.decided", "the memory has " + std::to_string(pages) + " pages"};
    if (manifest.memory->stored > manifest.memory->decided)
        return ManifestConflict{"memory.stored", "is more than the pages that are decided"};
    return std::nullopt;
}

} // namespace

bool is_folder_name(std::string_view text) {
    return !text.empty() && text.size() <= 255 && text != "." && text != ".." &&
           text.find('/') == std::string_view::npos && text.find('\0') == std::string_view::npos;
}

std::optional<ManifestConflict> find_conflict(const Manifest& manifest, ManifestStage stage) {
    const bool may_have_states = manifest.holds_states && stage != ManifestStage::opening;
    if (const auto places = all_places(manifest); !may_have_states && !places.empty())
        return ManifestConflict{places.front().path, manifest.holds_states
                                                         ? "no state is known when a stream begins"
                                                         : "is there, although \"holds\" has no states"};
    if (!manifest.holds_states && !manifest.memory)
        return ManifestConflict{"holds", "has neither states nor memory"};
    if (auto conflict = check_memory(manifest, stage)) return conflict;
    if (auto conflict = check_files(manifest, stage)) return conflict;
    if (auto conflict = check_names(manifest)) return conflict;
    return check_places(manifest);
}

} // namespace plugbay::core
