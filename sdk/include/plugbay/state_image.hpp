// The encoding behind abi/state.h, for whoever plays the host: the monitor and the
// testkit. docs/state-format.md specifies the bytes. Nothing here throws but std::bad_alloc.
//
//     StateBuilder builder("serial", 1);            StateReading reading(image);
//     save(instance, builder.writer());             load(instance, reading.reader());
//     auto image = builder.finish(error);           reading.unread();   // refuse unless empty
#pragma once

#include <plugbay/abi/state.h>

#include <algorithm>
#include <array>
#include <bit>
#include <cstddef>
#include <cstdint>
#include <cstring>
#include <new>
#include <optional>
#include <span>
#include <string>
#include <string_view>
#include <utility>
#include <vector>

namespace plugbay {

namespace detail {

inline constexpr std::uint64_t state_magic = 0x4554415453424c50; // "PLBSTATE" in memory order
inline constexpr std::uint32_t state_format_version = 1;
inline constexpr std::size_t state_header_size = 36;
inline constexpr std::size_t state_checksum_size = 4;
inline constexpr std::size_t state_field_header_size = 12;
inline constexpr std::size_t state_longest_name = 255;

inline constexpr auto crc32c_table = [] {
    std::array<std::uint32_t, 256> table{};
    for (std::uint32_t i = 0; i < 256; ++i) {
        std::uint32_t value = i;
        for (int bit = 0; bit < 8; ++bit)
            value = (value >> 1) ^ ((value & 1) != 0 ? 0x82f63b78u : 0);
        table[i] = value;
    }
    return table;
}();

// 0: no such kind.
constexpr std::size_t state_element_size(std::uint32_t kind) {
    switch (kind) {
    case PLUGBAY_FIELD_BOOLEAN:
    case PLUGBAY_FIELD_U8:
    case PLUGBAY_FIELD_TEXT:
        return 1;
    case PLUGBAY_FIELD_U16:
        return 2;
    case PLUGBAY_FIELD_U32:
        return 4;
    case PLUGBAY_FIELD_U64:
    case PLUGBAY_FIELD_I64:
        return 8;
    default:
        return 0;
    }
}

inline bool state_name_valid(std::string_view name) {
    return !name.empty() && name.size() <= state_longest_name &&
           std::all_of(name.begin(), name.end(), [](char c) { return c > ' ' && c <= '~'; });
}

// What a field's elements may not be, or nullptr.
inline const char* state_elements_problem(std::uint32_t kind, std::span<const std::byte> elements) {
    if (kind == PLUGBAY_FIELD_BOOLEAN &&
        std::any_of(elements.begin(), elements.end(), [](std::byte b) { return b > std::byte{1}; }))
        return "holds a boolean other than 0 and 1";
    if (kind == PLUGBAY_FIELD_TEXT &&
        std::any_of(elements.begin(), elements.end(), [](std::byte b) { return b == std::byte{0}; }))
        return "holds a text with a NUL";
    return nullptr;
}

// Between the machine's byte order and little-endian, either way.
inline void state_swap_elements([[maybe_unused]] std::span<std::byte> elements,
                                [[maybe_unused]] std::size_t size) {
    if constexpr (std::endian::native == std::endian::big) {
        for (std::size_t at = 0; at + size <= elements.size(); at += size) {
            const auto element = elements.subspan(at, size);
            std::reverse(element.begin(), element.end());
        }
    }
}

template <typename T>
void state_append(std::vector<std::byte>& bytes, T value) {
    for (std::size_t i = 0; i < sizeof(T); ++i)
        bytes.push_back(static_cast<std::byte>(value >> (8 * i) & 0xff));
}

template <typename T>
T state_load(const std::byte* bytes) {
    std::uint64_t value = 0;
    for (std::size_t i = 0; i < sizeof(T); ++i)
        value |= std::uint64_t{std::to_integer<std::uint8_t>(bytes[i])} << (8 * i);
    return static_cast<T>(value);
}

} // namespace detail

// CRC-32C (Castagnoli, reflected, initial value and final inversion all ones).
inline std::uint32_t crc32c(std::span<const std::byte> bytes) {
    std::uint32_t value = 0xffffffff;
    for (const std::byte byte : bytes)
        value = (value >> 8) ^ detail::crc32c_table[(value ^ std::to_integer<std::uint32_t>(byte)) & 0xff];
    return ~value;
}

// One field of an image.
struct StateField {
    std::string name;
    std::uint32_t kind = 0;  // PLUGBAY_FIELD_...
    std::uint32_t flags = 0; // PLUGBAY_FIELD_OPTIONAL
    std::uint64_t count = 0; // elements
    std::size_t offset = 0;  // of the elements in the image's bytes
};

// A device's state, encoded and known to be well-formed. A value: copy it, compare it, keep it.
class StateImage {
  public:
    // Checks everything that can be checked without the device; on failure `error` says what is wrong.
    static std::optional<StateImage> parse(std::vector<std::byte> bytes, std::string& error) {
        StateImage image;
        image.bytes_ = std::move(bytes);
        error = image.decode();
        if (!error.empty()) return std::nullopt;
        return image;
    }

