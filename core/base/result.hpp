// Errors as values. Every fallible function of the core returns Result<T>; exceptions are caught where a
// library throws them and turned into one of these.
#pragma once

#include <string>
#include <type_traits>
#include <utility>
#include <variant>

namespace plugbay::core {

// What went wrong and what the reader can do about it. `message` names what was wanted and what was found;
// `hint` (may be empty) says what to do. Both are full sentences without a trailing newline.
struct Error {
    std::string message;
    std::string hint = {};

    // "message (hint)", for one-line display.
    [[nodiscard]] std::string text() const { return hint.empty() ? message : message + " (" + hint + ")"; }
};

// Puts "while doing X: " before an error's message as it travels up.
[[nodiscard]] inline Error with_context(std::string context, Error error) {
    error.message = std::move(context) + ": " + error.message;
    return error;
}

// Either a value or an Error. Test it, then use `*result` or `result.error()`.
template <typename T>
class [[nodiscard]] Result {
  public:
    Result(T value) : content_(std::in_place_index<0>, std::move(value)) {}
    Result(Error error) : content_(std::in_place_index<1>, std::move(error)) {}

    [[nodiscard]] explicit operator bool() const { return content_.index() == 0; }

    [[nodiscard]] T& operator*() & { return std::get<0>(content_); }
    [[nodiscard]] const T& operator*() const& { return std::get<0>(content_); }
    [[nodiscard]] T&& operator*() && { return std::get<0>(std::move(content_)); }
    [[nodiscard]] T* operator->() { return &std::get<0>(content_); }
    [[nodiscard]] const T* operator->() const { return &std::get<0>(content_); }

    [[nodiscard]] const Error& error() const& { return std::get<1>(content_); }
    [[nodiscard]] Error&& error() && { return std::get<1>(std::move(content_)); }

  private:
    std::variant<T, Error> content_;
};

// Success without a value, or an Error. `return {};` is success.
template <>
class [[nodiscard]] Result<void> {
  public:
    Result() = default;
    Result(Error error) : error_(std::move(error)), failed_(true) {}

    [[nodiscard]] explicit operator bool() const { return !failed_; }
    [[nodiscard]] const Error& error() const& { return error_; }
    [[nodiscard]] Error&& error() && { return std::move(error_); }

  private:
    Error error_;
    bool failed_ = false;
};

} // namespace plugbay::core
