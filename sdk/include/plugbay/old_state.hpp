// A state of an older version, to be brought into the form of now:
//
//     static void convert(plugbay::OldState& old) {
//         if (old.version() < 2) {   // two bytes became one number
//             const auto low = old.get<std::uint8_t>("divisor_low");
//             const auto high = old.get<std::uint8_t>("divisor_high");
//             old.put("divisor", static_cast<std::uint16_t>(high << 8 | low));
//         }
//         if (old.version() < 3) old.drop("scratch");   // gone
//     }
//
// It is called before state() when what is loaded was saved with a lower state_version. It sees the names as
// they were saved; `renamed` applies afterwards. What it gets may come from anywhere, so it checks what it
// computes with; what it puts is checked by state(), like all that is loaded. To refuse the state it throws
// Failure.
#pragma once

#include <plugbay/abi/state.h>
#include <plugbay/failure.hpp>
#include <plugbay/state.hpp>
#include <plugbay/state_image.hpp>

#include <cstddef>
#include <cstdint>
#include <cstring>
#include <functional>
#include <map>
#include <string>
#include <string_view>
#include <vector>

namespace plugbay {

class OldState {
  public:
    // `saved` has to outlive it.
    explicit OldState(const plugbay_state_reader* saved) : saved_(saved) {
        reader_ = {sizeof reader_, saved->version, this,
                   [](const plugbay_state_reader* reader, const char* name) {
                       return static_cast<OldState*>(reader->context)->count(name);
                   },
                   [](const plugbay_state_reader* reader, const char* name, std::uint32_t kind,
                      void* elements, std::uint64_t count) {
                       return static_cast<OldState*>(reader->context)->copy(name, kind, elements, count);
                   }};
        writer_ = {sizeof writer_, saved->version, this,
                   [](const plugbay_state_writer* writer, const char* name, std::uint32_t kind,
                      const void* elements, std::uint64_t count, std::uint32_t) -> plugbay_status {
                       static_cast<OldState*>(writer->context)->replace(name, kind, elements, count);
                       return PLUGBAY_OK;
                   }};
    }
    OldState(const OldState&) = delete;
    OldState& operator=(const OldState&) = delete;

    // The state_version of the build that saved it.
    [[nodiscard]] std::uint32_t version() const { return saved_->version; }
    [[nodiscard]] bool has(const std::string& name) const {
        return detail::has_field(&reader_, name.c_str());
    }
    // T: whatever state() may have, with at most most_elements in a sequence. The load is refused when the
    // field is missing, or of another kind or count. What was read need not be dropped.
    template <typename T>
    [[nodiscard]] T get(const std::string& name) const {
        T value{};
        detail::StateLoader(&reader_, detail::StateLoader::Pass::store)(name.c_str(), value);
        return value;
    }
    // A new field, or another value for one. The load is refused unless state() reads it.
    template <typename T>
    void put(const std::string& name, T value) {
        detail::StateSaver saver(&writer_);
        saver(name.c_str(), value);
    }
    // Neither state() finds it, nor the host that it was not read.
    void drop(const std::string& name) { changed(name.c_str()) = {}; }

    // For the glue: the state as it is now, and what of it was put for nobody.
    [[nodiscard]] const plugbay_state_reader* reader() const { return &reader_; }
    void refuse_unread() const {
        for (const auto& [name, field] : fields_) {
            if (field.there && !field.read)
                throw Failure("convert() has put the state field " + name + ", which state() does not read");
        }
    }

  private:
    struct Field {
        bool there = false; // not dropped
        bool read = false;
        std::uint32_t kind = 0;
        std::uint64_t count = 0;
        std::vector<std::byte> elements;
    };

    // The entry for a field that is no longer as it was saved. The saved one counts as read.
    Field& changed(const char* name) {
        static_cast<void>(saved_->count(saved_, name));
        return fields_[name];
    }
    // nullptr: it is as it was saved.
    Field* find(std::string_view name) {
        const auto place = fields_.find(name);
        return place == fields_.end() ? nullptr : &place->second;
    }
    std::uint64_t count(const char* name) {
        Field* const field = find(name);
        return field == nullptr ? saved_->count(saved_, name) : field->count;
    }
    plugbay_status copy(const char* name, std::uint32_t kind, void* elements, std::uint64_t count) {
        Field* const field = find(name);
        if (field == nullptr) return saved_->get(saved_, name, kind, elements, count);
        if (!field->there) return PLUGBAY_NOT_FOUND;
        field->read = true;
        if (field->kind != kind || field->count != count) return PLUGBAY_INVALID;
        if (count != 0) std::memcpy(elements, field->elements.data(), field->elements.size());
        return PLUGBAY_OK;
    }
    void replace(const char* name, std::uint32_t kind, const void* elements, std::uint64_t count) {
        const auto* const bytes = static_cast<const std::byte*>(elements);
        Field& field = changed(name);
        field = {.there = true, .kind = kind, .count = count, .elements = {}};
        field.elements.assign(bytes, bytes + count * detail::state_element_size(kind));
    }

    const plugbay_state_reader* saved_;
    plugbay_state_reader reader_;
    plugbay_state_writer writer_;
    std::map<std::string, Field, std::less<>> fields_; // those that were put or dropped
};

} // namespace plugbay
