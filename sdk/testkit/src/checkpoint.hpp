#pragma once

#include "pci_function.hpp"

#include <plugbay/testkit/bench.hpp>

#include <map>
#include <string>
#include <vector>

namespace plugbay::testkit {

struct Bench::Checkpoint {
    std::vector<std::vector<std::byte>> ram;
    std::uint64_t guest_time = 0;
    std::uint64_t host_time = 0;
    std::map<std::string, StateImage> states;
    std::map<std::string, detail::PciRegisters> functions;
};

} // namespace plugbay::testkit