    [[nodiscard]] const std::vector<std::byte>& bytes() const { return bytes_; }
    [[nodiscard]] const std::string& type() const { return type_; } // the device type's name
    [[nodiscard]] std::uint32_t version() const { return version_; }
    [[nodiscard]] const std::vector<StateField>& fields() const { return fields_; }
    // nullptr: no such field.
    [[nodiscard]] const StateField* find(std::string_view name) const {
        const auto place = std::lower_bound(
            by_name_.begin(), by_name_.end(), name,
            [this](std::uint32_t index, std::string_view wanted) { return fields_[index].name < wanted; });
        if (place == by_name_.end() || fields_[*place].name != name) return nullptr;
        return &fields_[*place];
    }
    [[nodiscard]] std::span<const std::byte> elements(const StateField& field) const {
        return std::span(bytes_).subspan(field.offset, static_cast<std::size_t>(field.count) *
                                                           detail::state_element_size(field.kind));
    }
    friend bool operator==(const StateImage& a, const StateImage& b) { return a.bytes_ == b.bytes_; }

  private:
    StateImage() = default;

    // Fills the other members from bytes_; returns what is wrong, or "".
    std::string decode() {
        const std::byte* const data = bytes_.data();
        const std::size_t size = bytes_.size();
        if (size < detail::state_header_size + detail::state_checksum_size)
            return "the state image is truncated: it is shorter than its header";
        if (detail::state_load<std::uint64_t>(data) != detail::state_magic)
            return "this is not a state image: its magic number is wrong";
        const auto format = detail::state_load<std::uint32_t>(data + 8);
        if (format != detail::state_format_version)
            return "the state image has format " + std::to_string(format) + ", this build reads format 1";
        if (detail::state_load<std::uint64_t>(data + 16) != size)
            return "the state image is truncated or has bytes after its end";
        const std::size_t end = size - detail::state_checksum_size;
        if (detail::state_load<std::uint32_t>(data + end) != crc32c(std::span(bytes_).first(end)))
            return "the state image is damaged: its checksum does not match";
        version_ = detail::state_load<std::uint32_t>(data + 12);
        const auto field_count = detail::state_load<std::uint32_t>(data + 24);
        const std::size_t type_length = detail::state_load<std::uint32_t>(data + 28);
        if (detail::state_load<std::uint32_t>(data + 32) != 0) return "the state image has reserved bits set";
        std::size_t at = detail::state_header_size;
        if (type_length > end - at) return "the state image's type name passes its end";
        type_.assign(reinterpret_cast<const char*>(data + at), type_length);
        if (!detail::state_name_valid(type_)) return "the state image's type name is malformed";
        at += type_length;
        for (std::uint32_t i = 0; i < field_count; ++i) {
            if (auto problem = decode_field(at, end); !problem.empty()) return problem;
        }
        if (at != end) return "the state image has bytes after its last field";
        return index_names();
    }

    std::string decode_field(std::size_t& at, std::size_t end) {
        const std::byte* const data = bytes_.data();
        if (end - at < detail::state_field_header_size) return "a state field passes the end of its image";
        StateField field;
        field.count = detail::state_load<std::uint64_t>(data + at);
        const auto name_length = detail::state_load<std::uint16_t>(data + at + 8);
        field.kind = detail::state_load<std::uint8_t>(data + at + 10);
        field.flags = detail::state_load<std::uint8_t>(data + at + 11);
        at += detail::state_field_header_size;
        if (name_length > end - at) return "the name of a state field passes the end of its image";
        field.name.assign(reinterpret_cast<const char*>(data + at), name_length);
        at += name_length;
        if (!detail::state_name_valid(field.name)) return "a state field has a malformed name";
        const std::size_t element = detail::state_element_size(field.kind);
        if (element == 0)
            return "state field " + field.name + " has the unknown kind " + std::to_string(field.kind);
        if ((field.flags & ~PLUGBAY_FIELD_OPTIONAL) != 0)
            return "state field " + field.name + " has unknown flags";
        if (field.count > (end - at) / element)
            return "state field " + field.name + " passes the end of its image";
        field.offset = at;
        const std::size_t length = field.count * element;
        if (const char* problem =
                detail::state_elements_problem(field.kind, std::span(bytes_).subspan(at, length)))
            return "state field " + field.name + " " + problem;
        at += length;
        fields_.push_back(std::move(field));
        return {};
    }

