// Tells the service manager that started the monitor how it is: systemd, or whoever else speaks sd_notify(3).
#pragma once

#include <string>
#include <string_view>

namespace plugbay::core {

// Without NOTIFY_SOCKET in the environment it does nothing, so it can be told always. What cannot be sent is dropped:
// nothing depends on it here. Never waits.
class ServiceManager {
  public:
    // With the address of NOTIFY_SOCKET: a path, or "@" and an abstract name.
    explicit ServiceManager(std::string address) : address_(std::move(address)) {}
    [[nodiscard]] static ServiceManager of_environment();

    // The guest runs.
    void ready(std::string_view status) const { tell("READY=1", status); }
    // The machine ends.
    void stopping(std::string_view status) const { tell("STOPPING=1", status); }

  private:
    void tell(std::string_view state, std::string_view status) const;

    std::string address_;
};

} // namespace plugbay::core
