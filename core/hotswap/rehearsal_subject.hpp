// In the child of a rehearsal: the device, alone on a bench of its own, and what is said of it.
#pragma once

#include "core/plugin/register_description.hpp"

#include <plugbay/abi/plugin.h>
#include <plugbay/testkit/testkit.hpp>

#include <nlohmann/json.hpp>

#include <cstdint>
#include <string>
#include <vector>

namespace plugbay::core {

namespace rehearsal {

// One line of the report. A parent that is gone takes the child with it.
void report(const nlohmann::json& line);
void begin(const char* step);
// The end of the process.
[[noreturn]] void fail(const std::string& why, const std::string& hint);
[[noreturn]] void pass();

// The descriptors that were handed over follow RAM's, in the order of their names.
[[nodiscard]] int first_handed_descriptor(const nlohmann::json& request);
// Why the device may not go on here: what reaches out of the machine is still the old build's. Empty: it may.
[[nodiscard]] std::string tie(const nlohmann::json& request, const plugbay_device_type& type);

// The type's register map, for names; empty when it has none.
[[nodiscard]] std::vector<RegisterBlockDescription> declared_registers(const nlohmann::json& request,
                                                                       const plugbay_device_type& type);

} // namespace rehearsal

// Never destroyed, and neither are its bench, its fakes and the device.
class RehearsalSubject {
  public:
    // The references stay. RAM is as the request says; the clocks are as given.
    RehearsalSubject(const nlohmann::json& request, const plugbay_device_type& type, std::uint64_t guest_time,
                     std::uint64_t calendar);

    // With the descriptors that were handed over; those belong to one subject.
    void create();
    // To fakes. What has none is reported.
    void connect();
    // Every port that needs a peer has one.
    [[nodiscard]] bool complete() const { return complete_; }
    // Ranges and interrupt lines that it has asked for, as the monitor names them.
    [[nodiscard]] std::vector<std::string> resources();
    [[nodiscard]] testkit::Bench& bench() { return bench_; }
    [[nodiscard]] const std::string& id() const { return id_; }

  private:
    [[nodiscard]] std::string port_name(const plugbay_port& port) const;

    const nlohmann::json& request_;
    const plugbay_device_type& type_;
    const std::string id_;
    testkit::Bench& bench_;
    bool complete_ = true;
};

} // namespace plugbay::core
