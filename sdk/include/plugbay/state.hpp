// A device's state, declared once:
//
//     void state(auto& fields) {
//         fields("divisor", divisor_);
//         fields("receive_fifo", receive_fifo_);   // std::vector, std::array, std::string
//         fields("mode", mode_, 0, 3);             // refused on load outside 0 .. 3
//         fields("page", page_, 4096);             // a std::vector or std::string of at most so many elements
//         fields("parity", parity_, [](auto p) { return p != 2; }, "no such parity");   // refused unless true
//         fields("queue", queues_);                // (arrays of) structs that have a state() of their own
//     }
//
// The same function saves and loads. Loading runs it twice: first everything is read and checked without
// touching the device, then it is stored. A device may have `void loaded()`, called afterwards, to re-arm
// timers and interrupt lines from the fields.
#pragma once

#include <plugbay/abi/state.h>
#include <plugbay/failure.hpp>

#include <array>
#include <concepts>
#include <cstddef>
#include <cstdint>
#include <string>
#include <type_traits>
#include <vector>

namespace plugbay {

// The most elements that a std::vector or std::string field may load: what a hostile state can make us
// allocate.
inline constexpr std::uint64_t most_elements = 1 << 24;

namespace detail {

template <typename T>
constexpr std::uint32_t field_kind() {
    if constexpr (std::same_as<T, bool>) {
        return PLUGBAY_FIELD_BOOLEAN;
    } else if constexpr (std::is_enum_v<T>) {
        return field_kind<std::underlying_type_t<T>>();
    } else if constexpr (std::same_as<T, char>) {
        return PLUGBAY_FIELD_TEXT;
    } else if constexpr (std::same_as<T, std::int64_t>) {
        return PLUGBAY_FIELD_I64;
    } else {
        static_assert(std::unsigned_integral<T>,
                      "state fields are bool, unsigned integers, int64_t, enumerations, "
                      "text, arrays of those, and structs with state()");
        return sizeof(T) == 1   ? PLUGBAY_FIELD_U8
               : sizeof(T) == 2 ? PLUGBAY_FIELD_U16
               : sizeof(T) == 4 ? PLUGBAY_FIELD_U32
                                : PLUGBAY_FIELD_U64;
    }
}

template <typename T>
concept Scalar = std::integral<T> || std::is_enum_v<T>;

// What saving and loading share: naming of nested fields.
template <typename Derived>
class StateFields {
  public:
    template <Scalar T>
    void operator()(const char* name, T& value) {
        derived().elements(path(name), field_kind<T>(), &value, 1);
    }
    // On load a value outside [low, high] is refused.
    template <Scalar T>
    void operator()(const char* name, T& value, std::type_identity_t<T> low, std::type_identity_t<T> high) {
        derived().bounded(path(name), value, low, high);
    }
    // On load a value for which `fits` is false is refused, with `refusal` as the reason.
    template <Scalar T, std::predicate<T> Fits>
    void operator()(const char* name, T& value, Fits fits, const char* refusal) {
        derived().checked(path(name), value, fits, refusal);
    }
    template <typename T, std::size_t N>
    void operator()(const char* name, std::array<T, N>& values) {
        if constexpr (Scalar<T>) {
            derived().elements(path(name), field_kind<T>(), values.data(), N);
        } else {
            for (std::size_t i = 0; i < N; ++i)
                (*this)((std::string(name) + "." + std::to_string(i)).c_str(), values[i]);
        }
    }
    // On load more than `most` elements are refused.
    template <Scalar T>
    void operator()(const char* name, std::vector<T>& values, std::uint64_t most = most_elements) {
        derived().sequence(path(name), field_kind<T>(), values, most);
    }
    void operator()(const char* name, std::string& text, std::uint64_t most = most_elements) {
        derived().sequence(path(name), PLUGBAY_FIELD_TEXT, text, most);
    }
    template <typename T>
    requires std::is_class_v<T> && requires(T& nested, Derived& fields) { nested.state(fields); }
    void operator()(const char* name, T& nested) {
        const auto length = prefix_.size();
        prefix_ += name;
        prefix_ += '.';
        nested.state(derived());
        prefix_.resize(length);
    }

  private:
    Derived& derived() { return static_cast<Derived&>(*this); }
    [[nodiscard]] std::string path(const char* name) const { return prefix_ + name; }

    std::string prefix_;
};

class StateSaver : public StateFields<StateSaver> {
  public:
    explicit StateSaver(const plugbay_state_writer* writer) : writer_(writer) {}

    void elements(const std::string& name, std::uint32_t kind, const void* data, std::uint64_t count) {
        check(writer_->put(writer_, name.c_str(), kind, data, count, 0));
    }
    template <typename T>
    void bounded(const std::string& name, T& value, T, T) {
        elements(name, field_kind<T>(), &value, 1);
    }
    template <typename T>
    void checked(const std::string& name, T& value, const auto&, const char*) {
        elements(name, field_kind<T>(), &value, 1);
    }
    void sequence(const std::string& name, std::uint32_t kind, const auto& values, std::uint64_t) {
        elements(name, kind, values.data(), values.size());
    }

  private:
    const plugbay_state_writer* writer_;
};

// With `store` false it reads into temporaries and only checks.
class StateLoader : public StateFields<StateLoader> {
  public:
    StateLoader(const plugbay_state_reader* reader, bool store) : reader_(reader), store_(store) {}

    template <typename T>
    void elements(const std::string& name, std::uint32_t kind, T* data, std::uint64_t count) {
        std::vector<std::uint8_t> scratch;
        void* target = data;
        if (!store_) {
            scratch.resize(count * sizeof(T));
            target = scratch.data();
        }
        get(name, kind, target, count);
    }
    template <typename T>
    void bounded(const std::string& name, T& value, T low, T high) {
        T loaded{};
        get(name, field_kind<T>(), &loaded, 1);
        if (loaded < low || loaded > high)
            throw Failure("state field " + name + " is out of range", PLUGBAY_INVALID);
        if (store_) value = loaded;
    }
    template <typename T>
    void checked(const std::string& name, T& value, const auto& fits, const char* refusal) {
        T loaded{};
        get(name, field_kind<T>(), &loaded, 1);
        if (!fits(loaded)) throw Failure("state field " + name + ": " + refusal, PLUGBAY_INVALID);
        if (store_) value = loaded;
    }
    template <typename Sequence>
    void sequence(const std::string& name, std::uint32_t kind, Sequence& values, std::uint64_t most) {
        const std::uint64_t count = reader_->count(reader_, name.c_str());
        if (count > most) throw Failure("state field " + name + " is too long", PLUGBAY_INVALID);
        Sequence loaded;
        loaded.resize(static_cast<std::size_t>(count));
        get(name, kind, loaded.data(), count);
        if (store_) values = std::move(loaded);
    }

  private:
    void get(const std::string& name, std::uint32_t kind, void* target, std::uint64_t count) {
        const plugbay_status status = reader_->get(reader_, name.c_str(), kind, target, count);
        if (status == PLUGBAY_NOT_FOUND) throw Failure("state field " + name + " is missing", status);
        if (status < 0) throw Failure("state field " + name + " has another kind or count", status);
    }

    const plugbay_state_reader* reader_;
    bool store_;
};

} // namespace detail
} // namespace plugbay
