#include "core/checkpoint/saved_states.hpp"

#include "core/checkpoint/checksum.hpp"

#include <algorithm>
#include <new>

namespace plugbay::core {

namespace {

constexpr const char* damaged_hint = "the checkpoint is damaged; use another one";

struct Wanted {
    const StatePlace* place;
    std::string name;
    bool is_device;
    std::string device = {}; // whose resource it is of
};

std::vector<Wanted> in_order(const Manifest& manifest) {
    std::vector<Wanted> wanted;
    for (const NamedState& state : manifest.states)
        wanted.push_back({&state.place, state.name, false});
    for (const SavedDevice& device : manifest.devices) {
        if (device.state) wanted.push_back({&*device.state, device.id, true});
        for (const NamedState& resource : device.resources)
            wanted.push_back({&resource.place, resource.name, false, device.id});
    }
    std::ranges::sort(wanted, {}, [](const Wanted& each) { return each.place->offset; });
    return wanted;
}

constexpr std::uint64_t block_size = 1 << 18;
constexpr std::uint64_t checksum_size = 4; // at an image's end

Error other_checksum(const std::string& place) {
    return Error{place + "its checksum is not the one that the manifest has", damaged_hint};
}

// docs/state-format.md: the magic number, and the image's own size at byte 16.
bool begins_an_image(std::span<const std::byte> bytes, std::uint64_t size) {
    return detail::state_load<std::uint64_t>(bytes.data()) == detail::state_magic &&
           detail::state_load<std::uint64_t>(bytes.data() + 16) == size;
}

// Before there is memory for all of a large image: a manifest may claim as much as it likes of a file of holes.
Result<void> check_large(const SavedStates::Read& read, const StatePlace& image, const std::string& place) {
    if (image.size <= block_size) return {};
    std::vector<std::byte> block(static_cast<std::size_t>(block_size));
    const std::uint64_t end = image.size - checksum_size;
    Checksum checksum;
    for (std::uint64_t at = 0; at < end; at += block_size) {
        const auto part = std::span(block).first(static_cast<std::size_t>(std::min(end - at, block_size)));
        if (auto done = read(part, image.offset + at); !done) return done;
        if (at == 0 && !begins_an_image(part, image.size))
            return Error{place + "there is no state image of " + std::to_string(image.size) + " bytes",
                         damaged_hint};
        checksum.add(part);
    }
    return checksum.value() == image.checksum ? Result<void>() : other_checksum(place);
}

Result<StateImage> decode(std::vector<std::byte> bytes, const Wanted& wanted, const std::string& place) {
    std::string problem;
    auto image = StateImage::parse(std::move(bytes), problem);
    if (!image) return Error{place + problem, damaged_hint};
    if (checksum_in(*image) != wanted.place->checksum) return other_checksum(place);
    if (image->type() != wanted.place->type || image->version() != wanted.place->version)
        return Error{place + "expected a state of type " + wanted.place->type + ", version " +
                         std::to_string(wanted.place->version) + ", as the manifest says, found type " +
                         image->type() + ", version " + std::to_string(image->version()),
                     damaged_hint};
    return *std::move(image);
}

} // namespace

const StateImage* SavedStates::find(const std::vector<Entry>& entries, std::string_view name) {
    const auto found = std::ranges::find(entries, name, &Entry::name);
    return found == entries.end() ? nullptr : &found->image;
}

const StateImage* SavedStates::resource(std::string_view device, std::string_view name) const {
    const auto found = std::ranges::find_if(
        resources_, [&](const Entry& entry) { return entry.device == device && entry.name == name; });
    return found == resources_.end() ? nullptr : &found->image;
}

Result<SavedStates> SavedStates::read(const Manifest& manifest, const Read& read, const std::string& shown) {
    SavedStates states;
    for (const Wanted& wanted : in_order(manifest)) {
        const std::string place = shown + ": state of " + wanted.name + ", at offset " +
                                  std::to_string(wanted.place->offset) + ": ";
        try {
            if (auto done = check_large(read, *wanted.place, place); !done) return std::move(done).error();
            std::vector<std::byte> bytes(static_cast<std::size_t>(wanted.place->size));
            if (auto done = read(bytes, wanted.place->offset); !done) return std::move(done).error();
            auto image = decode(std::move(bytes), wanted, place);
            if (!image) return std::move(image).error();
            auto& kind = wanted.is_device        ? states.devices_
                         : wanted.device.empty() ? states.named_
                                                 : states.resources_;
            kind.push_back({wanted.name, *std::move(image), wanted.device});
        } catch (const std::bad_alloc&) {
            return Error{place + "there is no memory for its " + std::to_string(wanted.place->size) +
                             " bytes",
                         "restore where more memory is free"};
        }
    }
    return states;
}

} // namespace plugbay::core
