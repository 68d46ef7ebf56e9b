// What a guest can do: accesses, PCI configuration, memory and rings that make no sense.
#include "core/validate/subject.hpp"

#include <plugbay/virtio/testing/driver.hpp>

#include <algorithm>
#include <array>
#include <ctime>
#include <sys/resource.h>

namespace plugbay::core::validation {

namespace {

using testkit::Bench;
using testkit::MappedRange;

void survives_any_access(Trial& trial) {
    for (const std::uint32_t seed : {trial.seed, trial.seed + 1}) {
        trial.step("seed " + std::to_string(seed));
        Made subject(trial, seeded(seed));
        subject->bench.start();
        subject->poke();
        subject->bench.advance(std::chrono::seconds(2));
    }
}

// Of this thread, so that a busy machine does not count.
std::uint64_t processor_nanoseconds() {
    timespec time{};
    ::clock_gettime(CLOCK_THREAD_CPUTIME_ID, &time);
    return static_cast<std::uint64_t>(time.tv_sec) * 1'000'000'000 + static_cast<std::uint64_t>(time.tv_nsec);
}

// How often this thread has given up its processor to wait for something. Being preempted does not count.
long waits() {
    rusage usage{};
    ::getrusage(RUSAGE_THREAD, &usage);
    return usage.ru_nvcsw;
}

struct AccessCost {
    std::uint64_t nanoseconds; // of processor time
    bool waited;
};

// Of a read and a write; the time is the mean of both.
AccessCost access_cost(Bench& bench, const MappedRange& range, std::uint64_t offset, std::uint32_t value) {
    const std::uint64_t address = range.first + offset;
    const long waits_before = waits();
    const std::uint64_t before = processor_nanoseconds();
    if (range.space == MappedRange::Space::memory) {
        bench.read(address, 4);
        bench.write(address, 4, value);
    } else {
        bench.in(static_cast<std::uint16_t>(address), 1);
        bench.out(static_cast<std::uint16_t>(address), 1, value & 0xff);
    }
    const std::uint64_t nanoseconds = (processor_nanoseconds() - before) / 2;
    return {nanoseconds, waits() != waits_before};
}

// A virtual CPU stands still meanwhile. The limits are far above what a device needs, with the testkit's own part in it.
void is_quick(Trial& trial) {
    constexpr std::uint64_t most_on_average = 50'000; // ns
    constexpr std::uint64_t most_at_once = 5'000'000;
    constexpr unsigned most_waiting = 100; // one in so many: locks and page faults
    constexpr unsigned rounds = 2000;
    Made subject(trial, seeded(trial.seed));
    subject->bench.start();
    const auto ranges = subject->device().ranges();
    if (ranges.empty()) throw CheckSkipped("a guest cannot access it");
    std::uint64_t total = 0;
    std::uint64_t longest = 0;
    unsigned accesses = 0;
    unsigned waited = 0;
    for (unsigned round = 0; round < rounds; ++round) {
        const auto& places = round % 16 == 0 ? subject->device().ranges() : ranges;
        if (places.empty()) break;
        const MappedRange& range = places[round % places.size()];
        const std::uint64_t offset = subject->random() % std::min<std::uint64_t>(range.length, 4096) / 4 * 4;
        const AccessCost cost = access_cost(subject->bench, range, offset, subject->random());
        total += cost.nanoseconds;
        longest = std::max(longest, cost.nanoseconds);
        if (cost.waited) ++waited;
        ++accesses;
        if (round % 64 == 0) subject->bench.run();
    }
    subject->settle();
    if (accesses == 0) return;
    const auto microseconds = [](std::uint64_t time) { return std::to_string(time / 1000) + " us"; };
    if (total / accesses > most_on_average)
        trial.warning("an access takes " + microseconds(total / accesses) + " on average");
    if (longest > most_at_once) trial.warning("an access took " + microseconds(longest));
    if (waited > accesses / most_waiting)
        trial.warning(std::to_string(waited) + " of " + std::to_string(accesses) +
                      " accesses waited for something");
}

bool has_function(Exerciser& subject) {
    return subject.device().holdings().functions != 0;
}

void survives_any_configuration(Trial& trial) {
    Made subject(trial, seeded(trial.seed));
    Bench& bench = subject->bench;
    if (!has_function(*subject)) throw CheckSkipped("it has no PCI function");
    bench.start();
    const unsigned slot = bench.slot("subject");
    for (int round = 0; round < 4; ++round) {
        trial.step("configuration space, round " + std::to_string(round + 1));
        for (unsigned offset = 0; offset < 256; ++offset) {
            for (const unsigned width : {1u, 2u, 4u}) {
                if (offset % 4 + width > 4) continue; // as on the bus
                bench.config_read(slot, offset, width);
                bench.config_write(slot, offset, width, subject->random());
                bench.config_read(slot, offset, width);
            }
            if (offset % 16 == 0) subject->poke_once();
        }
        subject->settle();
        bench.reset();
        require(!subject->device().ranges().empty() || bench.bars().empty(),
                "after a reset its BARs are not reached any more");
        subject->poke(1);
    }
}

void survives_any_memory(Trial& trial) {
    Made subject(trial, seeded(trial.seed));
    if (subject->device().ranges().empty() && !has_function(*subject))
        throw CheckSkipped("a guest cannot access it");
    subject->scramble_memory();
    subject->bench.start();
    subject->poke(1);
    subject->bench.advance(std::chrono::milliseconds(100));
    subject->bench.reset();
    subject->poke(1);
}

// A ring and a table of descriptors, each member of which is good, nearly good or anything.
class HostileRing {
  public:
    HostileRing(Exerciser& subject, virtio::testing::Driver& driver, std::uint16_t index)
        : subject_(subject), driver_(driver), index_(index),
          size_(static_cast<std::uint16_t>(1u << draw() % 9)),
          queue_(subject.bench, 0x100000 + index % 16 * std::uint64_t{0x10000}, size_, false) {}

