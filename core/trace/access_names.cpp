#include "core/trace/access_names.hpp"

#include "core/device/device.hpp"
#include "core/device/register_names.hpp"

#include <fmt/format.h>

#include <array>

namespace plugbay::core {

namespace {

bool is_region(AccessRecord::Kind kind) {
    return kind == AccessRecord::Kind::read || kind == AccessRecord::Kind::write;
}

RegisterAccess register_access(const AccessRecord& record) {
    return {.token = record.token,
            .offset = record.offset,
            .width = record.width,
            .is_write = record.kind == AccessRecord::Kind::write};
}

} // namespace

AccessNames AccessNames::of(const Device& device) {
    std::vector<AccessPlace> places;
    for (const auto& resource : device.resources().all()) {
        for (const AccessPlace& place : resource->access_places())
            places.push_back(place);
    }
    return AccessNames(std::move(places), registers_of(device.loaded()));
}

const AccessPlace* AccessNames::place_of(const AccessRecord& record) const {
    if (!is_region(record.kind)) return nullptr;
    for (const AccessPlace& place : places_) {
        const bool holds = record.offset < place.length && record.width <= place.length - record.offset;
        if (place.token == record.token && holds) return &place;
    }
    return nullptr;
}

std::string AccessNames::region_name(const AccessRecord& record) const {
    switch (record.kind) {
    case AccessRecord::Kind::msr_read:
    case AccessRecord::Kind::msr_write:
        return "MSR";
    case AccessRecord::Kind::call:
        return "hypercall";
    case AccessRecord::Kind::timer:
    case AccessRecord::Kind::input:
        return record.what == nullptr ? "an event" : record.what;
    default:
        break;
    }
    const AccessPlace* const place = place_of(record);
    if (place == nullptr) return fmt::format("token {:#x}", record.token);
    switch (place->kind) {
    case AccessPlace::Kind::ports:
        return fmt::format("ports {:#x}", place->base);
    case AccessPlace::Kind::memory:
        return fmt::format("memory {:#x}", place->base);
    case AccessPlace::Kind::bar:
        break;
    }
    return fmt::format("BAR {}", place->base);
}

std::string AccessNames::access_name(const AccessRecord& record) const {
    if (!is_access(record.kind)) return region_name(record);
    const std::string name = register_of(record);
    return fmt::format("{}{}{:#x}{}{}", region_name(record), is_region(record.kind) ? " + " : " ",
                       record.offset, name.empty() ? "" : " ", name);
}

std::string AccessNames::register_of(const AccessRecord& record) const {
    return is_region(record.kind) ? register_name(registers_, register_access(record)) : "";
}

std::string AccessNames::fields(const AccessRecord& record, std::uint64_t value) const {
    if (!is_region(record.kind)) return {};
    const auto parts = registers_at(registers_, register_access(record));
    // Of one that may be another nobody knows the fields.
    if (parts.size() != 1) return {};
    const RegisterPart& part = parts.front();
    return part.bytes == part.whole->width && part.access_byte == 0 ? field_text(*part.whole, value) : "";
}

std::string AccessNames::value_name(const AccessRecord& record, std::uint64_t value) const {
    const std::string known = fields(record, value);
    const std::string text = value_text(value, record.width);
    return known.empty() ? text : fmt::format("{} ({})", text, known);
}

const char* kind_name(AccessRecord::Kind kind) {
    constexpr std::array<const char*, 7> names{"read", "write", "rdmsr", "wrmsr", "call", "event", "event"};
    return names[static_cast<std::size_t>(kind)];
}

std::string value_text(std::uint64_t value, std::uint8_t width) {
    return fmt::format("{:#0{}x}", value, 2 + 2 * (width == 0 ? 8 : width));
}

} // namespace plugbay::core
