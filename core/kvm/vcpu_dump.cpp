#include "core/kvm/vcpu_dump.hpp"

#include "core/kvm/kvm_vcpu.hpp"
#include "core/memory/guest_memory.hpp"

#include <spdlog/fmt/fmt.h>

#include <array>
#include <system_error>

namespace plugbay::core {

namespace {

constexpr std::uint64_t bytes_before_rip = 16;
constexpr std::uint64_t bytes_from_rip = 32;

std::string format_segment(const char* name, const Segment& segment) {
    if (segment.unusable) return fmt::format("{:<3} {:04x} unusable", name, segment.selector);
    return fmt::format("{:<3} {:04x} base {:016x} limit {:08x} type {:x} dpl {}{}{}{}{}{}", name,
                       segment.selector, segment.base, segment.limit, segment.type, segment.dpl,
                       segment.code_or_data ? "" : " system", segment.long_mode ? " 64-bit" : "",
                       segment.default_big ? " 32-bit" : "", segment.granularity ? " 4k-limit" : "",
                       segment.present ? "" : " absent");
}

// One byte at a linear address; code may cross into a page mapped elsewhere, so each is translated anew.
bool read_code_byte(const KvmVcpu& vcpu, const GuestMemory& memory, std::uint64_t linear, std::byte& byte) {
    const auto physical = vcpu.translate(linear);
    return physical && memory.read(*physical, {&byte, 1});
}

std::string code_line(const KvmVcpu& vcpu, const GuestMemory& memory, std::uint64_t linear) {
    std::byte byte{};
    if (!read_code_byte(vcpu, memory, linear, byte)) {
        return fmt::format("code at {:016x}: not in guest memory", linear);
    }
    std::uint64_t start = linear;
    while (linear - start < bytes_before_rip && start > 0 && read_code_byte(vcpu, memory, start - 1, byte))
        --start;
    std::vector<std::byte> bytes;
    for (std::uint64_t i = 0; i < linear - start + bytes_from_rip; ++i) {
        if (!read_code_byte(vcpu, memory, start + i, byte)) break;
        bytes.push_back(byte);
    }
    return format_code(start, bytes, static_cast<std::size_t>(linear - start));
}

} // namespace

std::string describe_exit(const VcpuExit& exit) {
    using Kind = VcpuExit::Kind;
    const char* const name = exit_kind_name(exit.kind);
    switch (exit.kind) {
    case Kind::port_in:
    case Kind::port_out:
        return fmt::format("{} 0x{:x} size {} count {}", name, exit.port.port, exit.port.size,
                           exit.port.count);
    case Kind::mmio_read:
    case Kind::mmio_write:
        return fmt::format("{} 0x{:x} size {}", name, exit.mmio.address, exit.mmio.size);
    case Kind::read_msr:
    case Kind::write_msr:
        return fmt::format("{} 0x{:x}", name, exit.msr.index);
    case Kind::internal_error: {
        std::string text = fmt::format("{} {} ({})", name, exit.internal.suberror,
                                       internal_error_name(exit.internal.suberror));
        for (std::uint32_t i = 0; i < exit.internal.count; ++i)
            text += fmt::format(" {:x}", exit.internal.data[i]);
        return text;
    }
    case Kind::entry_failure:
        return fmt::format("{}: hardware reason 0x{:x} on processor {}", name, exit.entry.hardware_reason,
                           exit.entry.cpu);
    case Kind::system_event:
        return fmt::format("{} {}", name, exit.event.number);
    case Kind::debug:
        return fmt::format("{} {} at 0x{:x}", name, exit.debug.exception, exit.debug.address);
    case Kind::run_failed:
        return fmt::format("{}: {}", name, std::system_category().message(static_cast<int>(exit.code)));
    case Kind::unknown:
        return fmt::format("{}, reason {}", name, exit.code);
    case Kind::halt:
    case Kind::shutdown:
    case Kind::interrupted:
        break;
    }
    return name;
}

std::vector<std::string> format_registers(const GeneralRegisters& g, const SpecialRegisters& s) {
    return {
        fmt::format("rip {:016x} rflags {:08x}", g.rip, g.rflags),
        fmt::format("rax {:016x} rbx {:016x} rcx {:016x} rdx {:016x}", g.rax, g.rbx, g.rcx, g.rdx),
        fmt::format("rsi {:016x} rdi {:016x} rsp {:016x} rbp {:016x}", g.rsi, g.rdi, g.rsp, g.rbp),
        fmt::format("r8  {:016x} r9  {:016x} r10 {:016x} r11 {:016x}", g.r8, g.r9, g.r10, g.r11),
        fmt::format("r12 {:016x} r13 {:016x} r14 {:016x} r15 {:016x}", g.r12, g.r13, g.r14, g.r15),
        fmt::format("cr0 {:08x} cr2 {:016x} cr3 {:016x} cr4 {:08x} cr8 {:x}", s.cr0, s.cr2, s.cr3, s.cr4,
                    s.cr8),
        fmt::format("efer {:x} apic base {:x}", s.efer, s.apic_base),
        format_segment("cs", s.cs),
        format_segment("ss", s.ss),
        format_segment("ds", s.ds),
        format_segment("es", s.es),
        format_segment("fs", s.fs),
        format_segment("gs", s.gs),
        format_segment("tr", s.tr),
        format_segment("ldt", s.ldt),
        fmt::format("gdt base {:016x} limit {:04x}", s.gdt.base, s.gdt.limit),
        fmt::format("idt base {:016x} limit {:04x}", s.idt.base, s.idt.limit),
    };
}

std::string format_code(std::uint64_t address, std::span<const std::byte> bytes, std::size_t marked) {
    std::string line = fmt::format("code at {:016x}:", address);
    for (std::size_t i = 0; i < bytes.size(); ++i) {
        const auto value = static_cast<unsigned>(bytes[i]);
        line += i == marked ? fmt::format(" <{:02x}>", value) : fmt::format(" {:02x}", value);
    }
    return line;
}

std::vector<std::string> dump_vcpu(const KvmVcpu& vcpu, const GuestMemory& memory) {
    std::vector<std::string> lines{fmt::format("vCPU {}", vcpu.index())};
    const auto general = vcpu.general_registers();
    if (!general) lines.push_back(general.error().text());
    const auto special = vcpu.special_registers();
    if (!special) lines.push_back(special.error().text());
    if (!general || !special) return lines;
    for (auto& line : format_registers(*general, *special))
        lines.push_back(std::move(line));
    // In long mode the code segment's base counts as 0.
    const std::uint64_t base = special->cs.long_mode ? 0 : special->cs.base;
    lines.push_back(code_line(vcpu, memory, base + general->rip));
    return lines;
}

} // namespace plugbay::core
