// The keyboard controller of the PC/AT and PS/2, with a keyboard and perhaps a mouse. Comments cite the IBM
// PS/2 Hardware Interface Technical Reference, "Keyboard and Auxiliary Device Controller" (KADC).
#include "keyboard.hpp"
#include "mouse.hpp"

#include <plugbay/plugin.hpp>

#include <algorithm>
#include <array>
#include <tuple>
#include <utility>

namespace {

constexpr std::uint16_t data_port = 0x60;
constexpr std::uint16_t command_port = 0x64; // reads: status

constexpr std::uint32_t keyboard_irq = 1;
constexpr std::uint32_t mouse_irq = 12;

// KADC, "Status register".
namespace status {
constexpr std::uint8_t output_full = 0x01;
constexpr std::uint8_t system_flag = 0x04;
constexpr std::uint8_t last_was_command = 0x08;
constexpr std::uint8_t not_locked = 0x10;
constexpr std::uint8_t output_from_mouse = 0x20;
} // namespace status

// KADC, "Controller command byte".
namespace command_byte {
constexpr std::uint8_t keyboard_interrupt = 0x01;
constexpr std::uint8_t mouse_interrupt = 0x02;
constexpr std::uint8_t system_flag = 0x04;
constexpr std::uint8_t disable_keyboard = 0x10;
constexpr std::uint8_t disable_mouse = 0x20;
constexpr std::uint8_t translate = 0x40;
// What firmware leaves behind.
constexpr std::uint8_t at_power_on = keyboard_interrupt | system_flag | disable_mouse | translate;
} // namespace command_byte

// KADC, "Output port".
namespace output_port {
constexpr std::uint8_t not_reset = 0x01;
constexpr std::uint8_t address_line_20 = 0x02;
constexpr std::uint8_t keyboard_full = 0x10;
constexpr std::uint8_t mouse_full = 0x20;
} // namespace output_port

// KADC, "Controller commands".
enum Command : std::uint8_t {
    read_memory_first = 0x20, // of these 32 bytes, the first is the command byte
    write_memory_first = 0x60,
    memory_size = 0x20,
    disable_mouse = 0xa7,
    enable_mouse = 0xa8,
    test_mouse_interface = 0xa9,
    self_test = 0xaa,
    test_keyboard_interface = 0xab,
    disable_keyboard = 0xad,
    enable_keyboard = 0xae,
    read_input_port = 0xc0,
    read_output_port = 0xd0,
    write_output_port = 0xd1,
    write_keyboard_output = 0xd2,
    write_mouse_output = 0xd3,
    write_mouse = 0xd4,
    disable_a20 = 0xdd,
    enable_a20 = 0xdf,
    read_test_inputs = 0xe0,
    pulse_first = 0xf0, // the low four bits that are 0 are pulsed; bit 0 resets the machine
};

constexpr std::uint8_t self_test_passed = 0x55;
constexpr std::uint8_t interface_good = 0x00;
constexpr std::uint8_t clock_stuck_low = 0x01;
constexpr std::uint8_t keyboard_not_inhibited = 0x80;

// Scan code set 2 to set 1, as far as this keyboard sends anything that changes by it: its identity.
std::uint8_t translated(std::uint8_t byte) {
    return byte == 0x83 ? 0x41 : byte;
}

} // namespace

class I8042 {
  public:
    static constexpr plugbay::Type type{
        .name = "i8042", .help = "The PC's keyboard controller with keyboard, mouse and reset line."};
    struct Options {
        bool mouse = true;
        static constexpr auto properties() {
            return plugbay::properties(
                plugbay::property("mouse", &Options::mouse, "whether a PS/2 mouse is plugged in"));
        }
    };

    I8042(plugbay::Host host, const Options& options)
        : host_(host), has_mouse_(options.mouse), data_region_(host.map_ports(data_port, 1, data_port)),
          command_region_(host.map_ports(command_port, 1, command_port)),
          keyboard_line_(host.interrupt_line(keyboard_irq)) {
        announce("PNP0303", keyboard_irq, true);
        if (!has_mouse_) return;
        mouse_line_ = host.interrupt_line(mouse_irq);
        announce("PNP0F13", mouse_irq, false);
    }

