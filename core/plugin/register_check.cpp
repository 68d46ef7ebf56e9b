#include "core/plugin/register_check.hpp"

#include <plugbay/abi/registers.h>

#include <algorithm>
#include <set>
#include <string_view>

namespace plugbay::core {

namespace {

constexpr std::uint32_t known_flags =
    PLUGBAY_REGISTER_COMPUTED | PLUGBAY_REGISTER_READ_ACTS | PLUGBAY_REGISTER_WRITE_ACTS;

std::string in_quotes(std::string_view text) {
    return "\"" + std::string(text) + "\"";
}

// As in data sheets, so that "LCR.DLAB=1" can only be read in one way.
bool is_register_name(std::string_view name) {
    return !name.empty() && std::ranges::all_of(name, [](char each) {
        return (each >= 'a' && each <= 'z') || (each >= 'A' && each <= 'Z') || (each >= '0' && each <= '9') ||
               each == '_';
    });
}

Error bad_name(std::string_view name) {
    return Error{"the name " + in_quotes(name) + " is not possible", "use letters, digits and \"_\""};
}

bool fits(std::uint64_t value, std::uint32_t bits) {
    return bits >= 64 || value >> bits == 0;
}

Result<void> check_access(std::uint32_t access) {
    if (access >= PLUGBAY_REGISTER_READ_WRITE && access <= PLUGBAY_REGISTER_CONSTANT) return {};
    return Error{"its access is " + std::to_string(access) +
                     ", but the kinds that this plugbay knows are 1 to 6",
                 "use one of PLUGBAY_REGISTER_READ_WRITE to PLUGBAY_REGISTER_CONSTANT"};
}

Result<void> check_field(const RegisterFieldDescription& field, std::uint32_t register_bits) {
    if (!is_register_name(field.name)) return bad_name(field.name);
    if (auto done = check_access(field.access); !done) return done;
    if (field.bit_count == 0 || field.first_bit >= register_bits ||
        field.bit_count > register_bits - field.first_bit) {
        return Error{"it has " + std::to_string(field.bit_count) + " bits from bit " +
                         std::to_string(field.first_bit) + ", but the register has " +
                         std::to_string(register_bits),
                     "correct first_bit and bit_count"};
    }
    std::set<std::uint64_t> seen;
    for (const RegisterValueDescription& value : field.values) {
        if (value.name.empty()) return Error{"one of its values has no name", "name it, or leave it out"};
        if (!fits(value.value, field.bit_count)) {
            return Error{"its value " + std::to_string(value.value) + " does not fit into it",
                         "correct the value"};
        }
        if (!seen.insert(value.value).second) {
            return Error{"its value " + std::to_string(value.value) + " has two names", "remove one of them"};
        }
    }
    return {};
}

Result<void> check_fields(const RegisterDescription& one) {
    std::set<std::string_view> names;
    std::uint64_t taken = 0;
    for (const RegisterFieldDescription& field : one.fields) {
        const std::string context = "field " + in_quotes(field.name);
        if (auto done = check_field(field, one.width * 8); !done) return with_context(context, done.error());
        if (!names.insert(field.name).second)
            return with_context(context, Error{"the register has it twice", "rename one of them"});
        const std::uint64_t bits = ~std::uint64_t{0} >> (64 - field.bit_count) << field.first_bit;
        if ((taken & bits) != 0)
            return with_context(
                context, Error{"another field has some of its bits", "correct first_bit and bit_count"});
        taken |= bits;
    }
    return {};
}

Result<void> check_place(const RegisterDescription& one, std::uint64_t length) {
    if (one.width != 1 && one.width != 2 && one.width != 4 && one.width != 8) {
        return Error{"it is " + std::to_string(one.width) + " bytes wide",
                     "registers have 1, 2, 4 or 8 bytes"};
    }
    if (one.count == 0 || one.stride < one.width) {
        return Error{"its count is " + std::to_string(one.count) + " and its stride " +
                         std::to_string(one.stride),
                     "count is at least 1, and stride at least the width"};
    }
    const bool outside = one.offset > length || length - one.offset < one.width ||
                         (length - one.offset - one.width) / one.stride < one.count - 1;
    if (outside) {
        return Error{"it ends outside of its block of " + std::to_string(length) + " bytes",
                     "correct offset, stride and count, or the block's length"};
    }
    return {};
}

Result<void> check_register(const RegisterDescription& one, std::uint64_t length) {
    if (!is_register_name(one.name)) return bad_name(one.name);
    if (auto done = check_place(one, length); !done) return done;
    if (auto done = check_access(one.access); !done) return done;
    if ((one.flags & ~known_flags) != 0) {
        return Error{"flags " + std::to_string(one.flags) +
                         " has bits that " PLUGBAY_REGISTERS " does not define",
                     "set undefined bits to 0"};
    }
    if (!fits(one.reset, one.width * 8) || !fits(one.writable, one.width * 8)) {
        return Error{"its reset value or its writable bits do not fit into it", "correct reset or writable"};
    }
    return check_fields(one);
}

Result<void> check_block(const RegisterBlockDescription& block) {
    if ((block.flags & ~PLUGBAY_REGISTER_BLOCK_INDIRECT) != 0) {
        return Error{"flags " + std::to_string(block.flags) +
                         " has bits that " PLUGBAY_REGISTERS " does not define",
                     "set undefined bits to 0"};
    }
    std::set<std::string_view> names;
    for (const RegisterDescription& one : block.registers) {
        const std::string context = "register " + in_quotes(one.name);
        if (auto done = check_register(one, block.length); !done) return with_context(context, done.error());
        if (!names.insert(one.name).second)
            return with_context(context, Error{"the block has it twice", "rename one of them"});
    }
    return {};
}

} // namespace

Result<void> check_registers(const std::vector<RegisterBlockDescription>& blocks) {
    std::set<std::string_view> names;
    std::set<std::uint64_t> tokens;
    for (const RegisterBlockDescription& block : blocks) {
        const std::string context = "registers " + in_quotes(block.name);
        if (auto done = check_block(block); !done) return with_context(context, done.error());
        if (!names.insert(block.name).second)
            return with_context(context, Error{"two blocks have this name", "name each block"});
        if ((block.flags & PLUGBAY_REGISTER_BLOCK_INDIRECT) == 0 && !tokens.insert(block.token).second) {
            return with_context(context,
                                Error{"token " + std::to_string(block.token) + " has another block already",
                                      "give each block the token of its region"});
        }
    }
    return {};
}

} // namespace plugbay::core
