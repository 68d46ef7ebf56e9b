// Runs programs, above all the real plugbay binary, as children: what they print, what they return, how long
// they take. For the tests here and in tests/cli.
#pragma once

#include "tests/temporary_folder.hpp"

#include <chrono>
#include <string>
#include <string_view>
#include <sys/types.h>
#include <vector>

namespace plugbay::end_to_end {

struct Outcome {
    int status = -1;        // what it returned; minus the signal that killed it
    bool timed_out = false; // it was killed at the limit
    bool left_children = false;
    std::string output;
    std::string errors;
    std::chrono::milliseconds took{};

    // For failure messages.
    [[nodiscard]] std::string text() const;
};

// The binary under test, and a command line that starts it.
[[nodiscard]] std::string plugbay_binary();
[[nodiscard]] std::vector<std::string> plugbay_command(std::vector<std::string> arguments);

// Why no machine can run here, for a test that is skipped then; empty if one can.
[[nodiscard]] std::string kvm_problem();

class Child {
  public:
    // Its standard streams are pipes; it is in a process group of its own and dies with this process.
    explicit Child(const std::vector<std::string>& command);
    ~Child();
    Child(const Child&) = delete;
    Child& operator=(const Child&) = delete;

    [[nodiscard]] pid_t id() const { return id_; }
    void send_signal(int number) const; // nothing once it was waited for
    void type(std::string_view text);   // to its standard input
    void close_input();
    // False when it ended or the time was over before `text` was in its output.
    [[nodiscard]] bool wait_for_output(std::string_view text, std::chrono::milliseconds limit);
    // Waits for its end, or kills it at the limit. Once.
    [[nodiscard]] Outcome finish(std::chrono::milliseconds limit);

  private:
    bool read_some(std::chrono::steady_clock::time_point deadline); // false: both streams are at their end

    pid_t id_ = -1;
    int input_ = -1;
    int streams_[2] = {-1, -1}; // output, errors
    std::chrono::steady_clock::time_point started_;
    Outcome outcome_;
};

// Starts, closes the input, waits.
[[nodiscard]] Outcome run(const std::vector<std::string>& command,
                          std::chrono::milliseconds limit = std::chrono::seconds(120));

} // namespace plugbay::end_to_end
