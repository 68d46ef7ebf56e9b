#include "core/machine/guest_access.hpp"

#include <bit>
#include <cstring>

namespace plugbay::core {

namespace {

static_assert(std::endian::native == std::endian::little,
              "values are copied as the guest's processor stores them");

void answer_port(AccessBus& bus, Presence& presence, const VcpuExit::Port& port, bool input) {
    for (std::uint32_t i = 0; i < port.count; ++i) {
        std::byte* const data = port.data + std::size_t{i} * port.size;
        std::uint64_t value = 0;
        if (input) {
            value = bus.read_port(presence, port.port, port.size);
            std::memcpy(data, &value, port.size);
        } else {
            std::memcpy(&value, data, port.size);
            bus.write_port(presence, port.port, port.size, value);
        }
    }
}

// Instructions that cross a page arrive in odd sizes: they are split into powers of two, as a bus would.
void answer_memory(AccessBus& bus, Presence& presence, const VcpuExit::Mmio& mmio, bool write) {
    for (std::uint32_t done = 0; done < mmio.size;) {
        const std::uint32_t width = std::bit_floor(std::uint32_t{mmio.size} - done);
        std::uint64_t value = 0;
        if (write) {
            std::memcpy(&value, mmio.data + done, width);
            bus.write_memory(presence, mmio.address + done, width, value);
        } else {
            value = bus.read_memory(presence, mmio.address + done, width);
            std::memcpy(mmio.data + done, &value, width);
        }
        done += width;
    }
}

} // namespace

bool answer_access(AccessBus& bus, Presence& presence, const VcpuExit& exit) {
    switch (exit.kind) {
    case VcpuExit::Kind::port_in:
        answer_port(bus, presence, exit.port, true);
        return true;
    case VcpuExit::Kind::port_out:
        answer_port(bus, presence, exit.port, false);
        return true;
    case VcpuExit::Kind::mmio_read:
        answer_memory(bus, presence, exit.mmio, false);
        return true;
    case VcpuExit::Kind::mmio_write:
        answer_memory(bus, presence, exit.mmio, true);
        return true;
    default:
        return false;
    }
}

} // namespace plugbay::core
