// The methods of the control socket: each with its name, a sentence, what it takes and gives, and what it does. One table
// serves calls, `describe` and the document.
#pragma once

#include "core/base/result.hpp"
#include "core/control/json_schema.hpp"

#include <nlohmann/json.hpp>

#include <functional>
#include <map>
#include <memory>
#include <span>
#include <string>
#include <string_view>
#include <vector>

namespace plugbay::core {

class GdbServer;
class HotSwap;
class Machine;
class MachineCheckpoints;
class MachineSender;
class MasterDeviceTable;
class Shadow;
class Tracer;

// What methods work on.
struct ControlTarget {
    const std::string& name; // by which the machine is found
    Machine& machine;
    MasterDeviceTable& device_types;
    HotSwap& hot_swap;
    MachineCheckpoints& checkpoints;
    MachineSender& sender;
    Shadow& shadow;
    Tracer& tracer;                       // its listener publishes the events
    std::unique_ptr<GdbServer>& debugger; // null: none is asked for
};

struct Method {
    std::string name; // "devices.list"
    std::string help; // one sentence
    nlohmann::json params;
    nlohmann::json result;
    // [control] `params` is what the schema says; so is what it returns.
    std::function<Result<nlohmann::json>(const ControlTarget& target, const nlohmann::json& params)> run = {};
    // In its place, for what takes long: [control] calls `answer` once, then or later, on the control thread.
    using Answer = std::function<void(Result<nlohmann::json>)>;
    std::function<void(const ControlTarget& target, const nlohmann::json& params, Answer answer)> begin = {};
};

// What subscribers are told; its params are described like a method's.
struct EventKind {
    std::string name; // "machine.paused"
    std::string help;
    nlohmann::json params;
};

class MethodTable {
  public:
    void add(Method method);
    void add(EventKind event);
    // Null when there is none.
    [[nodiscard]] const Method* find(std::string_view name) const;
    // The nearest name to one that is not there; empty: none is near.
    [[nodiscard]] std::string nearest(std::string_view name) const;
    [[nodiscard]] const std::map<std::string, Method, std::less<>>& methods() const { return methods_; }
    [[nodiscard]] std::span<const EventKind> events() const { return events_; }

  private:
    std::map<std::string, Method, std::less<>> methods_;
    std::vector<EventKind> events_;
};

// All there are.
[[nodiscard]] const MethodTable& control_methods();

// `describe`: every method and event with its schemas.
[[nodiscard]] nlohmann::json description_of(const MethodTable& table);
// The same as a document, docs/control-methods.md.
[[nodiscard]] std::string markdown_of(const MethodTable& table);

} // namespace plugbay::core
