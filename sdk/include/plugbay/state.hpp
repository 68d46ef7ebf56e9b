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
//
// How a later build changes its state and still loads what the builds before it have saved:
//
// A field that older builds can do without: they skip it, so state_version stays, and both builds load each
// other's states. After the variable stands what is loaded from a state that lacks the field.
//
//         fields.optional("trigger", trigger_, 1);
//         fields.optional("mode", mode_, 0, 0, 3);   // limits and checks stand behind that
//         fields.optional("timer", timer_, {});      // (arrays of) structs: all of it is there, or nothing
//
// Another name for a field, or for (an array of) structs: raise state_version, since older builds do not know
// it. Each old name stands beside the name of now, both as seen from the class that has the table: the device,
// or a struct in it. Where a state has both, the old one is a field that nobody asks for, and refused as such.
//
//     static constexpr std::array renamed{plugbay::Renamed{.from = "ier", .to = "uart.interrupt_enable"}};
//
// Anything else: raise state_version, and bring older states into the form of now, see old_state.hpp.
//
//     static void convert(plugbay::OldState& old);
#pragma once

#include <plugbay/abi/state.h>
#include <plugbay/failure.hpp>

#include <algorithm>
#include <array>
#include <concepts>
#include <cstddef>
#include <cstdint>
#include <span>
#include <string>
#include <string_view>
#include <type_traits>
#include <utility>
#include <vector>

namespace plugbay {

// The most elements that a std::vector or std::string field may load: what a hostile state can make us
// allocate.
inline constexpr std::uint64_t most_elements = 1 << 24;

struct Renamed {
    std::string_view from;
    std::string_view to; // the name in state()
};

namespace detail {

// Whether `name` is the field of that name, or in the struct of that name.
constexpr bool covers(std::string_view entry, std::string_view name) {
    return name.starts_with(entry) && (name.size() == entry.size() || name[entry.size()] == '.');
}

// Whether each old name leads to one name of now, in one step.
constexpr bool unambiguous(std::span<const Renamed> renamed) {
    return std::all_of(renamed.begin(), renamed.end(), [&](const Renamed& one) {
        const auto from = [&](const Renamed& other) { return other.from == one.from; };
        const auto to = [&](const Renamed& other) { return other.to == one.from; };
        return !one.from.empty() && !one.to.empty() &&
               std::count_if(renamed.begin(), renamed.end(), from) == 1 &&
               std::none_of(renamed.begin(), renamed.end(), to);
    });
}

template <typename T>
constexpr std::span<const Renamed> renamed_in() {
    if constexpr (requires { T::renamed; }) {
        static_assert(
            unambiguous(T::renamed),
            "a name in `renamed` is empty, is renamed twice, or is both old and new: put each old one "
            "beside the name of now, and leave names that were exchanged to convert()");
        return T::renamed;
    } else {
        return {};
    }
}

inline bool has_field(const plugbay_state_reader* reader, const char* name) {
    return reader->get(reader, name, PLUGBAY_FIELD_U8, nullptr, 0) != PLUGBAY_NOT_FOUND;
}

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

template <typename T>
concept Sequence = requires(T& values, std::size_t count) {
    values.resize(count);
    values.data();
};

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
        (*this)(
            name, value, [=](T loaded) { return loaded >= low && loaded <= high; }, "out of range");
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
        all_of(nested);
        prefix_.resize(length);
    }

    // The same for fields that a state may lack: `otherwise` is loaded then.
    template <typename T>
    void optional(const char* name, T& value, const std::type_identity_t<T>& otherwise) {
        derived().unless_missing(name, value, otherwise, [&] { (*this)(name, value); });
    }
    template <Scalar T>
    void optional(const char* name, T& value, const std::type_identity_t<T>& otherwise,
                  std::type_identity_t<T> low, std::type_identity_t<T> high) {
        derived().unless_missing(name, value, otherwise, [&] { (*this)(name, value, low, high); });
    }
    template <Scalar T, std::predicate<T> Fits>
    void optional(const char* name, T& value, const std::type_identity_t<T>& otherwise, Fits fits,
                  const char* refusal) {
        derived().unless_missing(name, value, otherwise, [&] { (*this)(name, value, fits, refusal); });
    }
    template <Sequence T>
    void optional(const char* name, T& values, const std::type_identity_t<T>& otherwise, std::uint64_t most) {
        derived().unless_missing(name, values, otherwise, [&] { (*this)(name, values, most); });
    }

    // The fields of a device, or of a struct in it.
    template <typename T>
    void all_of(T& whole) {
        all_of(whole, [](auto& fields, T& each) { each.state(fields); });
    }
    // By another function than its own state().
    template <typename T>
    void all_of(T& whole, auto state) {
        scopes_.push_back({prefix_.size(), renamed_in<T>()});
        state(derived(), whole);
        scopes_.pop_back();
    }

