// A PS/2 mouse with three-byte packets that nobody moves: it answers every command, by the IBM PS/2 Technical
// Reference, "Mouse" (commands from the system).
#pragma once

#include "device_queue.hpp"

class Mouse {
  public:
    void reset() { *this = Mouse{}; }
    void receive(std::uint8_t byte);
    [[nodiscard]] DeviceQueue& output() { return output_; }
    [[nodiscard]] const DeviceQueue& output() const { return output_; }

    void state(auto& fields) {
        fields("output", output_);
        fields("last_sent", last_sent_);
        fields("awaiting", awaiting_);
        fields("resolution", resolution_);
        fields("sample_rate", sample_rate_);
        fields("double_scaling", double_scaling_);
        fields("reporting", reporting_);
        fields("remote", remote_);
        fields("wrap", wrap_);
    }

  private:
    void command(std::uint8_t byte);
    void answer(std::initializer_list<std::uint8_t> bytes);
    void set_defaults();

    DeviceQueue output_;
    std::uint8_t last_sent_ = 0;
    std::uint8_t awaiting_ = 0;   // the command whose argument comes next
    std::uint8_t resolution_ = 2; // counts a millimetre, as a power of two
    std::uint8_t sample_rate_ = 100;
    bool double_scaling_ = false;
    bool reporting_ = false;
    bool remote_ = false;
    bool wrap_ = false; // every byte is echoed
};
