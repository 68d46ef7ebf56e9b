// The frame of every host function: locks the machine, knows the device, says no in words.
#pragma once

#include "machine.hpp"

#include <plugbay/abi/handover.h>
#include <plugbay/abi/interrupt.h>
#include <plugbay/abi/memory.h>

#include <mutex>
#include <optional>
#include <string>

namespace plugbay::testkit::detail {

class HostCall {
  public:
    HostCall(const plugbay_host* host, const char* function)
        : device(*reinterpret_cast<const HostTable*>(host)->record), machine(device.machine),
          function_(function), lock_(machine.mutex()) {}

    // A refusal that may happen to the best: the text becomes the device's error.
    plugbay_status refuse(plugbay_status status, const std::string& why) {
        device.error = std::string(function_) + ": " + why;
        return status;
    }
    // A refusal that only a wrong plugin gets.
    plugbay_status violate(plugbay_status status, const std::string& why) {
        machine.violation(&device, std::string(function_) + ": " + why);
        return refuse(status, why);
    }
    // [device]: false and flagged, when called from elsewhere.
    [[nodiscard]] bool in_callback() {
        if (machine.in_callback()) return true;
        violate(PLUGBAY_FORBIDDEN, "called outside the device's callbacks or from another thread");
        return false;
    }
    // & creating
    [[nodiscard]] bool creating() {
        if (!in_callback()) return false;
        if (device.phase == Phase::creating) return true;
        violate(PLUGBAY_FORBIDDEN, "only allowed while creating");
        return false;
    }
    // The device's object behind a handle; nullptr and flagged, when it is gone or another device's.
    template <typename Record>
    [[nodiscard]] Record* find(std::map<plugbay_handle, Record>& records, plugbay_handle handle) {
        const auto place = records.find(handle);
        if (place != records.end() && (place->second.owner == &device || is_heir(place->second)))
            return &place->second;
        if (device.replaced) return nullptr; // its successor has it now
        violate(PLUGBAY_STALE, place == records.end() ? "the handle's object is gone or never was"
                                                      : "the handle belongs to another device");
        return nullptr;
    }
    // The answer when find() has found nothing. The last words of a build that was replaced are not heard.
    [[nodiscard]] plugbay_status stale() const { return device.replaced ? PLUGBAY_OK : PLUGBAY_STALE; }
    // Does what the guest notices: a successor's is done when it has its place, and never when that fails.
    plugbay_status affect(std::function<void()> effect) {
        if (device.predecessor != nullptr)
            device.effects.push_back(std::move(effect));
        else
            effect();
        return PLUGBAY_OK;
    }
    // What the device holds is gone, or its predecessor's alone again.
    template <typename Record>
    plugbay_status give_back(std::map<plugbay_handle, Record>& records, plugbay_handle handle) {
        Record* const record = find(records, handle);
        if (record == nullptr) return PLUGBAY_STALE;
        if constexpr (requires { record->heir; }) {
            if (is_heir(*record)) {
                record->heir = {};
                return PLUGBAY_OK;
            }
        }
        records.erase(handle);
        return PLUGBAY_OK;
    }
    // A successor gets what its predecessor has, for which `same` holds, under the same handle; nothing: the device is
    // no successor.
    template <typename Record, typename Same>
    [[nodiscard]] std::optional<plugbay_status> inherit(std::map<plugbay_handle, Record>& records,
                                                        plugbay_handle* handle, std::uint64_t token,
                                                        Same same) {
        if (device.predecessor == nullptr) return {};
        for (auto& [its_handle, record] : records) {
            if (record.owner != device.predecessor || record.heir.device != nullptr || !same(record))
                continue;
            record.heir = {&device, token};
            *handle = its_handle;
            return PLUGBAY_OK;
        }
        return refuse(PLUGBAY_INVALID,
                      "the build that runs has no such thing, and the one that replaces it asks for what "
                      "the guest knows");
    }
    template <typename Record>
    static plugbay_handle store(Machine& machine, std::map<plugbay_handle, Record>& records, Record record) {
        const plugbay_handle handle = machine.next_handle();
        records.emplace(handle, std::move(record));
        return handle;
    }

    DeviceRecord& device;
    Machine& machine;

  private:
    template <typename Record>
    [[nodiscard]] bool is_heir(const Record& record) const {
        if constexpr (requires { record.heir; }) return record.heir.device == &device;
        return false;
    }

    const char* function_;
    std::unique_lock<std::mutex> lock_;
};

// The tables (host_*.cpp).
extern const plugbay_access_host access_host;
extern const plugbay_msr_host msr_host;
extern const plugbay_cpuid_host cpuid_host;
extern const plugbay_hypercall_host hypercall_host;
extern const plugbay_region_host region_host;
extern const plugbay_worker_host worker_host;
extern const plugbay_host_event_host host_event_host;
extern const plugbay_doorbell_host doorbell_host;
extern const plugbay_timer_host timer_host;
extern const plugbay_fd_host fd_host;
extern const plugbay_handover_host handover_host;
extern const plugbay_interrupt_host interrupt_host;
extern const plugbay_memory_host memory_host;
extern const plugbay_machine_host machine_host;
extern const plugbay_firmware_host firmware_host;
extern const plugbay_pci_host pci_host;
extern const plugbay_pci_bus_host pci_bus_host;

// Fills in what every device's table has in common.
void fill_host_table(plugbay_host& table, const char* device_id);

} // namespace plugbay::testkit::detail
