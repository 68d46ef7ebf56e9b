#include "core/config/machine_keys.hpp"

#include "core/base/machine_limits.hpp"
#include "core/config/value_reader.hpp"

#include <plugbay/abi/property.h>

#include <algorithm>
#include <stdexcept>

namespace plugbay::core {
namespace {

using Shape = KeyDeclaration::Shape;

constexpr std::uint64_t longest_text = 4096;

PropertyDescription text(std::string name, std::uint32_t kind, std::uint32_t flags, std::string help,
                         std::uint64_t minimum, std::uint64_t maximum) {
    return {.kind = kind,
            .flags = flags,
            .name = std::move(name),
            .help = std::move(help),
            .default_text = {},
            .minimum = minimum,
            .maximum = maximum,
            .choices = {}};
}

PropertyDescription number(std::string name, std::uint32_t kind, std::string help, std::uint64_t standard,
                           std::uint64_t minimum, std::uint64_t maximum) {
    return {.kind = kind,
            .name = std::move(name),
            .help = std::move(help),
            .default_number = standard,
            .default_text = {},
            .minimum = minimum,
            .maximum = maximum,
            .choices = {}};
}

PropertyDescription choice(std::string name, std::string help, std::vector<std::string> choices) {
    return {.kind = PLUGBAY_PROPERTY_CHOICE,
            .name = std::move(name),
            .help = std::move(help),
            .default_text = {},
            .choices = std::move(choices)};
}

PropertyDescription structure(std::string name, std::uint32_t flags, std::string help) {
    return {
        .flags = flags, .name = std::move(name), .help = std::move(help), .default_text = {}, .choices = {}};
}

KeyDeclaration key(PropertyDescription value, std::uint64_t multiple_of = 1) {
    return {.value = std::move(value), .multiple_of = multiple_of, .members = {}};
}

KeyDeclaration key(Shape shape, PropertyDescription value, std::vector<KeyDeclaration> members) {
    return {.shape = shape, .value = std::move(value), .members = std::move(members)};
}

KeyDeclaration declare_boot() {
    return key(
        Shape::object, structure("boot", PLUGBAY_PROPERTY_REQUIRED, "What the machine starts."),
        {
            key(text("kernel", PLUGBAY_PROPERTY_PATH, PLUGBAY_PROPERTY_REQUIRED, "The image to start.", 1,
                     longest_text)),
            key(text("initrd", PLUGBAY_PROPERTY_PATH, 0, "The initial RAM disk; empty for none.", 0,
                     longest_text)),
            key(text("command_line", PLUGBAY_PROPERTY_STRING, 0, "What the image is told.", 0, longest_text)),
            key(choice("protocol", "How the image is started.",
                       {"automatic", "linux64", "pvh", "multiboot", "flat"})),
            key(number("address", PLUGBAY_PROPERTY_UNSIGNED,
                       "Where a flat image is put and entered; protocol `flat` only.", 0x7c00, 0,
                       std::uint64_t{1} << 40)),
            key(choice("mode", "The processor's mode on entry; protocol `flat` only.",
                       {"real_16", "protected_32", "long_64"})),
        });
}

KeyDeclaration declare_devices() {
    return key(Shape::objects, structure("devices", 0, "The devices, each a plugin's."),
               {
                   key(text("type", PLUGBAY_PROPERTY_STRING, PLUGBAY_PROPERTY_REQUIRED,
                            "Which device; decides about its other keys.", 1, longest_id)),
                   key(text("id", PLUGBAY_PROPERTY_STRING, PLUGBAY_PROPERTY_REQUIRED,
                            "The device's name in this machine: 1 to 64 letters, digits, `.`, `_`, `-`.", 1,
                            longest_id)),
                   key(Shape::object,
                       structure("frontend", 0,
                                 "Backends: the frontend to connect to, and options of that connection."),
                       {
                           key(text("id", PLUGBAY_PROPERTY_STRING, PLUGBAY_PROPERTY_REQUIRED,
                                    "The frontend device's id, or `<id>.<port>` where its ports have names.",
                                    1, 2 * longest_id + 1)),
                       }),
               });
}

KeyDeclaration declare_machine() {
    constexpr std::uint64_t page = 4096;
    return key(
        Shape::object, structure("", PLUGBAY_PROPERTY_REQUIRED, "A machine."),
        {
            key(text("$schema", PLUGBAY_PROPERTY_STRING, 0, "For editors; ignored.", 0, longest_text)),
            key(text("name", PLUGBAY_PROPERTY_STRING, 0,
                     "The machine's name. Default: the file's name without its ending.", 1, longest_id)),
            key(number("memory", PLUGBAY_PROPERTY_SIZE, "The guest's RAM; a multiple of 4K.",
                       std::uint64_t{256} << 20, min_guest_memory, max_guest_memory),
                page),
            key(number("cpus", PLUGBAY_PROPERTY_UNSIGNED, "How many virtual CPUs.", 1, 1, max_vcpu_count)),
            key(number("io_threads", PLUGBAY_PROPERTY_UNSIGNED, "How many threads serve the devices.", 1, 1,
                       16)),
            key(choice("on_reset", "What happens when the guest resets the machine.", {"restart", "exit"})),
            declare_boot(),
            key(Shape::list,
                text("plugins", PLUGBAY_PROPERTY_PATH, 0,
                     "Plugin files to use besides those found by search.", 1, longest_text),
                {}),
            declare_devices(),
        });
}

std::string kind_words(const KeyDeclaration& key) {
    switch (key.shape) {
    case Shape::value:
        return expected_kind(key.value);
    case Shape::list:
        return "array of paths";
    case Shape::object:
        return "object";
    case Shape::objects:
        return "array of objects";
    }
    return {};
}

std::string default_words(const KeyDeclaration& key) {
    if ((key.value.flags & PLUGBAY_PROPERTY_REQUIRED) != 0) return "required";
    if (key.shape != Shape::value || key.value.name == "name") return "";
    const auto words = value_words(key.value, key.value.default_number, key.value.default_text);
    return words.empty() ? "" : '`' + words + '`';
}

} // namespace

const KeyDeclaration& KeyDeclaration::member(std::string_view name) const {
    const auto found =
        std::ranges::find_if(members, [name](const auto& key) { return key.value.name == name; });
    if (found == members.end()) throw std::logic_error("no key " + std::string(name) + " is declared");
    return *found;
}

const KeyDeclaration& machine_declaration() {
    static const KeyDeclaration declaration = declare_machine();
    return declaration;
}

std::string markdown_of(const KeyDeclaration& object) {
    std::string result = "| Key | Kind | Default | Meaning |\n|---|---|---|---|\n";
    for (const auto& key : object.members) {
        result += "| `" + key.value.name + "` | " + kind_words(key) + " | " + default_words(key) + " | " +
                  key.value.help + " |\n";
    }
    return result;
}

} // namespace plugbay::core
