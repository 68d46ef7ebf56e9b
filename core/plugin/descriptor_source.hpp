// What a descriptor is read by: structs that say their size, texts, lists, each checked before it is believed. The image
// may be hostile.
#pragma once

#include "core/base/result.hpp"
#include "core/plugin/elf_image.hpp"

#include <algorithm>
#include <cstddef>
#include <cstdint>
#include <string>
#include <type_traits>
#include <utility>
#include <vector>

namespace plugbay::core {

// Members return false after setting an error; callers then add where they were. A `slot` is the address of a pointer.
class DescriptorSource {
  public:
    explicit DescriptorSource(ElfImage& image) : image_(image) {}

    [[nodiscard]] Error take_error() { return std::move(error_); }
    bool fail(std::string message, std::string hint) {
        error_ = Error{std::move(message), std::move(hint)};
        return false;
    }
    bool inside(const std::string& context) {
        error_ = with_context(context, std::move(error_));
        return false;
    }

    // One that says its size. What it is too small to have is zero in `target`.
    template <typename Struct>
    bool read_struct(std::uint64_t address, std::uint32_t first_size, Struct& target);
    bool read_text(const char* what, std::uint64_t slot, std::size_t limit, bool may_be_null,
                   std::string& text);
    bool read_address(const std::string& what, std::uint64_t slot, std::uint64_t& address);
    bool check_function(const char* what, std::uint64_t slot);
    // An array of pointers to structs, each read by `read_one(address, one)`.
    template <typename Description, typename ReadOne>
    bool read_list(const char* what, std::uint64_t slot, std::uint32_t count, std::uint32_t limit,
                   ReadOne read_one, std::vector<Description>& list);
    // An array of structs that never grow, each read by `read_one(address, raw, one)`.
    template <typename Raw, typename Description, typename ReadOne>
    bool read_elements(const char* what, std::uint64_t slot, std::uint32_t count, std::uint32_t limit,
                       ReadOne read_one, std::vector<Description>& list);
    bool read_array(const std::string& what, std::uint64_t slot, std::uint64_t& array);
    // Whether a plugin may declare that many more things.
    bool declare(std::uint64_t count);

    [[nodiscard]] ElfImage& image() { return image_; }

  private:
    static constexpr std::uint32_t largest_struct = 1 << 16;

    bool check_count(const char* what, std::uint32_t count, std::uint32_t limit);
    template <typename Description>
    bool inside(const char* what, std::uint32_t index, const Description& one) {
        const std::string context = std::string(what) + " " + std::to_string(index);
        return inside(one.name.empty() ? context : context + " \"" + one.name + "\"");
    }

    ElfImage& image_;
    Error error_;
    std::size_t text_bytes_ = 0;
    std::size_t declarations_ = 0;
};

template <typename Struct>
bool DescriptorSource::read_struct(std::uint64_t address, std::uint32_t first_size, Struct& target) {
    static_assert(std::is_trivially_copyable_v<Struct>);
    const std::string where = "at address " + std::to_string(address);
    if (address % alignof(Struct) != 0) return fail("its struct " + where + " is not aligned", "");
    std::uint32_t size = 0;
    if (!image_.read(address + offsetof(Struct, size), &size, sizeof size)) {
        return fail("its struct " + where + " is outside of the file's segments", "");
    }
    if (size < first_size || size > largest_struct) {
        return fail("its size member is " + std::to_string(size) + "; at least " +
                        std::to_string(first_size) + " is needed",
                    "set size to sizeof the struct");
    }
    if (!image_.contains(address, size)) {
        return fail("its struct of " + std::to_string(size) + " bytes " + where +
                        " is outside of the file's segments",
                    "set size to sizeof the struct");
    }
    target = {};
    if (!image_.read(address, &target, std::min<std::size_t>(size, sizeof target))) {
        return fail("its struct " + where + " cannot be read", "");
    }
    return true;
}

template <typename Description, typename ReadOne>
bool DescriptorSource::read_list(const char* what, std::uint64_t slot, std::uint32_t count,
                                 std::uint32_t limit, ReadOne read_one, std::vector<Description>& list) {
    if (count == 0) return true;
    if (!check_count(what, count, limit)) return false;
    std::uint64_t array = 0;
    if (!read_array(std::string("its list of ") + what, slot, array)) return false;
    list.reserve(count);
    for (std::uint32_t index = 0; index < count; ++index) {
        Description& one = list.emplace_back();
        std::uint64_t address = 0;
        if (!read_address("the pointer to it", array + index * sizeof(void*), address) ||
            !read_one(address, one)) {
            return inside(what, index, one);
        }
    }
    return true;
}

template <typename Raw, typename Description, typename ReadOne>
bool DescriptorSource::read_elements(const char* what, std::uint64_t slot, std::uint32_t count,
                                     std::uint32_t limit, ReadOne read_one, std::vector<Description>& list) {
    static_assert(std::is_trivially_copyable_v<Raw> && alignof(Raw) == alignof(void*));
    if (count == 0) return true;
    if (!check_count(what, count, limit)) return false;
    std::uint64_t array = 0;
    if (!read_array(std::string("its list of ") + what, slot, array)) return false;
    list.reserve(count);
    for (std::uint32_t index = 0; index < count; ++index) {
        Description& one = list.emplace_back();
        const std::uint64_t address = array + index * sizeof(Raw);
        Raw raw{};
        if (!image_.read(address, &raw, sizeof raw)) {
            return fail(std::string("its list of ") + what + " is partly outside of the file's segments",
                        "correct the count");
        }
        if (!read_one(address, raw, one)) return inside(what, index, one);
    }
    return true;
}

} // namespace plugbay::core
