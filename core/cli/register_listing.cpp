#include "core/cli/register_listing.hpp"

#include "core/cli/terminal_text.hpp"

#include <plugbay/abi/registers.h>

#include <fmt/format.h>
#include <nlohmann/json.hpp>

#include <array>
#include <ostream>

namespace plugbay::core {

namespace {

using Json = nlohmann::ordered_json;

bool is_indirect(const RegisterBlockDescription& block) {
    return (block.flags & PLUGBAY_REGISTER_BLOCK_INDIRECT) != 0;
}

const char* access_name(std::uint32_t access) {
    constexpr std::array<const char*, 7> names = {
        "unknown", "read/write", "read-only", "write-only", "write 1 to clear", "read to clear", "constant"};
    return access < names.size() ? names[access] : names[0];
}

// "3", or "6:4" as data sheets have it.
std::string bit_range(const RegisterFieldDescription& field) {
    if (field.bit_count == 1) return std::to_string(field.first_bit);
    return fmt::format("{}:{}", field.first_bit + field.bit_count - 1, field.first_bit);
}

// "0x10", and of an array "0x10 + 8i".
std::string offset_text(const RegisterDescription& one) {
    const std::string first = fmt::format("{:#04x}", one.offset);
    return one.count == 1 ? first : first + fmt::format(" + {}i", one.stride);
}

std::string name_text(const RegisterDescription& one) {
    return one.count == 1 ? one.name : fmt::format("{}[0..{}]", one.name, one.count - 1);
}

std::string help_text(const RegisterDescription& one) {
    if (one.when.empty()) return one.help;
    return one.help + (one.help.empty() ? "" : " ") + "[if " + one.when + "]";
}

std::string help_text(const RegisterFieldDescription& field) {
    std::string values;
    for (const RegisterValueDescription& value : field.values)
        values += fmt::format("{}{}: {}", values.empty() ? "" : ", ", value.value, value.name);
    return field.help + (field.help.empty() || values.empty() ? "" : " ") + values;
}

void print_block(std::ostream& out, const RegisterBlockDescription& block) {
    TextTable table({"offset", "bits", "name", "access", "reset", "help"});
    for (const RegisterDescription& one : block.registers) {
        const bool has_reset = one.access != PLUGBAY_REGISTER_WRITE_ONLY &&
                               ((one.flags & PLUGBAY_REGISTER_COMPUTED) == 0 || one.reset != 0);
        table.add({offset_text(one), std::to_string(8 * one.width), name_text(one), access_name(one.access),
                   has_reset ? fmt::format("{:#0{}x}", one.reset, 2 + 2 * one.width) : "", help_text(one)});
        for (const RegisterFieldDescription& field : one.fields) {
            table.add({"", bit_range(field), "  " + field.name,
                       field.access == one.access ? "" : access_name(field.access), "", help_text(field)});
        }
    }
    table.print(out, "  ");
}

Json field_json(const RegisterFieldDescription& field) {
    Json values = Json::array();
    for (const RegisterValueDescription& value : field.values)
        values.push_back({{"value", value.value}, {"name", value.name}});
    return {{"name", field.name},           {"first_bit", field.first_bit},
            {"bit_count", field.bit_count}, {"access", access_name(field.access)},
            {"help", field.help},           {"values", std::move(values)}};
}

Json register_json(const RegisterDescription& one) {
    Json fields = Json::array();
    for (const RegisterFieldDescription& field : one.fields)
        fields.push_back(field_json(field));
    const auto or_null = [](const std::string& text) { return text.empty() ? Json() : Json(text); };
    return {{"name", one.name},
            {"help", one.help},
            {"offset", one.offset},
            {"width", one.width},
            {"count", one.count},
            {"stride", one.stride},
            {"access", access_name(one.access)},
            {"reset", one.reset},
            {"writable", one.writable},
            {"computed", (one.flags & PLUGBAY_REGISTER_COMPUTED) != 0},
            {"read_acts", (one.flags & PLUGBAY_REGISTER_READ_ACTS) != 0},
            {"write_acts", (one.flags & PLUGBAY_REGISTER_WRITE_ACTS) != 0},
            {"when", or_null(one.when)},
            {"state", or_null(one.state)},
            {"fields", std::move(fields)}};
}

} // namespace

void print_registers(std::ostream& out, const std::vector<RegisterBlockDescription>& blocks) {
    for (const RegisterBlockDescription& block : blocks) {
        out << "\nRegisters";
        if (!block.name.empty()) out << ", " << block.name;
        if (is_indirect(block)) out << " (reached through an index)";
        out << ":\n";
        print_block(out, block);
    }
}

nlohmann::ordered_json registers_json(const std::vector<RegisterBlockDescription>& blocks) {
    Json json = Json::array();
    for (const RegisterBlockDescription& block : blocks) {
        Json registers = Json::array();
        for (const RegisterDescription& one : block.registers)
            registers.push_back(register_json(one));
        json.push_back({{"name", block.name},
                        {"token", block.token},
                        {"length", block.length},
                        {"indirect", is_indirect(block)},
                        {"registers", std::move(registers)}});
    }
    return json;
}

} // namespace plugbay::core
