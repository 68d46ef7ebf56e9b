// Replacing a device's build: the same steps as in a monitor.
#include "machine.hpp"
#include "properties.hpp"

#include <deque>
#include <memory>
#include <optional>
#include <string>
#include <utility>

namespace plugbay::testkit::detail {

class Machine::Swap {
  public:
    Swap(Machine& machine, DeviceRecord& old)
        : machine_(machine), old_(old), next_(std::make_unique<DeviceRecord>(machine, old.id)) {
        next_->predecessor = &old;
        old.expects_successor = true;
    }
    ~Swap() {
        if (created_) machine_.call_destroy(*next_);
        old_.expects_successor = false;
        machine_.release_everything(*next_);
    }
    Swap(const Swap&) = delete;
    Swap& operator=(const Swap&) = delete;

    // Finds the new build, without running any code of it.
    void stage(const std::filesystem::path& file) {
        next_->plugin = machine_.open(file);
        next_->type = next_->plugin->find(old_.type->name);
        if (next_->type == nullptr)
            throw Error(file.string() + " has no device type \"" + old_.type->name + "\"", PLUGBAY_NOT_FOUND);
        if (next_->type->port_count != old_.type->port_count) throw other_ports();
        for (std::uint32_t i = 0; i < old_.type->port_count; ++i) {
            const plugbay_port& before = *old_.type->ports[i];
            const plugbay_port& after = *next_->type->ports[i];
            if (before.role != after.role || text(before.interface) != text(after.interface) ||
                text(before.name) != text(after.name))
                throw other_ports();
        }
        const std::uint32_t version = old_.type->state_version;
        if (version < next_->type->state_version_oldest || version > next_->type->state_version)
            throw Error("the build that runs saves state version " + std::to_string(version) +
                            ", the new one loads " + std::to_string(next_->type->state_version_oldest) +
                            " to " + std::to_string(next_->type->state_version),
                        PLUGBAY_UNSUPPORTED);
    }
    void create(const Properties& properties) {
        machine_.create(*next_, properties);
        created_ = true;
    }
    void connect() {
        for (const auto& connection : machine_.connections) {
            for (End* end : {&connection->frontend, &connection->backend}) {
                if (end->device == &old_) connect(*connection, *end);
            }
        }
    }
    void save() {
        if (old_.state != nullptr) state_ = machine_.save(old_);
    }
    void load() {
        if (state_) machine_.load(*next_, *state_);
    }
    // It has asked for all that the guest knows the device by.
    void validate() {
        machine_.each_inheritance([&](const char* kind, auto& records) {
            for (const auto& [handle, record] : records) {
                if (record.owner == &old_ && record.heir.device != next_.get())
                    throw Error("the new build has not asked for " + std::string(kind) +
                                    " that the one that runs has",
                                PLUGBAY_INVALID);
            }
        });
    }
    // From here on nothing fails.
    void pass_on() {
        machine_.each_inheritance([&](const char*, auto& records) {
            for (auto& pair : records) {
                auto& record = pair.second; // a binding could not be named in the requirement below
                if (record.heir.device != next_.get()) continue;
                record.owner = next_.get();
                if constexpr (requires { record.token; }) record.token = record.heir.token;
                record.heir = {};
            }
        });
        for (Joined& joined : joined_) {
            End& other = joined.end == &joined.connection->frontend ? joined.connection->backend
                                                                    : joined.connection->frontend;
            joined.end->link->table = nullptr;
            dead_.push_back(std::exchange(*joined.end, std::move(joined.successor)));
            attach(other, *joined.end);
        }
        for (auto& [name, descriptor] : next_->left) {
            if (descriptor)
                old_.left.insert_or_assign(name, std::move(descriptor));
            else
                old_.left.erase(name);
        }
        next_->left = std::exchange(old_.left, {});
        next_->predecessor = nullptr;
        old_.replaced = true;
        next_->started = old_.started;
        for (const auto& effect : std::exchange(next_->effects, {}))
            effect();
        for (auto& device : machine_.devices) {
            if (device.get() == &old_) std::swap(device, next_); // next_ is the old one from here on
        }
    }

  private:
    struct Joined {
        Connection* connection;
        End* end;
        End successor;
    };

    static std::string text(const char* pointer) { return pointer == nullptr ? "" : pointer; }
    static Error other_ports() {
        return Error("the new build has other ports than the one that runs", PLUGBAY_INVALID);
    }
    void connect(Connection& connection, End& end) {
        const End& other = &end == &connection.frontend ? connection.backend : connection.frontend;
        const plugbay_port& port = *next_->type->ports[end.port];
        const bool frontend = end.role == PLUGBAY_PORT_FRONTEND;
        End successor;
        successor.device = next_.get();
        successor.port = end.port;
        successor.role = end.role;
        successor.name = end.name;
        const std::string id = std::string(port.interface) + (frontend ? ".frontend" : ".backend");
        successor.table = next_->type->extension(id.c_str());
        successor.instance = next_->instance;
        if (successor.table == nullptr || next_->link == nullptr)
            throw Error("the new build has no " + id + " or no " PLUGBAY_LINK, PLUGBAY_UNSUPPORTED);
        attach(successor, other);
        joined_.push_back({&connection, &end, std::move(successor)});
        End& joined = joined_.back().successor;
        if (frontend) {
            const Values values({port.options, port.option_count}, connection.options,
                                "port \"" + end.name + "\"");
            machine_.call_connected(joined, values.data(), values.count());
        } else {
            machine_.call_connected(joined, nullptr, 0);
        }
    }

    Machine& machine_;
    DeviceRecord& old_;
    std::unique_ptr<DeviceRecord> next_;
    bool created_ = false;
    std::deque<Joined> joined_;
    std::deque<End> dead_; // until the old build, which has their links' addresses, is gone
    std::optional<StateImage> state_;
};

void Machine::swap(DeviceRecord& old, const std::filesystem::path& file, const Properties& properties) {
    if (!frames_.empty()) throw Error("swapping is not possible inside a callback", PLUGBAY_FORBIDDEN);
    const bool was_running = running;
    const char* step = "stage";
    try {
        Swap swap(*this, old);
        try {
            swap.stage(file);
            step = "create";
            swap.create(properties);
            step = "quiesce";
            if (was_running) quiesce(std::chrono::seconds(10));
            require_stopped("swapping");
            step = "connect";
            swap.connect();
            step = "save";
            swap.save();
            step = "load";
            swap.load();
            step = "validate";
            swap.validate();
        } catch (const Error& error) {
            throw Error("swap failed at " + std::string(step) + ": " + error.what(), error.status());
        }
        swap.pass_on();
    } catch (...) {
        if (was_running && !running && quiesce_pending().empty()) resume();
        throw;
    }
    if (was_running) resume();
}

} // namespace plugbay::testkit::detail