  protected:
    // What was renamed in one of the classes that the current field is in, the device first.
    struct Scope {
        std::size_t start; // of the names that are relative to it, in the whole name
        std::span<const Renamed> renamed;
    };
    [[nodiscard]] const std::vector<Scope>& scopes() const { return scopes_; }

  private:
    Derived& derived() { return static_cast<Derived&>(*this); }
    [[nodiscard]] std::string path(const char* name) const { return prefix_ + name; }

    std::string prefix_;
    std::vector<Scope> scopes_;
};

class StateSaver : public StateFields<StateSaver> {
  public:
    explicit StateSaver(const plugbay_state_writer* writer) : writer_(writer) {}

    void elements(const std::string& name, std::uint32_t kind, const void* data, std::uint64_t count) {
        check(writer_->put(writer_, name.c_str(), kind, data, count, flags_));
    }
    template <typename T>
    void checked(const std::string& name, T& value, const auto&, const char*) {
        elements(name, field_kind<T>(), &value, 1);
    }
    void sequence(const std::string& name, std::uint32_t kind, const auto& values, std::uint64_t) {
        elements(name, kind, values.data(), values.size());
    }
    void unless_missing(const char*, const auto&, const auto&, const auto& save) {
        const std::uint32_t outside = std::exchange(flags_, PLUGBAY_FIELD_OPTIONAL);
        save();
        flags_ = outside;
    }

  private:
    const plugbay_state_writer* writer_;
    std::uint32_t flags_ = 0;
};

class StateLoader : public StateFields<StateLoader> {
  public:
    enum class Pass {
        look,  // whether any of the fields is there
        check, // reads into temporaries
        store,
    };
    StateLoader(const plugbay_state_reader* reader, Pass pass) : reader_(reader), pass_(pass) {}

    template <typename T>
    void elements(std::string name, std::uint32_t kind, T* data, std::uint64_t count) {
        if (!seek(name)) return;
        std::vector<std::uint8_t> scratch;
        void* target = data;
        if (pass_ != Pass::store) {
            scratch.resize(count * sizeof(T));
            target = scratch.data();
        }
        get(name, kind, target, count);
    }
    template <typename T>
    void checked(std::string name, T& value, const auto& fits, const char* refusal) {
        if (!seek(name)) return;
        T loaded{};
        get(name, field_kind<T>(), &loaded, 1);
        if (!fits(loaded)) throw Failure("state field " + name + ": " + refusal, PLUGBAY_INVALID);
        if (pass_ == Pass::store) value = loaded;
    }
    template <typename T>
    void sequence(std::string name, std::uint32_t kind, T& values, std::uint64_t most) {
        if (!seek(name)) return;
        const std::uint64_t count = reader_->count(reader_, name.c_str());
        if (count > most) throw Failure("state field " + name + " is too long", PLUGBAY_INVALID);
        T loaded;
        loaded.resize(static_cast<std::size_t>(count));
        get(name, kind, loaded.data(), count);
        if (pass_ == Pass::store) values = std::move(loaded);
    }
    template <typename T>
    void unless_missing(const char* name, T& value, const T& otherwise, const auto& load) {
        StateLoader looking(*this);
        looking.pass_ = Pass::look;
        looking.found_ = false;
        looking(name, value);
        if (looking.found_)
            load();
        else if (pass_ == Pass::store)
            value = otherwise;
    }

  private:
    // Makes `name` the one by which the state has the field, if it has it. False: to look was all.
    bool seek(std::string& name) {
        for (const auto& [start, renamed] : scopes()) {
            const std::string_view own = std::string_view(name).substr(start);
            for (const auto& [from, to] : renamed) {
                if (covers(from, own) && !covers(to, own))
                    throw Failure("state field " + name + " has a name that another one had, by `renamed`: " +
                                  "choose a new one, or use convert()");
            }
        }
        const bool found = find(name, scopes().size());
        found_ |= found;
        return pass_ != Pass::look;
    }
    // With the tables of the outermost `depth` scopes.
    [[nodiscard]] bool find(std::string& name, std::size_t depth) const {
        if (depth == 0) return has_field(reader_, name.c_str());
        if (find(name, depth - 1)) return true;
        const auto& [start, renamed] = scopes()[depth - 1];
        for (const auto& [from, to] : renamed) {
            if (!covers(to, std::string_view(name).substr(start))) continue;
            std::string old = name;
            old.replace(start, to.size(), from);
            if (!find(old, depth - 1)) continue;
            name = std::move(old);
            return true;
        }
        return false;
    }
    void get(const std::string& name, std::uint32_t kind, void* target, std::uint64_t count) {
        const plugbay_status status = reader_->get(reader_, name.c_str(), kind, target, count);
        if (status == PLUGBAY_NOT_FOUND) throw Failure("state field " + name + " is missing", status);
        if (status < 0) throw Failure("state field " + name + " has another kind or count", status);
    }

    const plugbay_state_reader* reader_;
    Pass pass_;
    bool found_ = false; // any field so far
};

} // namespace detail
} // namespace plugbay
