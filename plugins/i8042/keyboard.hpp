// A PS/2 keyboard that nobody types on: it answers every command, by the IBM PS/2 Technical Reference,
// "Keyboard" (commands from the system).
#pragma once

#include "device_queue.hpp"

class Keyboard {
  public:
    void reset() { *this = Keyboard{}; }
    void receive(std::uint8_t byte);
    [[nodiscard]] DeviceQueue& output() { return output_; }
    [[nodiscard]] const DeviceQueue& output() const { return output_; }

    void state(auto& fields) {
        fields("output", output_);
        fields("last_sent", last_sent_);
        fields("awaiting", awaiting_);
        fields("scan_code_set", scan_code_set_, std::uint8_t{1}, std::uint8_t{3});
        fields("indicators", indicators_);
        fields("typematic", typematic_);
        fields("scanning", scanning_);
    }

  private:
    void command(std::uint8_t byte);
    bool argument(std::uint8_t byte);
    void answer(std::initializer_list<std::uint8_t> bytes);
    void set_defaults();

    DeviceQueue output_;
    std::uint8_t last_sent_ = 0;
    std::uint8_t awaiting_ = 0; // the command whose argument comes next
    std::uint8_t scan_code_set_ = 2;
    std::uint8_t indicators_ = 0;
    std::uint8_t typematic_ = 0x2b; // 500 ms, then 10.9 characters a second
    bool scanning_ = true;
};