    std::string index_names() {
        by_name_.resize(fields_.size());
        for (std::uint32_t i = 0; i < by_name_.size(); ++i)
            by_name_[i] = i;
        std::sort(by_name_.begin(), by_name_.end(),
                  [this](std::uint32_t a, std::uint32_t b) { return fields_[a].name < fields_[b].name; });
        for (std::size_t i = 1; i < by_name_.size(); ++i) {
            if (fields_[by_name_[i]].name == fields_[by_name_[i - 1]].name)
                return "state field " + fields_[by_name_[i]].name + " is there twice";
        }
        return {};
    }

    std::vector<std::byte> bytes_;
    std::string type_;
    std::uint32_t version_ = 0;
    std::vector<StateField> fields_;
    std::vector<std::uint32_t> by_name_; // indices of fields_, ordered by name
};

// Collects what a device's `save` puts. A put that fails makes finish fail too, whatever the device did about
// it. Not copyable: the writer points here.
class StateBuilder {
  public:
    StateBuilder(std::string_view type, std::uint32_t version) : version_(version), type_(type) {
        writer_.size = sizeof writer_;
        writer_.version = version;
        writer_.context = this;
        writer_.put = [](const plugbay_state_writer* writer, const char* name, std::uint32_t kind,
                         const void* elements, std::uint64_t count,
                         std::uint32_t flags) noexcept -> plugbay_status {
            auto& builder = *static_cast<StateBuilder*>(writer->context);
            try {
                return builder.put(name, kind, elements, count, flags);
            } catch (const std::bad_alloc&) {
                builder.exhausted_ = true;
                return PLUGBAY_NO_MEMORY;
            }
        };
    }
    StateBuilder(const StateBuilder&) = delete;
    StateBuilder& operator=(const StateBuilder&) = delete;

    [[nodiscard]] const plugbay_state_writer* writer() const { return &writer_; }
    // What the first failed put was about; "" when none failed.
    [[nodiscard]] const std::string& error() const { return error_; }

    plugbay_status put(const char* name, std::uint32_t kind, const void* elements, std::uint64_t count,
                       std::uint32_t flags) {
        if (name == nullptr) return refuse("a state field has no name");
        const std::string_view text(name);
        if (!detail::state_name_valid(text))
            return refuse("the state field name \"" + std::string(text.substr(0, 64)) +
                          "\" is not 1 to 255 printable ASCII characters");
        const std::size_t element = detail::state_element_size(kind);
        if (element == 0)
            return refuse("state field " + std::string(text) + " has the unknown kind " +
                          std::to_string(kind));
        if ((flags & ~PLUGBAY_FIELD_OPTIONAL) != 0)
            return refuse("state field " + std::string(text) + " has unknown flags");
        if (elements == nullptr && count != 0)
            return refuse("state field " + std::string(text) + " has no elements but a count");
        if (count > (std::uint64_t{1} << 40) / element)
            return refuse("state field " + std::string(text) + " is too long");
        const std::size_t length = count * element;
        const std::span source(static_cast<const std::byte*>(elements), length);
        if (const char* problem = detail::state_elements_problem(kind, source))
            return refuse("state field " + std::string(text) + " " + problem);
        const auto place = std::lower_bound(names_.begin(), names_.end(), text);
        if (place != names_.end() && *place == text)
            return refuse("state field " + std::string(text) + " was put twice");
        names_.emplace(place, text);
        detail::state_append(fields_, count);
        detail::state_append(fields_, static_cast<std::uint16_t>(text.size()));
        detail::state_append(fields_, static_cast<std::uint8_t>(kind));
        detail::state_append(fields_, static_cast<std::uint8_t>(flags));
        const auto name_bytes = std::as_bytes(std::span(text));
        fields_.insert(fields_.end(), name_bytes.begin(), name_bytes.end());
        const std::size_t at = fields_.size();
        fields_.insert(fields_.end(), source.begin(), source.end());
        detail::state_swap_elements(std::span(fields_).subspan(at), element);
        return PLUGBAY_OK;
    }

