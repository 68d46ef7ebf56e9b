#include <plugbay/testkit/device.hpp>

#include "machine.hpp"

namespace plugbay::testkit {

const std::string& Device::id() const {
    return record_.id;
}
const plugbay_device_type& Device::type() const {
    return *record_.type;
}
Holdings Device::holdings() const {
    return machine_.entry([&] { return machine_.holdings(record_); });
}
std::vector<MappedRange> Device::ranges() const {
    return machine_.entry([&] { return machine_.ranges(record_); });
}
std::vector<unsigned> Device::lines() const {
    return machine_.entry([&] {
        std::vector<unsigned> lines;
        for (const auto& [handle, claim] : machine_.claims) {
            if (claim.owner == &record_) lines.push_back(claim.gsi);
        }
        return lines;
    });
}
const std::string& Device::last_error() const {
    return record_.error;
}
std::vector<Statistic> Device::statistics() {
    return machine_.entry([&] { return machine_.read_statistics(record_); });
}
std::uint64_t Device::statistic(std::string_view name) {
    for (const Statistic& each : statistics()) {
        if (each.name == name) return each.value;
    }
    throw Error("device \"" + record_.id + "\" has no statistic \"" + std::string(name) + "\"",
                PLUGBAY_NOT_FOUND);
}
StateImage Device::save() {
    return machine_.entry([&] { return machine_.save(record_); });
}
void Device::load(const StateImage& image) {
    machine_.entry([&] { machine_.load(record_, image); });
}
Outcome Device::try_load(const StateImage& image) {
    try {
        load(image);
        return {};
    } catch (const ContractViolation&) {
        throw;
    } catch (const Error& error) {
        return {error.status(), error.what()};
    }
}

} // namespace plugbay::testkit
