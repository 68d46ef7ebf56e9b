// A hundred thousand random changes and accesses, each compared with a model of what must come of it, while other
// threads access the same devices and others, and a third of the devices have timers, descriptors and PCI functions that
// call through their links meanwhile.
#include "tests/unit/machine/busy_crew.hpp"

#include <optional>
#include <random>

namespace plugbay::core {
namespace {

constexpr int operations = 100'000;
constexpr std::uint16_t first_port = 0x100;
constexpr std::size_t port_count = 24;
constexpr std::uint16_t bridge_port = first_port + 20; // no device's

// What a device is to the test: the manager must agree after every operation.
struct Member {
    std::string type;
    std::uint16_t port = 0;
    bool picky = false;    // refuses every peer
    std::string peer = {}; // id of the other end; empty: none
    std::uint64_t value = 0;

    [[nodiscard]] bool frontend() const { return type.ends_with("desk"); }
    [[nodiscard]] bool needy() const { return type.starts_with("needy"); }
};

class ManagerModel : public BusyTest {
  public:
    void add_one();
    void remove_one();
    void connect_two();
    void disconnect_one();
    void reset_one();
    void access_one();

  protected:
    std::size_t below(std::size_t limit) {
        return std::uniform_int_distribution<std::size_t>(0, limit - 1)(random);
    }
    std::string any_id() { return "d" + std::to_string(below(12)); }
    static std::uint16_t port_of(const std::string& id) {
        return static_cast<std::uint16_t>(first_port + std::stoul(id.substr(1)));
    }

    Member* member(const std::string& id) {
        const auto found = members.find(id);
        return found == members.end() ? nullptr : &found->second;
    }
    // Whether `backend` could be joined with `frontend`.
    bool joinable(const std::string& backend, const std::string& frontend) {
        const Member* one = member(backend);
        const Member* other = member(frontend);
        return one != nullptr && other != nullptr && !one->picky && !other->picky && !one->frontend() &&
               other->frontend() && one->peer.empty() && other->peer.empty();
    }
    void part(const std::string& id) {
        const std::string peer = std::exchange(members[id].peer, "");
        if (!peer.empty()) members[peer].peer.clear();
    }

    void join(const std::string& backend, const std::string& frontend) {
        members[backend].peer = frontend;
        members[frontend].peer = backend;
    }
    void compare() {
        ASSERT_EQ(manager->devices().size(), members.size() + 1) << "and the bridge";
        ASSERT_EQ(static_cast<std::size_t>(living), members.size() + 1);
        std::size_t joined = 0;
        for (const auto& [id, expected] : members) {
            ASSERT_NE(manager->find(id), nullptr) << id;
            joined += expected.peer.empty() ? 0 : 1;
            if (expected.peer.empty()) continue;
            ASSERT_TRUE(manager->find(id)->lock().same_group(manager->find(expected.peer)->lock()));
        }
        ASSERT_EQ(manager->registry().links().size() * 2, joined);
        static_cast<void>(journal.take());
    }

