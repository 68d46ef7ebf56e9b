// What an access costs that goes through a declared register map (plugbay/registers.hpp), beside the same device with a
// switch written by hand: sixteen registers in random order, called as the host calls, without a guest. Both are measured in
// turns, and the best round of each counts. Prints nanoseconds an access, and the ratio.
#include <plugbay/register_glue.hpp>

#include <algorithm>
#include <array>
#include <chrono>
#include <cstdint>
#include <cstdio>
#include <random>
#include <vector>

namespace {

using plugbay::Access;

struct Registers {
    std::uint32_t control = 0, status = 0, mask = 0, command = 0, address_low = 0, address_high = 0,
                  length = 0, tail = 0;
    std::array<std::uint32_t, 7> scratch{};
};

class Mapped {
  public:
    static constexpr auto registers() {
        using plugbay::reg;
        return plugbay::registers(
            &Mapped::registers_, reg(0x00, "CONTROL", &Registers::control).writable(0xff),
            reg(0x04, "STATUS", &Registers::status).write_1_to_clear(), reg(0x08, "MASK", &Registers::mask),
            reg(0x0c, "COMMAND", &Registers::command).wrote(&Mapped::commanded),
            reg(0x10, "ADDRESS_LOW", &Registers::address_low),
            reg(0x14, "ADDRESS_HIGH", &Registers::address_high), reg(0x18, "LENGTH", &Registers::length),
            reg(0x1c, "TAIL", &Registers::tail), reg<std::uint32_t>(0x20, "COUNT").read(&Mapped::count),
            reg(0x24, "SCRATCH", &Registers::scratch));
    }
    std::uint64_t read(const Access& access) { return plugbay::read_register(*this, access); }
    void write(const Access& access, std::uint64_t value) { plugbay::write_register(*this, access, value); }

  private:
    void commanded() { registers_.status |= ++commands_; }
    [[nodiscard]] std::uint32_t count() const { return commands_; }
    Registers registers_;
    std::uint32_t commands_ = 0;
};

class ByHand {
  public:
    std::uint64_t read(const Access& access) {
        if (access.width != 4) return 0;
        switch (access.offset) {
        case 0x00:
            return registers_.control;
        case 0x04:
            return registers_.status;
        case 0x08:
            return registers_.mask;
        case 0x0c:
            return registers_.command;
        case 0x10:
            return registers_.address_low;
        case 0x14:
            return registers_.address_high;
        case 0x18:
            return registers_.length;
        case 0x1c:
            return registers_.tail;
        case 0x20:
            return commands_;
        default:
            if (access.offset >= 0x24 && access.offset < 0x40 && access.offset % 4 == 0)
                return registers_.scratch[(access.offset - 0x24) / 4];
            return 0;
        }
    }
    void write(const Access& access, std::uint64_t value64) {
        if (access.width != 4) return;
        const auto value = static_cast<std::uint32_t>(value64);
        switch (access.offset) {
        case 0x00:
            registers_.control = value & 0xff;
            return;
        case 0x04:
            registers_.status &= ~value;
            return;
        case 0x08:
            registers_.mask = value;
            return;
        case 0x0c:
            registers_.command = value;
            registers_.status |= ++commands_;
            return;
        case 0x10:
            registers_.address_low = value;
            return;
        case 0x14:
            registers_.address_high = value;
            return;
        case 0x18:
            registers_.length = value;
            return;
        case 0x1c:
            registers_.tail = value;
            return;
        default:
            if (access.offset >= 0x24 && access.offset < 0x40 && access.offset % 4 == 0)
                registers_.scratch[(access.offset - 0x24) / 4] = value;
        }
    }

  private:
    Registers registers_;
    std::uint32_t commands_ = 0;
};

constexpr std::size_t accesses = 4096; // in the caches, but more than branch predictors learn
constexpr int repeats = 250;
constexpr int rounds = 15;

// As the host sees a device.
struct Callbacks {
    std::uint64_t (*read)(void* device, std::uint64_t offset, std::uint32_t width);
    void (*write)(void* device, std::uint64_t offset, std::uint32_t width, std::uint64_t value);
};
template <typename Device>
constexpr Callbacks callbacks{
    [](void* device, std::uint64_t offset, std::uint32_t width) {
        return static_cast<Device*>(device)->read(Access{0, offset, width});
    },
    [](void* device, std::uint64_t offset, std::uint32_t width, std::uint64_t value) {
        static_cast<Device*>(device)->write(Access{0, offset, width}, value);
    }};

double nanoseconds(const Callbacks& calls, void* device, const std::vector<std::uint64_t>& offsets,
                   bool is_write) {
    std::uint64_t sum = 0;
    const auto start = std::chrono::steady_clock::now();
    for (int repeat = 0; repeat < repeats; ++repeat) {
        for (const std::uint64_t offset : offsets) {
            if (is_write)
                calls.write(device, offset, 4, sum++);
            else
                sum += calls.read(device, offset, 4);
        }
    }
    const std::chrono::duration<double, std::nano> time = std::chrono::steady_clock::now() - start;
    asm volatile("" : : "r"(sum));
    return time.count() / (accesses * repeats);
}

void compare(const char* what, const std::vector<std::uint64_t>& offsets, bool is_write) {
    Mapped mapped;
    ByHand by_hand;
    const Callbacks* tables[] = {&callbacks<Mapped>, &callbacks<ByHand>};
    asm volatile("" : : "r"(tables) : "memory"); // or the compiler looks through the calls
    double best_mapped = 1e9;
    double best_by_hand = 1e9;
    for (int round = 0; round < rounds; ++round) {
        best_mapped = std::min(best_mapped, nanoseconds(*tables[0], &mapped, offsets, is_write));
        best_by_hand = std::min(best_by_hand, nanoseconds(*tables[1], &by_hand, offsets, is_write));
    }
    std::printf("%-24s map %5.2f ns   switch %5.2f ns   ratio %.2f\n", what, best_mapped, best_by_hand,
                best_mapped / best_by_hand);
}

} // namespace

int main() {
    std::mt19937 random(1);
    std::vector<std::uint64_t> mixed(accesses);
    for (std::uint64_t& offset : mixed)
        offset = random() % 16 * 4;
    const std::vector<std::uint64_t> one(accesses, 0x08);
    compare("reads, random register", mixed, false);
    compare("writes, random register", mixed, true);
    compare("reads, one register", one, false);
    compare("writes, one register", one, true);
}
