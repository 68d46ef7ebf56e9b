// What the tables of callbacks that a device offers must have before they are used: all of their functions.
#pragma once

#include <plugbay/abi/access.h>
#include <plugbay/abi/doorbell.h>
#include <plugbay/abi/fd.h>
#include <plugbay/abi/firmware.h>
#include <plugbay/abi/host_event.h>
#include <plugbay/abi/hypercall.h>
#include <plugbay/abi/link.h>
#include <plugbay/abi/live.h>
#include <plugbay/abi/msr.h>
#include <plugbay/abi/pci.h>
#include <plugbay/abi/pci_bus.h>
#include <plugbay/abi/state.h>
#include <plugbay/abi/statistics.h>
#include <plugbay/abi/timer.h>
#include <plugbay/abi/worker.h>

namespace plugbay::core {

template <typename... Functions>
[[nodiscard]] constexpr bool all_there(Functions... functions) {
    return (... && (functions != nullptr));
}

[[nodiscard]] constexpr bool whole(const plugbay_access_callbacks& table) {
    return all_there(table.read, table.write);
}
[[nodiscard]] constexpr bool whole(const plugbay_doorbell_callbacks& table) {
    return all_there(table.rung);
}
[[nodiscard]] constexpr bool whole(const plugbay_fd_callbacks& table) {
    return all_there(table.ready);
}
[[nodiscard]] constexpr bool whole(const plugbay_firmware_callbacks& table) {
    return all_there(table.raise_event);
}
[[nodiscard]] constexpr bool whole(const plugbay_host_event_callbacks& table) {
    return all_there(table.event);
}
[[nodiscard]] constexpr bool whole(const plugbay_hypercall_callbacks& table) {
    return all_there(table.call);
}
[[nodiscard]] constexpr bool whole(const plugbay_link_callbacks& table) {
    return all_there(table.connected, table.disconnected);
}
[[nodiscard]] constexpr bool whole(const plugbay_live_callbacks& table) {
    return all_there(table.change);
}
[[nodiscard]] constexpr bool whole(const plugbay_msr_callbacks& table) {
    return all_there(table.read, table.write);
}
[[nodiscard]] constexpr bool whole(const plugbay_pci_bus_callbacks& table) {
    return all_there(table.changed, table.detach_requested);
}
[[nodiscard]] constexpr bool whole(const plugbay_pci_callbacks& table) {
    return all_there(table.config_read, table.config_write);
}
[[nodiscard]] constexpr bool whole(const plugbay_state_callbacks& table) {
    return all_there(table.save, table.load);
}
[[nodiscard]] constexpr bool whole(const plugbay_statistics_callbacks& table) {
    return all_there(table.read);
}
[[nodiscard]] constexpr bool whole(const plugbay_timer_callbacks& table) {
    return all_there(table.expired);
}
[[nodiscard]] constexpr bool whole(const plugbay_worker_callbacks& table) {
    return all_there(table.work, table.done);
}

} // namespace plugbay::core