    static constexpr auto registers() {
        using plugbay::bit, plugbay::reg;
        return std::tuple(
            plugbay::registers(
                reg<std::uint8_t>(0, "DATA", "Reads the output buffer, writes the input buffer.")
                    .read(&I8042::read_data)
                    .write(&I8042::write_data)
                    .wrote(&I8042::fill_output_buffer))
                .token(data_port)
                .name("port 0x60"),
            plugbay::registers(reg<std::uint8_t>(0, "STATUS")
                                   .fields(bit("OBF", 0, "Output buffer full."), bit("IBF", 1),
                                           bit("SYS", 2, "System flag."),
                                           bit("A2", 3, "The last write was a command."),
                                           bit("INH", 4, "The keyboard is not locked."),
                                           bit("AOBF", 5, "From the mouse."), bit("TO", 6), bit("PERR", 7))
                                   .resets_to(status::not_locked | status::system_flag)
                                   .read(&I8042::read_status),
                               reg<std::uint8_t>(0, "COMMAND")
                                   .write(&I8042::write_command)
                                   .wrote(&I8042::fill_output_buffer))
                .token(command_port)
                .name("port 0x64"),
            plugbay::registers(
                reg<std::uint8_t>(0, "COMMAND_BYTE", "Read by command 0x20, written by 0x60.")
                    .fields(bit("INT", 0, "The keyboard interrupts."),
                            bit("INT2", 1, "The mouse interrupts."), bit("SYS", 2, "System flag."),
                            bit("EN", 4, "0 enables the keyboard."), bit("EN2", 5, "0 enables the mouse."),
                            bit("XLATE", 6, "Scan codes become set 1."))
                    .resets_to(command_byte::at_power_on),
                reg<std::uint8_t>(1, "MEMORY").count(memory_size - 1))
                .name("memory")
                .indirect());
    }

    void reset() {
        controller_ = Controller{};
        keyboard_.reset();
        mouse_.reset();
        update_interrupts();
    }

    void state(auto& fields) {
        fields("memory", controller_.memory);
        fields("output_data", controller_.output_data);
        fields("output_source", controller_.output_source, Source::none, Source::mouse);
        fields("awaiting", controller_.awaiting);
        fields("last_was_command", controller_.last_was_command);
        fields("address_line_20", controller_.address_line_20);
        fields("keyboard", keyboard_);
        fields("mouse", mouse_);
    }
    void loaded() { update_interrupts(); }

  private:
    // Where the byte in the output buffer comes from; the controller's own count as the keyboard's.
    enum class Source : std::uint8_t { none, keyboard, mouse };

    struct Controller {
        std::array<std::uint8_t, memory_size> memory{command_byte::at_power_on};
        std::uint8_t output_data = 0; // reads again until the next one comes
        Source output_source = Source::none;
        std::uint8_t awaiting = 0; // the command whose byte comes next on the data port
        bool last_was_command = false;
        bool address_line_20 = true;
    };

    void announce(const char* hardware_id, std::uint32_t line, bool ports) {
        plugbay_acpi_legacy_device acpi{};
        acpi.size = sizeof acpi;
        acpi.line = line;
        std::copy_n(hardware_id, sizeof acpi.hardware_id, acpi.hardware_id);
        if (ports) {
            acpi.first_port = data_port;
            acpi.second_port = command_port;
            acpi.port_count = acpi.second_port_count = 1;
        }
        host_.add_acpi_legacy_device(acpi);
    }

    [[nodiscard]] std::uint8_t& command_byte() { return controller_.memory[0]; }
    [[nodiscard]] bool command_bit(std::uint8_t bit) const { return (controller_.memory[0] & bit) != 0; }
    void set_command_bit(std::uint8_t bit) { command_byte() |= bit; }
    void clear_command_bit(std::uint8_t bit) { command_byte() &= static_cast<std::uint8_t>(~bit); }

    std::uint8_t read_status() const {
        std::uint8_t value = status::not_locked;
        if (controller_.output_source != Source::none) value |= status::output_full;
        if (controller_.output_source == Source::mouse) value |= status::output_from_mouse;
        if (command_bit(command_byte::system_flag)) value |= status::system_flag;
        if (controller_.last_was_command) value |= status::last_was_command;
        return value;
    }

    // The interrupt goes away even when the next byte is there already, so that it makes an edge of its own.
    std::uint8_t read_data() {
        const std::uint8_t byte = controller_.output_data;
        controller_.output_source = Source::none;
        update_interrupts();
        fill_output_buffer();
        return byte;
    }

    // The controller's own answer replaces what is in the buffer.
    void put(std::uint8_t byte, Source source = Source::keyboard) {
        controller_.output_source = Source::none;
        update_interrupts();
        controller_.output_data = byte;
        controller_.output_source = source;
        update_interrupts();
    }

