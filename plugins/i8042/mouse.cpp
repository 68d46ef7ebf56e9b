#include "mouse.hpp"

namespace {

enum Command : std::uint8_t {
    scaling_one_to_one = 0xe6,
    scaling_two_to_one = 0xe7,
    set_resolution = 0xe8,
    status_request = 0xe9,
    set_stream_mode = 0xea,
    read_data = 0xeb,
    reset_wrap_mode = 0xec,
    set_wrap_mode = 0xee,
    set_remote_mode = 0xf0,
    read_device_type = 0xf2,
    set_sampling_rate = 0xf3,
    enable_reporting = 0xf4,
    disable_reporting = 0xf5,
    set_default = 0xf6,
    resend_last = 0xfe,
    reset_device = 0xff,
};

constexpr std::uint8_t standard_mouse = 0x00;
constexpr std::uint8_t packet_at_rest = 0x08;

} // namespace

void Mouse::answer(std::initializer_list<std::uint8_t> bytes) {
    output_.push(bytes);
    last_sent_ = *(bytes.end() - 1);
}

void Mouse::set_defaults() {
    const Mouse fresh;
    resolution_ = fresh.resolution_;
    sample_rate_ = fresh.sample_rate_;
    double_scaling_ = reporting_ = remote_ = false;
}

void Mouse::receive(std::uint8_t byte) {
    if (wrap_ && byte != reset_wrap_mode && byte != reset_device) {
        output_.push({byte});
        return;
    }
    const std::uint8_t of = awaiting_;
    awaiting_ = 0;
    if (of == set_resolution && byte <= 3) {
        resolution_ = byte;
        answer({ps2::acknowledge});
    } else if (of == set_sampling_rate && byte < scaling_one_to_one) {
        sample_rate_ = byte;
        answer({ps2::acknowledge});
    } else {
        command(byte);
    }
}

void Mouse::command(std::uint8_t byte) {
    switch (byte) {
    case scaling_one_to_one:
    case scaling_two_to_one:
        double_scaling_ = byte == scaling_two_to_one;
        break;
    case set_resolution:
    case set_sampling_rate:
        awaiting_ = byte;
        break;
    case status_request: {
        const auto modes = static_cast<std::uint8_t>((remote_ ? 0x40 : 0) | (reporting_ ? 0x20 : 0) |
                                                     (double_scaling_ ? 0x10 : 0));
        answer({ps2::acknowledge, modes, resolution_, sample_rate_});
        return;
    }
    case set_stream_mode:
        remote_ = false;
        break;
    case read_data:
        answer({ps2::acknowledge, packet_at_rest, 0, 0});
        return;
    case reset_wrap_mode:
        wrap_ = false;
        break;
    case set_wrap_mode:
        wrap_ = true;
        break;
    case set_remote_mode:
        remote_ = true;
        break;
    case read_device_type:
        answer({ps2::acknowledge, standard_mouse});
        return;
    case enable_reporting:
    case disable_reporting:
        reporting_ = byte == enable_reporting;
        break;
    case set_default:
        set_defaults();
        break;
    case resend_last:
        answer({last_sent_});
        return;
    case reset_device:
        reset();
        answer({ps2::acknowledge, ps2::self_test_passed, standard_mouse});
        return;
    default:
        output_.push({ps2::resend});
        return;
    }
    answer({ps2::acknowledge});
}