    void play() {
        for (std::uint16_t i = 0; i < size_; ++i)
            queue_.set_descriptor(i, {address(), length(),
                                      static_cast<std::uint16_t>(draw() % 4 == 0 ? draw() : draw() % 4),
                                      number()});
        const std::uint32_t where = draw();
        driver_.enable(
            index_, where % 8 == 0 ? number() : size_, where % 16 == 1 ? address() : queue_.descriptors(),
            where % 16 == 2 ? address() : queue_.available(), where % 16 == 3 ? address() : queue_.used());
        driver_.driver_ok();
        for (int round = 0; round < 4; ++round) {
            for (std::uint32_t offers = draw() % 8; offers > 0; --offers)
                queue_.offer(number());
            if (draw() % 4 == 0) queue_.set_available_index(static_cast<std::uint16_t>(draw()));
            queue_.set_available_flags(static_cast<std::uint16_t>(draw()));
            driver_.kick(index_);
            subject_.settle();
            subject_.bench.advance(std::chrono::milliseconds(1));
        }
    }

  private:
    std::uint32_t draw() { return subject_.random(); }
    std::uint16_t number() { return static_cast<std::uint16_t>(draw() % 4 == 0 ? draw() : draw() % size_); }
    std::uint64_t address() {
        const std::uint64_t high = draw();
        const std::uint64_t low = draw();
        switch (draw() % 4) {
        case 0:
            return high << 32 | low;
        case 1:
            return subject_.bench.memory().size() - low % 4096; // near the end of RAM
        default:
            return 0x200000 + low % 0x400000;
        }
    }
    std::uint32_t length() {
        const std::uint32_t any = draw();
        switch (draw() % 4) {
        case 0:
            return any;
        case 1:
            return 0;
        default:
            return any % 8192;
        }
    }

    Exerciser& subject_;
    virtio::testing::Driver& driver_;
    std::uint16_t index_;
    std::uint16_t size_;
    virtio::testing::DriverQueue queue_;
};

void survives_hostile_rings(Trial& trial) {
    constexpr std::uint32_t virtio_vendor = 0x1af4;
    Made subject(trial, seeded(trial.seed));
    Bench& bench = subject->bench;
    if (!has_function(*subject) || bench.find_capability("subject", 0x09) == 0)
        throw CheckSkipped("it is no virtio device");
    bench.start();
    if (bench.config_read(bench.slot("subject"), 0, 2) != virtio_vendor)
        throw CheckSkipped("it is no virtio device");
    virtio::testing::Driver driver(bench, "subject");
    bench.enable_msix("subject");
    constexpr int rounds = 60;
    for (int round = 0; round < rounds; ++round) {
        trial.step("round " + std::to_string(round + 1));
        static_cast<void>(
            driver.negotiate(subject->random() % 2 == 0 ? ~std::uint64_t{0} : std::uint64_t{1} << 32));
        const auto queues = static_cast<std::uint16_t>(std::min<std::uint64_t>(driver.read(0x12, 2), 8));
        for (std::uint16_t index = 0; index < queues; ++index)
            HostileRing(*subject, driver, index).play();
        static_cast<void>(bench.take_msix("subject"));
    }
    trial.step("afterwards");
    bench.reset();
    require(driver.negotiate(), "after all that and a reset it does not negotiate features any more");
}

constexpr std::array list{
    Check{"PB-ACCESS-001", "any access is answered",
          "every width at every offset can happen: answer as hardware would, and check indices before use",
          Check::Scope::type, survives_any_access},
    Check{"PB-ACCESS-002", "accesses are quick",
          "a virtual CPU stands still during an access: hand work to a timer, a doorbell or plugbay.worker/1",
          Check::Scope::type, is_quick},
    Check{"PB-PCI-001", "any PCI configuration is survived",
          "BARs move and vanish, commands and capabilities take any value: keep no address of your own",
          Check::Scope::type, survives_any_configuration},
    Check{"PB-DMA-001", "any contents of memory are survived",
          "read a value of the guest's once into a variable, check that, use that", Check::Scope::type,
          survives_any_memory},
    Check{"PB-DMA-002", "hostile virtio rings are survived",
          "check addresses, lengths, indices and chains that have no end; give up on a queue, not on the "
          "machine",
          Check::Scope::type, survives_hostile_rings},
};

} // namespace

std::span<const Check> access_checks() {
    return list;
}

} // namespace plugbay::core::validation
