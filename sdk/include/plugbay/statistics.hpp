// Numbers about a device's work, declared once:
//
//     void statistics(auto& numbers) {
//         numbers("requests", requests_);           // only grows
//         numbers("bytes read", bytes_read_);
//         numbers.level("in flight", in_flight_);   // what it is now
//     }
//
// abi/statistics.h says what a name may be and when it is called. Numbers are not saved with state.
#pragma once

#include <plugbay/abi/statistics.h>

#include <cstdint>

namespace plugbay::detail {

class StatisticsSaver {
  public:
    explicit StatisticsSaver(const plugbay_statistics_writer* writer) : writer_(writer) {}

    void operator()(const char* name, std::uint64_t value) { put(name, PLUGBAY_STATISTIC_COUNT, value); }
    void level(const char* name, std::uint64_t value) { put(name, PLUGBAY_STATISTIC_LEVEL, value); }

  private:
    // What the host leaves out is no reason to fail.
    void put(const char* name, std::uint32_t kind, std::uint64_t value) {
        static_cast<void>(writer_->put(writer_, name, kind, value));
    }

    const plugbay_statistics_writer* writer_;
};

} // namespace plugbay::detail
