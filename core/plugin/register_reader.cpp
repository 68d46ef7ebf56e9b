#include "core/plugin/register_reader.hpp"

#include "core/plugin/metadata_reader.hpp"

#include <cstddef>

namespace plugbay::core {

namespace {

// The sizes that the structs had at first; they only grow.
constexpr std::uint32_t first_registers_size = 16;
constexpr std::uint32_t first_block_size = 48;

bool read_value(DescriptorSource& source, std::uint64_t address, const plugbay_register_value& raw,
                RegisterValueDescription& value) {
    value.value = raw.value;
    return source.read_text("its name", address + offsetof(plugbay_register_value, name),
                            PLUGBAY_REGISTERS_LONGEST_NAME, false, value.name);
}

bool read_field(DescriptorSource& source, std::uint64_t address, const plugbay_register_field& raw,
                RegisterFieldDescription& field) {
    field.first_bit = raw.first_bit;
    field.bit_count = raw.bit_count;
    field.access = raw.access;
    const auto one = [&](std::uint64_t at, const plugbay_register_value& each,
                         RegisterValueDescription& value) { return read_value(source, at, each, value); };
    return source.read_text("its name", address + offsetof(plugbay_register_field, name),
                            PLUGBAY_REGISTERS_LONGEST_NAME, false, field.name) &&
           source.read_text("its help", address + offsetof(plugbay_register_field, help),
                            PluginLimits::text_bytes, false, field.help) &&
           source.read_elements<plugbay_register_value>(
               "value", address + offsetof(plugbay_register_field, values), raw.value_count,
               PLUGBAY_REGISTERS_MOST_VALUES, one, field.values);
}

bool read_register(DescriptorSource& source, std::uint64_t address, const plugbay_register& raw,
                   RegisterDescription& one) {
    one.offset = raw.offset;
    one.stride = raw.stride;
    one.width = raw.width;
    one.count = raw.count;
    one.access = raw.access;
    one.flags = raw.flags;
    one.reset = raw.reset;
    one.writable = raw.writable;
    const auto text = [&](const char* what, std::size_t member, std::size_t limit, bool may_be_null,
                          std::string& target) {
        return source.read_text(what, address + member, limit, may_be_null, target);
    };
    return text("its name", offsetof(plugbay_register, name), PLUGBAY_REGISTERS_LONGEST_NAME, false,
                one.name) &&
           text("its help", offsetof(plugbay_register, help), PluginLimits::text_bytes, false, one.help) &&
           text("its condition", offsetof(plugbay_register, when), PLUGBAY_REGISTERS_LONGEST_NAME, true,
                one.when) &&
           text("its field of the state", offsetof(plugbay_register, state), PLUGBAY_REGISTERS_LONGEST_NAME,
                true, one.state) &&
           (raw.reserved == 0 || source.fail("its reserved member is not 0", "set it to 0")) &&
           source.read_elements<plugbay_register_field>(
               "field", address + offsetof(plugbay_register, fields), raw.field_count,
               PLUGBAY_REGISTERS_MOST_FIELDS,
               [&](std::uint64_t at, const plugbay_register_field& each, RegisterFieldDescription& field) {
                   return read_field(source, at, each, field);
               },
               one.fields);
}

bool read_block(DescriptorSource& source, std::uint64_t address, RegisterBlockDescription& block) {
    plugbay_register_block raw{};
    if (!source.read_struct(address, first_block_size, raw)) return false;
    block.flags = raw.flags;
    block.token = raw.token;
    block.length = raw.length;
    return source.read_text("its name", address + offsetof(plugbay_register_block, name),
                            PLUGBAY_REGISTERS_LONGEST_NAME, false, block.name) &&
           (raw.reserved == 0 || source.fail("its reserved member is not 0", "set it to 0")) &&
           source.read_elements<plugbay_register>(
               "register", address + offsetof(plugbay_register_block, registers), raw.register_count,
               PLUGBAY_REGISTERS_MOST,
               [&](std::uint64_t at, const plugbay_register& each, RegisterDescription& one) {
                   return read_register(source, at, each, one);
               },
               block.registers);
}

// --- of the plugin in memory

bool equal(const char* loaded, const std::string& described) {
    return loaded != nullptr && described == loaded;
}
bool equal_or_none(const char* loaded, const std::string& described) {
    return loaded == nullptr ? described.empty() : described == loaded;
}

bool equal(const plugbay_register_value& loaded, const RegisterValueDescription& described);
bool equal(const plugbay_register_field& loaded, const RegisterFieldDescription& described);
bool equal(const plugbay_register& loaded, const RegisterDescription& described);

template <typename Raw, typename Description>
bool equal_lists(const Raw* loaded, std::uint32_t count, const std::vector<Description>& described) {
    if (count != described.size() || (count != 0 && loaded == nullptr)) return false;
    for (std::uint32_t index = 0; index < count; ++index) {
        if (!equal(loaded[index], described[index])) return false;
    }
    return true;
}

bool equal(const plugbay_register_value& loaded, const RegisterValueDescription& described) {
    return loaded.value == described.value && equal(loaded.name, described.name);
}
bool equal(const plugbay_register_field& loaded, const RegisterFieldDescription& described) {
    return loaded.first_bit == described.first_bit && loaded.bit_count == described.bit_count &&
           loaded.access == described.access && equal(loaded.name, described.name) &&
           equal(loaded.help, described.help) &&
           equal_lists(loaded.values, loaded.value_count, described.values);
}
bool equal(const plugbay_register& loaded, const RegisterDescription& described) {
    return loaded.offset == described.offset && loaded.stride == described.stride &&
           loaded.width == described.width && loaded.count == described.count &&
           loaded.access == described.access && loaded.flags == described.flags &&
           loaded.reset == described.reset && loaded.writable == described.writable &&
           equal(loaded.name, described.name) && equal(loaded.help, described.help) &&
           equal_or_none(loaded.when, described.when) && equal_or_none(loaded.state, described.state) &&
           equal_lists(loaded.fields, loaded.field_count, described.fields);
}
bool equal(const plugbay_register_block& loaded, const RegisterBlockDescription& described) {
    return loaded.flags == described.flags && loaded.token == described.token &&
           loaded.length == described.length && equal(loaded.name, described.name) &&
           equal_lists(loaded.registers, loaded.register_count, described.registers);
}

} // namespace

bool read_registers(DescriptorSource& source, std::uint64_t address,
                    std::vector<RegisterBlockDescription>& blocks) {
    plugbay_registers raw{};
    if (!source.read_struct(address, first_registers_size, raw)) return false;
    return source.read_list(
        "block", address + offsetof(plugbay_registers, blocks), raw.block_count,
        PLUGBAY_REGISTERS_MOST_BLOCKS,
        [&](std::uint64_t at, RegisterBlockDescription& block) { return read_block(source, at, block); },
        blocks);
}

bool equal_registers(const plugbay_registers* loaded,
                     const std::vector<RegisterBlockDescription>& described) {
    if (loaded == nullptr) return described.empty();
    if (loaded->block_count != described.size() || (loaded->block_count != 0 && loaded->blocks == nullptr))
        return false;
    for (std::uint32_t index = 0; index < loaded->block_count; ++index) {
        if (loaded->blocks[index] == nullptr || !equal(*loaded->blocks[index], described[index]))
            return false;
    }
    return true;
}

} // namespace plugbay::core
