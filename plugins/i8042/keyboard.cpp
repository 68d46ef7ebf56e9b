#include "keyboard.hpp"

#include <algorithm>

namespace {

enum Command : std::uint8_t {
    set_indicators = 0xed,
    echo = 0xee,
    select_scan_codes = 0xf0,
    read_id = 0xf2,
    set_typematic = 0xf3,
    enable = 0xf4,
    default_disable = 0xf5,
    set_default = 0xf6,
    all_keys_first = 0xf7,
    all_keys_last = 0xfa,
    one_key_first = 0xfb,
    one_key_last = 0xfd,
    resend_last = 0xfe,
    reset_device = 0xff,
};

} // namespace

void Keyboard::answer(std::initializer_list<std::uint8_t> bytes) {
    output_.push(bytes);
    last_sent_ = *(bytes.end() - 1);
}

void Keyboard::set_defaults() {
    const Keyboard fresh;
    scan_code_set_ = fresh.scan_code_set_;
    typematic_ = fresh.typematic_;
    scanning_ = fresh.scanning_;
}

// A command in the place of an argument ends the command that waits for it.
void Keyboard::receive(std::uint8_t byte) {
    const bool taken = awaiting_ != 0 && byte < set_indicators && argument(byte);
    if (!taken) command(byte);
}

bool Keyboard::argument(std::uint8_t byte) {
    const std::uint8_t of = awaiting_;
    awaiting_ = 0;
    switch (of) {
    case set_indicators:
        indicators_ = byte & 7;
        answer({ps2::acknowledge});
        return true;
    case set_typematic:
        typematic_ = byte & 0x7f;
        answer({ps2::acknowledge});
        return true;
    case select_scan_codes:
        if (byte > 3) return false;
        if (byte == 0) {
            answer({ps2::acknowledge, scan_code_set_});
        } else {
            scan_code_set_ = byte;
            answer({ps2::acknowledge});
        }
        return true;
    default: // the keys of one_key commands, until the next command
        awaiting_ = of;
        answer({ps2::acknowledge});
        return true;
    }
}

void Keyboard::command(std::uint8_t byte) {
    awaiting_ = 0;
    switch (byte) {
    case set_indicators:
    case select_scan_codes:
    case set_typematic:
        awaiting_ = byte;
        answer({ps2::acknowledge});
        return;
    case echo:
        answer({echo});
        return;
    case read_id:
        answer({ps2::acknowledge, 0xab, 0x83});
        return;
    case enable:
        scanning_ = true;
        answer({ps2::acknowledge});
        return;
    case default_disable:
        set_defaults();
        scanning_ = false;
        answer({ps2::acknowledge});
        return;
    case set_default:
        set_defaults();
        answer({ps2::acknowledge});
        return;
    case resend_last:
        answer({last_sent_});
        return;
    case reset_device:
        reset();
        answer({ps2::acknowledge, ps2::self_test_passed});
        return;
    default:
        if (byte >= one_key_first && byte <= one_key_last) awaiting_ = byte;
        if (byte >= all_keys_first && byte <= one_key_last)
            answer({ps2::acknowledge});
        else
            output_.push({ps2::resend});
        return;
    }
}