    void fill_output_buffer() {
        if (controller_.output_source != Source::none) return;
        if (!keyboard_.output().empty() && !command_bit(command_byte::disable_keyboard)) {
            const std::uint8_t byte = keyboard_.output().pop();
            put(command_bit(command_byte::translate) ? translated(byte) : byte);
        } else if (!mouse_.output().empty() && !command_bit(command_byte::disable_mouse)) {
            put(mouse_.output().pop(), Source::mouse);
        }
    }

    void update_interrupts() {
        const Source source = controller_.output_source;
        keyboard_line_.set(source == Source::keyboard && command_bit(command_byte::keyboard_interrupt));
        if (has_mouse_)
            mouse_line_.set(source == Source::mouse && command_bit(command_byte::mouse_interrupt));
    }

    void write_command(std::uint8_t command) {
        controller_.last_was_command = true;
        controller_.awaiting = 0;
        if (command >= read_memory_first && command < read_memory_first + memory_size) {
            put(controller_.memory[command - read_memory_first]);
            return;
        }
        if (command >= write_memory_first && command < write_memory_first + memory_size) {
            controller_.awaiting = command;
            return;
        }
        if (command >= pulse_first) {
            if ((command & output_port::not_reset) == 0) host_.request(PLUGBAY_REQUEST_RESET);
            return;
        }
        switch (command) {
        case disable_mouse:
            set_command_bit(command_byte::disable_mouse);
            return;
        case enable_mouse:
            clear_command_bit(command_byte::disable_mouse);
            return;
        case disable_keyboard:
            set_command_bit(command_byte::disable_keyboard);
            return;
        case enable_keyboard:
            clear_command_bit(command_byte::disable_keyboard);
            return;
        case test_mouse_interface:
            put(has_mouse_ ? interface_good : clock_stuck_low);
            return;
        case test_keyboard_interface:
            put(interface_good);
            return;
        case self_test:
            set_command_bit(command_byte::system_flag);
            put(self_test_passed);
            return;
        case read_input_port:
            put(keyboard_not_inhibited);
            return;
        case read_output_port:
            put(read_outputs());
            return;
        case read_test_inputs:
            put(0);
            return;
        case disable_a20:
            controller_.address_line_20 = false;
            return;
        case enable_a20:
            controller_.address_line_20 = true;
            return;
        case write_output_port:
        case write_keyboard_output:
        case write_mouse_output:
        case write_mouse:
            controller_.awaiting = command;
            return;
        default:
            return;
        }
    }

    [[nodiscard]] std::uint8_t read_outputs() const {
        std::uint8_t value = output_port::not_reset;
        if (controller_.address_line_20) value |= output_port::address_line_20;
        if (controller_.output_source == Source::keyboard) value |= output_port::keyboard_full;
        if (controller_.output_source == Source::mouse) value |= output_port::mouse_full;
        return value;
    }

    void write_data(std::uint8_t byte) {
        controller_.last_was_command = false;
        const std::uint8_t of = std::exchange(controller_.awaiting, std::uint8_t{0});
        switch (of) {
        case 0: // to talk to a device, the controller first lets go of its clock line
            clear_command_bit(command_byte::disable_keyboard);
            keyboard_.receive(byte);
            return;
        case write_mouse:
            if (!has_mouse_) return;
            clear_command_bit(command_byte::disable_mouse);
            mouse_.receive(byte);
            return;
        case write_output_port:
            controller_.address_line_20 = (byte & output_port::address_line_20) != 0;
            if ((byte & output_port::not_reset) == 0) host_.request(PLUGBAY_REQUEST_RESET);
            return;
        case write_keyboard_output:
            put(byte);
            return;
        // Without a mouse port the byte does not come back as the mouse's, by which drivers notice.
        case write_mouse_output:
            put(byte, has_mouse_ ? Source::mouse : Source::keyboard);
            return;
        default:
            if (of < write_memory_first || of >= write_memory_first + memory_size) return;
            controller_.memory[of - write_memory_first] = byte;
            update_interrupts();
            return;
        }
    }

    plugbay::Host host_;
    bool has_mouse_;
    plugbay::Region data_region_;
    plugbay::Region command_region_;
    plugbay::InterruptLine keyboard_line_;
    plugbay::InterruptLine mouse_line_;
    Controller controller_;
    Keyboard keyboard_;
    Mouse mouse_;
};

PLUGBAY_PLUGIN("i8042", "1.0.0", I8042)
