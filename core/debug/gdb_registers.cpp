#include "core/debug/gdb_registers.hpp"

#include "core/debug/gdb_packet.hpp"

#include <array>
#include <cstdint>
#include <cstring>

namespace plugbay::core {

namespace {

struct Register {
    const char* name;
    unsigned bits;
    const char* type;
    const char* group = nullptr;
};

// In the order of their numbers. The first 40 are fixed by GDB's "core" feature.
constexpr std::array core_registers{
    Register{"rax", 64, "int64"},          Register{"rbx", 64, "int64"},
    Register{"rcx", 64, "int64"},          Register{"rdx", 64, "int64"},
    Register{"rsi", 64, "int64"},          Register{"rdi", 64, "int64"},
    Register{"rbp", 64, "data_ptr"},       Register{"rsp", 64, "data_ptr"},
    Register{"r8", 64, "int64"},           Register{"r9", 64, "int64"},
    Register{"r10", 64, "int64"},          Register{"r11", 64, "int64"},
    Register{"r12", 64, "int64"},          Register{"r13", 64, "int64"},
    Register{"r14", 64, "int64"},          Register{"r15", 64, "int64"},
    Register{"rip", 64, "code_ptr"},       Register{"eflags", 32, "flags_register"},
    Register{"cs", 32, "int32"},           Register{"ss", 32, "int32"},
    Register{"ds", 32, "int32"},           Register{"es", 32, "int32"},
    Register{"fs", 32, "int32"},           Register{"gs", 32, "int32"},
    Register{"st0", 80, "i387_ext"},       Register{"st1", 80, "i387_ext"},
    Register{"st2", 80, "i387_ext"},       Register{"st3", 80, "i387_ext"},
    Register{"st4", 80, "i387_ext"},       Register{"st5", 80, "i387_ext"},
    Register{"st6", 80, "i387_ext"},       Register{"st7", 80, "i387_ext"},
    Register{"fctrl", 32, "int", "float"}, Register{"fstat", 32, "int", "float"},
    Register{"ftag", 32, "int", "float"},  Register{"fiseg", 32, "int", "float"},
    Register{"fioff", 32, "int", "float"}, Register{"foseg", 32, "int", "float"},
    Register{"fooff", 32, "int", "float"}, Register{"fop", 32, "int", "float"},
};
constexpr std::array sse_registers{
    Register{"xmm0", 128, "vector128"},     Register{"xmm1", 128, "vector128"},
    Register{"xmm2", 128, "vector128"},     Register{"xmm3", 128, "vector128"},
    Register{"xmm4", 128, "vector128"},     Register{"xmm5", 128, "vector128"},
    Register{"xmm6", 128, "vector128"},     Register{"xmm7", 128, "vector128"},
    Register{"xmm8", 128, "vector128"},     Register{"xmm9", 128, "vector128"},
    Register{"xmm10", 128, "vector128"},    Register{"xmm11", 128, "vector128"},
    Register{"xmm12", 128, "vector128"},    Register{"xmm13", 128, "vector128"},
    Register{"xmm14", 128, "vector128"},    Register{"xmm15", 128, "vector128"},
    Register{"mxcsr", 32, "int", "vector"},
};
constexpr std::array segment_registers{
    Register{"fs_base", 64, "int"},
    Register{"gs_base", 64, "int"},
};
constexpr std::array system_registers{
    Register{"k_gs_base", 64, "int64", "system"}, Register{"cr0", 64, "int64", "system"},
    Register{"cr2", 64, "int64", "system"},       Register{"cr3", 64, "int64", "system"},
    Register{"cr4", 64, "int64", "system"},       Register{"cr8", 64, "int64", "system"},
    Register{"efer", 64, "int64", "system"},
};

constexpr std::size_t rip_number = 16;
constexpr std::size_t eflags_number = 17;
constexpr std::size_t first_selector = 18;
constexpr std::size_t first_stack = 24;
constexpr std::size_t first_control = 32;
constexpr std::size_t first_vector = 40;
constexpr std::size_t mxcsr_number = 56;
constexpr std::size_t fs_base_number = 57;
constexpr std::size_t gs_base_number = 58;
constexpr std::size_t first_system = 59;
static_assert(core_registers.size() == first_vector);
static_assert(first_vector + sse_registers.size() == fs_base_number);
static_assert(fs_base_number + segment_registers.size() == first_system);
constexpr std::size_t count = first_system + system_registers.size();

const Register& description(std::size_t number) {
    if (number < first_vector) return core_registers[number];
    if (number < fs_base_number) return sse_registers[number - first_vector];
    if (number < first_system) return segment_registers[number - fs_base_number];
    return system_registers[number - first_system];
}

constexpr std::array general_members{
    &GeneralRegisters::rax, &GeneralRegisters::rbx, &GeneralRegisters::rcx, &GeneralRegisters::rdx,
    &GeneralRegisters::rsi, &GeneralRegisters::rdi, &GeneralRegisters::rbp, &GeneralRegisters::rsp,
    &GeneralRegisters::r8,  &GeneralRegisters::r9,  &GeneralRegisters::r10, &GeneralRegisters::r11,
    &GeneralRegisters::r12, &GeneralRegisters::r13, &GeneralRegisters::r14, &GeneralRegisters::r15,
    &GeneralRegisters::rip,
};
constexpr std::array selector_members{
    &SpecialRegisters::cs, &SpecialRegisters::ss, &SpecialRegisters::ds,
    &SpecialRegisters::es, &SpecialRegisters::fs, &SpecialRegisters::gs,
};
constexpr std::array system_members{
    &SpecialRegisters::cr0, &SpecialRegisters::cr2, &SpecialRegisters::cr3,
    &SpecialRegisters::cr4, &SpecialRegisters::cr8, &SpecialRegisters::efer,
};

// GDB has two bits a register, of which the abridged word keeps one: 3 is empty.
std::uint64_t full_tags(std::uint8_t abridged) {
    std::uint64_t tags = 0;
    for (unsigned i = 0; i < 8; ++i) {
        if ((abridged >> i & 1) == 0) tags |= std::uint64_t{3} << (2 * i);
    }
    return tags;
}
std::uint8_t abridged_tags(std::uint64_t full) {
    unsigned tags = 0;
    for (unsigned i = 0; i < 8; ++i) {
        if ((full >> (2 * i) & 3) != 3) tags |= 1U << i;
    }
    return static_cast<std::uint8_t>(tags);
}

std::uint64_t floating_control(const FloatingRegisters& floating, std::size_t place) {
    switch (place) {
    case 0:
        return floating.control;
    case 1:
        return floating.status;
    case 2:
        return full_tags(floating.tags);
    case 4:
        return floating.last_instruction;
    case 6:
        return floating.last_operand;
    case 7:
        return floating.last_opcode;
    default:
        return 0; // the segments, which 64-bit code has not
    }
}

void set_floating_control(FloatingRegisters& floating, std::size_t place, std::uint64_t value) {
    switch (place) {
    case 0:
        floating.control = static_cast<std::uint16_t>(value);
        break;
    case 1:
        floating.status = static_cast<std::uint16_t>(value);
        break;
    case 2:
        floating.tags = abridged_tags(value);
        break;
    default:
        break; // where the last instruction was: nobody computes with it
    }
}

// Registers of at most 64 bits.
std::uint64_t number_in(const DebugRegisters& registers, std::size_t number) {
    if (number <= rip_number) return registers.general.*general_members[number];
    if (number == eflags_number) return registers.general.rflags;
    if (number < first_stack) return (registers.special.*selector_members[number - first_selector]).selector;
    if (number < first_vector) return floating_control(registers.floating, number - first_control);
    if (number == mxcsr_number) return registers.floating.mxcsr;
    if (number == fs_base_number) return registers.special.fs.base;
    if (number == gs_base_number) return registers.special.gs.base;
    if (number == first_system) return registers.kernel_gs_base;
    return registers.special.*system_members[number - first_system - 1];
}

void set_number(DebugRegisters& registers, std::size_t number, std::uint64_t value) {
    constexpr std::uint64_t eflags_mask = 0xFFFF'FFFF;
    if (number <= rip_number) {
        registers.general.*general_members[number] = value;
    } else if (number == eflags_number) {
        registers.general.rflags = (registers.general.rflags & ~eflags_mask) | value;
    } else if (number < first_vector) {
        set_floating_control(registers.floating, number - first_control, value);
    } else if (number == mxcsr_number) {
        registers.floating.mxcsr = static_cast<std::uint32_t>(value);
    } else if (number == fs_base_number) {
        registers.special.fs.base = value;
    } else if (number == gs_base_number) {
        registers.special.gs.base = value;
    } else if (number == first_system) {
        registers.kernel_gs_base = value;
    } else {
        registers.special.*system_members[number - first_system - 1] = value;
    }
}

// Those of more than 64 bits, and their bytes.
bool is_long(std::size_t number) {
    return (number >= first_stack && number < first_control) ||
           (number >= first_vector && number < mxcsr_number);
}

auto long_register(auto& floating, std::size_t number) {
    return number < first_control ? std::span(floating.stack[number - first_stack])
                                  : std::span(floating.xmm[number - first_vector]);
}

template <std::size_t Size>
void append_feature(std::string& xml, const char* name, const char* types,
                    const std::array<Register, Size>& registers) {
    xml += std::string("<feature name=\"") + name + "\">" + types;
    for (const Register& each : registers) {
        xml += std::string("<reg name=\"") + each.name + "\" bitsize=\"" + std::to_string(each.bits) +
               "\" type=\"" + each.type + "\"";
        if (each.group != nullptr) xml += std::string(" group=\"") + each.group + "\"";
        xml += "/>";
    }
    xml += "</feature>";
}

// Intel SDM volume 1, 3.4.3.
constexpr const char* flags_type =
    R"(<flags id="flags_register" size="4"><field name="CF" start="0" end="0"/><field name="PF" start="2" end="2"/>)"
    R"(<field name="AF" start="4" end="4"/><field name="ZF" start="6" end="6"/><field name="SF" start="7" end="7"/>)"
    R"(<field name="TF" start="8" end="8"/><field name="IF" start="9" end="9"/><field name="DF" start="10" end="10"/>)"
    R"(<field name="OF" start="11" end="11"/><field name="NT" start="14" end="14"/><field name="RF" start="16" end="16"/>)"
    R"(<field name="VM" start="17" end="17"/><field name="AC" start="18" end="18"/><field name="VIF" start="19" end="19"/>)"
    R"(<field name="VIP" start="20" end="20"/><field name="ID" start="21" end="21"/></flags>)";
constexpr const char* vector_types =
    R"(<vector id="singles" type="ieee_single" count="4"/><vector id="doubles" type="ieee_double" count="2"/>)"
    R"(<vector id="bytes" type="int8" count="16"/><vector id="words" type="int16" count="8"/>)"
    R"(<vector id="longs" type="int32" count="4"/><vector id="quads" type="int64" count="2"/>)"
    R"(<union id="vector128"><field name="v4_float" type="singles"/><field name="v2_double" type="doubles"/>)"
    R"(<field name="v16_int8" type="bytes"/><field name="v8_int16" type="words"/><field name="v4_int32" type="longs"/>)"
    R"(<field name="v2_int64" type="quads"/><field name="uint128" type="uint128"/></union>)";

std::string make_description() {
    std::string xml =
        R"(<?xml version="1.0"?><!DOCTYPE target SYSTEM "gdb-target.dtd"><target version="1.0">)"
        R"(<architecture>i386:x86-64</architecture>)";
    append_feature(xml, "org.gnu.gdb.i386.core", flags_type, core_registers);
    append_feature(xml, "org.gnu.gdb.i386.sse", vector_types, sse_registers);
    append_feature(xml, "org.gnu.gdb.i386.segments", "", segment_registers);
    append_feature(xml, "org.plugbay.system", "", system_registers);
    return xml + "</target>";
}

} // namespace

std::size_t gdb_register_count() {
    return count;
}

std::size_t gdb_register_size(std::size_t number) {
    return number < count ? description(number).bits / 8 : 0;
}

std::size_t gdb_registers_size() {
    std::size_t size = 0;
    for (std::size_t i = 0; i < count; ++i)
        size += gdb_register_size(i);
    return size;
}

void append_gdb_register(const DebugRegisters& registers, std::size_t number, std::string& text) {
    const std::size_t size = gdb_register_size(number);
    if (is_long(number)) {
        append_hex(text, std::as_bytes(long_register(registers.floating, number)).first(size));
        return;
    }
    const std::uint64_t value = number_in(registers, number);
    append_hex(text, std::as_bytes(std::span(&value, 1)).first(size));
}

bool set_gdb_register(DebugRegisters& registers, std::size_t number, std::string_view bytes) {
    if (number >= first_selector && number < first_stack) return false;
    if (is_long(number)) {
        std::memcpy(long_register(registers.floating, number).data(), bytes.data(),
                    gdb_register_size(number));
        return true;
    }
    std::uint64_t value = 0;
    std::memcpy(&value, bytes.data(), gdb_register_size(number));
    set_number(registers, number, value);
    return true;
}

const std::string& gdb_target_description() {
    static const std::string description = make_description();
    return description;
}

} // namespace plugbay::core