    // The whole image. The builder stays as it is.
    [[nodiscard]] std::optional<StateImage> finish(std::string& error) const {
        error = exhausted_ ? "out of memory while saving" : error_;
        if (!error.empty()) return std::nullopt;
        const std::size_t size =
            detail::state_header_size + type_.size() + fields_.size() + detail::state_checksum_size;
        std::vector<std::byte> bytes;
        bytes.reserve(size);
        detail::state_append(bytes, detail::state_magic);
        detail::state_append(bytes, detail::state_format_version);
        detail::state_append(bytes, version_);
        detail::state_append(bytes, std::uint64_t{size});
        detail::state_append(bytes, static_cast<std::uint32_t>(names_.size()));
        detail::state_append(bytes, static_cast<std::uint32_t>(type_.size()));
        detail::state_append(bytes, std::uint32_t{0});
        const auto type_bytes = std::as_bytes(std::span(type_));
        bytes.insert(bytes.end(), type_bytes.begin(), type_bytes.end());
        bytes.insert(bytes.end(), fields_.begin(), fields_.end());
        detail::state_append(bytes, crc32c(bytes));
        return StateImage::parse(std::move(bytes), error);
    }

  private:
    plugbay_status refuse(std::string why) {
        if (error_.empty()) error_ = std::move(why);
        return PLUGBAY_INVALID;
    }

    plugbay_state_writer writer_{};
    std::uint32_t version_;
    std::string type_;
    std::vector<std::string> names_; // sorted
    std::vector<std::byte> fields_;
    std::string error_;
    bool exhausted_ = false;
};

// One load of an image by a device, which notes what it asked for. The image has to outlive it.
class StateReading {
  public:
    explicit StateReading(const StateImage& image) : image_(image), asked_(image.fields().size(), false) {
        reader_.size = sizeof reader_;
        reader_.version = image.version();
        reader_.context = this;
        reader_.count = [](const plugbay_state_reader* reader, const char* name) {
            return static_cast<StateReading*>(reader->context)->count(name);
        };
        reader_.get = [](const plugbay_state_reader* reader, const char* name, std::uint32_t kind,
                         void* elements, std::uint64_t count) {
            return static_cast<StateReading*>(reader->context)->get(name, kind, elements, count);
        };
    }
    StateReading(const StateReading&) = delete;
    StateReading& operator=(const StateReading&) = delete;

    [[nodiscard]] const plugbay_state_reader* reader() const { return &reader_; }

    std::uint64_t count(const char* name) {
        const StateField* field = ask(name);
        return field == nullptr ? 0 : field->count;
    }
    plugbay_status get(const char* name, std::uint32_t kind, void* elements, std::uint64_t count) {
        const StateField* field = ask(name);
        if (field == nullptr) return PLUGBAY_NOT_FOUND;
        if (field->kind != kind || field->count != count) return PLUGBAY_INVALID;
        const auto source = image_.elements(*field);
        if (source.empty()) return PLUGBAY_OK;
        if (elements == nullptr) return PLUGBAY_INVALID;
        std::memcpy(elements, source.data(), source.size());
        detail::state_swap_elements({static_cast<std::byte*>(elements), source.size()},
                                    detail::state_element_size(kind));
        return PLUGBAY_OK;
    }

    // The names of the fields that the device has not asked for and that are not optional.
    [[nodiscard]] std::vector<std::string> unread() const {
        std::vector<std::string> names;
        for (std::size_t i = 0; i < asked_.size(); ++i) {
            const StateField& field = image_.fields()[i];
            if (!asked_[i] && (field.flags & PLUGBAY_FIELD_OPTIONAL) == 0) names.push_back(field.name);
        }
        return names;
    }

  private:
    const StateField* ask(const char* name) {
        const StateField* field = name == nullptr ? nullptr : image_.find(name);
        if (field != nullptr) asked_[static_cast<std::size_t>(field - image_.fields().data())] = true;
        return field;
    }

    const StateImage& image_;
    plugbay_state_reader reader_{};
    std::vector<bool> asked_;
};

} // namespace plugbay