    std::mt19937_64 random{20261122};
    std::map<std::string, Member> members;
};

void ManagerModel::add_one() {
    static const std::array<std::string, 6> types{"desk",  "needy-desk",  "busy-desk",
                                                  "clerk", "needy-clerk", "busy-clerk"};
    const std::string id = any_id();
    const std::string type = types[below(types.size())];
    const std::uint16_t port = below(4) == 0 ? port_of(any_id()) : port_of(id); // sometimes somebody else's
    const Fault fault = below(6) == 0 ? static_cast<Fault>(1 + below(3)) : Fault::none;
    DeviceConfig config = device(id, type, port, fault);
    const bool links = !type.ends_with("desk") && below(2) == 0;
    const std::string frontend = any_id();
    if (links) config.link = LinkConfig{.frontend_device = frontend};

    const bool taken =
        std::ranges::any_of(members, [&](const auto& each) { return each.second.port == port; });
    const Member* target = member(frontend);
    const bool can_link =
        target != nullptr && !target->picky && target->frontend() && target->peer.empty() && frontend != id;
    const bool fails = fault == Fault::create || fault == Fault::start || (links && fault == Fault::connect);
    const bool good = member(id) == nullptr && !taken && !fails && (!links || can_link);
    ASSERT_EQ(static_cast<bool>(add({config})), good) << id << " " << type << " " << frontend;
    if (!good) return;
    members[id] = {.type = type, .port = port, .picky = fault == Fault::connect};
    if (links) join(id, frontend);
}

void ManagerModel::remove_one() {
    const std::string id = any_id();
    const bool with_dependents = below(2) == 0;
    const Member* target = member(id);
    const bool has_dependent = target != nullptr && !target->peer.empty() && members[target->peer].needy();
    const bool good = target != nullptr && (!has_dependent || with_dependents);
    ASSERT_EQ(static_cast<bool>(manager->remove(id, with_dependents)), good) << id;
    if (!good) return;
    const std::string peer = target->peer;
    part(id);
    members.erase(id);
    if (has_dependent) members.erase(peer);
}

void ManagerModel::connect_two() {
    const std::string backend = any_id();
    const std::string frontend = any_id();
    const bool good = joinable(backend, frontend);
    ASSERT_EQ(static_cast<bool>(manager->connect(backend, 0, frontend, {})), good) << backend << frontend;
    if (good) join(backend, frontend);
}

void ManagerModel::disconnect_one() {
    const std::string id = any_id();
    const bool good = member(id) != nullptr && !member(id)->peer.empty();
    ASSERT_EQ(static_cast<bool>(manager->disconnect(id, 0)), good) << id;
    if (good) part(id);
}

void ManagerModel::reset_one() {
    const std::string id = any_id();
    ASSERT_EQ(static_cast<bool>(manager->reset(id)), member(id) != nullptr);
    if (member(id) != nullptr) members[id].value = 0;
}

void ManagerModel::access_one() {
    const std::uint16_t port = port_of(any_id());
    const auto found = std::ranges::find(members, port, [](const auto& each) { return each.second.port; });
    const auto value = static_cast<std::uint8_t>(below(200));
    out(port, value);
    if (found == members.end()) {
        ASSERT_EQ(in(port), 0xffU);
        return;
    }
    Member& target = found->second;
    if (target.frontend()) target.value = target.peer.empty() ? 0xee : value + 1U;
    ASSERT_EQ(in(port), target.value) << found->first;
}

// As a virtual CPU whose guest reads every port and every PCI slot without end; writing would change what the model
// knows of the devices.
class Reader {
  public:
    explicit Reader(AccessBus& bus)
        : thread_([this, &bus] {
              Presence presence;
              bus.presences().add(presence);
              for (std::uint16_t i = 0; !stop_; ++i) {
                  static_cast<void>(
                      bus.read_port(presence, static_cast<std::uint16_t>(first_port + i % port_count), 1));
                  bus.write_port(presence, bridge_port, 1, i);
              }
              bus.presences().remove(presence);
          }) {}
    ~Reader() {
        stop_ = true;
        thread_.join();
    }
    Reader(const Reader&) = delete;
    Reader& operator=(const Reader&) = delete;

  private:
    std::atomic<bool> stop_{false};
    std::thread thread_;
};

TEST_F(ManagerModel, AgreesWithTheManagerUnderLoad) {
    ASSERT_TRUE(add({device("pci0", "bridge", bridge_port)}));
    const std::array<Reader, 2> readers{Reader(bus), Reader(bus)};
    using Operation = void (ManagerModel::*)();
    // Accesses are as frequent as all changes together.
    constexpr std::array<Operation, 10> choices{&ManagerModel::add_one,        &ManagerModel::add_one,
                                                &ManagerModel::remove_one,     &ManagerModel::connect_two,
                                                &ManagerModel::disconnect_one, &ManagerModel::reset_one,
                                                &ManagerModel::access_one,     &ManagerModel::access_one,
                                                &ManagerModel::access_one,     &ManagerModel::access_one};
    for (int i = 0; i < operations; ++i) {
        (this->*choices[below(choices.size())])();
        if (HasFatalFailure()) FAIL() << "operation " << i;
        if (i % 16 == 0) compare();
        if (HasFatalFailure()) FAIL() << "operation " << i;
    }
    compare();
}

} // namespace
} // namespace plugbay::core
