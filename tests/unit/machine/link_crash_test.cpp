// Builds on probation that crash in a call which comes from a peer over a link: the peer goes on, and what it wanted to hand
// over reaches the build that comes back.
#include "tests/crash.hpp"
#include "tests/unit/machine/manager_fixture.hpp"

#include <gmock/gmock.h>

#include <thread>

namespace plugbay::core {
namespace {

using ::testing::HasSubstr;
using namespace std::chrono_literals;

constexpr std::uint16_t port = 0x300;

// Bytes that have to arrive, each once and in their order.
class Arrivals {
  public:
    void note(std::span<const std::uint8_t> bytes) {
        const std::lock_guard guard(mutex_);
        for (const std::uint8_t byte : bytes)
            wrong_ += byte != static_cast<std::uint8_t>(count_++) ? 1 : 0;
    }
    void clear() {
        const std::lock_guard guard(mutex_);
        count_ = wrong_ = 0;
    }
    [[nodiscard]] std::uint32_t count() {
        const std::lock_guard guard(mutex_);
        return count_;
    }
    [[nodiscard]] std::uint32_t wrong() {
        const std::lock_guard guard(mutex_);
        return wrong_;
    }

  private:
    std::mutex mutex_;
    std::uint32_t count_ = 0;
    std::uint32_t wrong_ = 0;
};
Arrivals sent;     // by the guest, at the backend
Arrivals received; // from the backend, at the frontend
// By which each end calls the other.
std::atomic<const plugbay_link*> frontends_link{nullptr};

// What is to be handed to a peer, which may not take it yet.
class Outgoing {
  public:
    void push(std::uint8_t byte) { bytes_.push_back(byte); }
    template <typename Offer>
    void pass(Offer&& offer) {
        while (!bytes_.empty() && offer(std::span<const std::uint8_t>(&bytes_.front(), 1)) == 1)
            bytes_.erase(bytes_.begin());
    }
    void state(auto& fields) { fields("bytes", bytes_, std::size_t{1} << 20); }

  private:
    std::vector<std::uint8_t> bytes_;
};

enum class Crashes : std::uint8_t { never, when_called };

// What the guest writes goes to the backend.
template <int build, Crashes crashes = Crashes::never>
class Sender {
  public:
    static constexpr plugbay::Type type{.name = "sender", .help = "A frontend."};
    static constexpr auto ports() { return std::array{plugbay::frontend(PLUGBAY_CHAR).optional()}; }
    explicit Sender(plugbay::Host host) : region_(host.map_ports(port, 1)) { ++living; }
    ~Sender() { --living; }
    Sender(const Sender&) = delete;
    Sender& operator=(const Sender&) = delete;
    void resume() { pass(); }
    void reset() {}
    std::uint64_t read(plugbay::Access) { return build; }
    void write(plugbay::Access, std::uint64_t value) {
        outgoing_.push(static_cast<std::uint8_t>(value));
        pass();
    }
    void on_connect(std::uint64_t, plugbay::Link link) {
        frontends_link = link.raw();
        backend_ = plugbay::CharBackend(link);
    }
    void on_disconnect(std::uint64_t) { backend_ = {}; }
    std::uint32_t on_receive(std::uint64_t, std::span<const std::uint8_t> bytes) {
        if (crashes == Crashes::when_called && bytes.front() % 16 == 7) crash();
        received.note(bytes);
        return static_cast<std::uint32_t>(bytes.size());
    }
    void on_write_ready(std::uint64_t) { pass(); }
    void state(auto& fields) { outgoing_.state(fields); }

  private:
    void pass() {
        outgoing_.pass([this](auto bytes) { return backend_.write(bytes); });
    }
    plugbay::Region region_;
    plugbay::CharBackend backend_;
    Outgoing outgoing_;
};

// Sends a byte to the frontend for each that it takes.
template <int build, Crashes crashes = Crashes::never>
class Taker {
  public:
    static constexpr plugbay::Type type{.name = "taker", .help = "A backend."};
    static constexpr auto ports() { return std::array{plugbay::backend(PLUGBAY_CHAR).optional()}; }
    explicit Taker(plugbay::Host) { ++living; }
    ~Taker() { --living; }
    Taker(const Taker&) = delete;
    Taker& operator=(const Taker&) = delete;
    void resume() { pass(); }
    void reset() {}
    void on_connect(std::uint64_t, plugbay::Link link) { frontend_ = plugbay::CharFrontend(link); }
    void on_disconnect(std::uint64_t) { frontend_ = {}; }
    std::uint32_t on_write(std::uint64_t, std::span<const std::uint8_t> bytes) {
        if (crashes == Crashes::when_called && bytes.front() % 16 == 7) crash();
        sent.note(bytes);
        for (const std::uint8_t byte : bytes)
            outgoing_.push(byte);
        pass();
        return static_cast<std::uint32_t>(bytes.size());
    }
    void on_receive_ready(std::uint64_t) { pass(); }
    void state(auto& fields) { outgoing_.state(fields); }

  private:
    void pass() {
        outgoing_.pass([this](auto bytes) { return frontend_.receive(bytes); });
    }
    plugbay::CharFrontend frontend_;
    Outgoing outgoing_;
};

template <typename Device>
LoadedType build_of() {
    return LoadedType{nullptr, &plugbay::detail::Glue<Device>::type};
}

class LinkCrash : public ManagerTest {
  protected:
    LinkCrash() {
        std::vector<std::unique_ptr<IoLoop>> loops;
        loops.push_back(std::move(*IoLoop::create("swap")));
        manager = std::make_unique<DeviceManager>(
            services,
            [](std::string_view name) -> Result<LoadedType> {
                return name == "sender" ? build_of<Sender<1>>() : build_of<Taker<1>>();
            },
            std::move(loops));
        sent.clear();
        received.clear();
        EXPECT_TRUE(add({{.id = "sender", .type = "sender"},
                         {.id = "taker", .type = "taker", .link = LinkConfig{.frontend_device = "sender"}}}));
    }
    struct Build {
        const char* id;
        LoadedType type;
    };
    Result<void> swap(const std::vector<Build>& builds, const std::function<void()>& crashed = {}) {
        SwapJournal journal;
        std::vector<DeviceManager::Replacement> all;
        for (const Build& each : builds)
            all.push_back({.id = each.id, .type = each.type, .properties = {}, .crashed = crashed});
        auto done = manager->replace(all, journal, 2s);
        if (!done) return std::move(done).error();
        return {};
    }
    // A guest writes all the time; the bad build is put in place, crashes, and is replaced by the good one.
    void crash_and_go_back(const Build& bad, const Build& good) {
        Presence own;
        bus.presences().add(own);
        std::atomic<bool> stop{false};
        std::uint32_t written = 0;
        std::thread guest([&] {
            own.belongs_to_this_thread();
            while (!stop) {
                bus.write_port(own, port, 1, static_cast<std::uint8_t>(written));
                ++written;
            }
        });
        for (int i = 0; i < 20 && !HasFailure(); ++i) {
            std::atomic<bool> crashed{false};
            EXPECT_TRUE(swap({bad}, [&] { crashed = true; }));
            for (int wait = 0; wait < 5000 && !crashed; ++wait)
                std::this_thread::sleep_for(1ms);
            EXPECT_EQ(manager->find(bad.id)->crash(), "it crashed (SIGSEGV) in a call over a link");
            const auto back = swap({good});
            EXPECT_TRUE(back) << back.error().text();
            living -= 1; // the crashed one is never destroyed
        }
        stop = true;
        guest.join();
        bus.presences().remove(own);
        EXPECT_EQ(sent.count(), written);
        EXPECT_EQ(received.count(), written);
        EXPECT_EQ(sent.wrong(), 0u);
        EXPECT_EQ(received.wrong(), 0u);
    }
};

TEST_F(LinkCrash, OfABackendThatItsFrontendCalls) {
#ifdef __SANITIZE_THREAD__
    GTEST_SKIP() << "a thread does not survive a jump out of a signal handler under this sanitizer";
#endif
    crash_and_go_back({"taker", build_of<Taker<2, Crashes::when_called>>()}, {"taker", build_of<Taker<1>>()});
}

// Inside a call of the frontend's, too.
TEST_F(LinkCrash, OfAFrontendThatItsBackendCalls) {
#ifdef __SANITIZE_THREAD__
    GTEST_SKIP() << "a thread does not survive a jump out of a signal handler under this sanitizer";
#endif
    crash_and_go_back({"sender", build_of<Sender<2, Crashes::when_called>>()},
                      {"sender", build_of<Sender<1>>()});
}

// Nothing stands between the ends of a link but while one is on probation.
TEST_F(LinkCrash, TheGuardGoesWithTheProbation) {
    const void* const first = frontends_link.load()->table;
    ASSERT_TRUE(swap({{"taker", build_of<Taker<2>>()}}));
    const void* const direct = frontends_link.load()->table;
    EXPECT_NE(direct, first);
    ASSERT_TRUE(swap({{"taker", build_of<Taker<3>>()}}, [] {}));
    const void* const guarded = frontends_link.load()->table;
    out(port, 0);
    EXPECT_EQ(sent.count(), 1u);
    // The frontend is replaced meanwhile, and the one that comes is guarded against its backend.
    ASSERT_TRUE(swap({{"sender", build_of<Sender<2>>()}}));
    EXPECT_EQ(frontends_link.load()->table, guarded);
    out(port, 1);
    manager->end_probation(*manager->find("taker"));
    EXPECT_NE(frontends_link.load()->table, guarded);
    EXPECT_EQ(frontends_link.load()->table, manager->find("taker")->role_table("char/1.backend"));
    out(port, 2);
    EXPECT_EQ(sent.count(), 3u);
    EXPECT_EQ(received.count(), 3u);
    ASSERT_TRUE(swap({{"taker", build_of<Taker<2>>()}}));
    EXPECT_EQ(frontends_link.load()->table, direct);
    EXPECT_EQ(sent.wrong() + received.wrong(), 0u);
}

TEST_F(LinkCrash, ALinkThatIsMadeMeanwhileIsGuarded) {
    ASSERT_TRUE(manager->disconnect("taker", 0));
    ASSERT_TRUE(swap({{"taker", build_of<Taker<2>>()}}, [] {}));
    ASSERT_TRUE(manager->connect("taker", 0, "sender", {}));
    EXPECT_NE(frontends_link.load()->table, manager->find("taker")->role_table("char/1.backend"));
    out(port, 0);
    EXPECT_EQ(received.count(), 1u);
    manager->end_probation(*manager->find("taker"));
    EXPECT_EQ(frontends_link.load()->table, manager->find("taker")->role_table("char/1.backend"));
}

// --- what a backend had taken when it crashed

// Asks for a block with each of the guest's writes, and tells how many it waits for.
class Drive {
  public:
    static constexpr plugbay::Type type{.name = "drive", .help = "A disk's frontend."};
    static constexpr auto ports() { return std::array{plugbay::frontend(PLUGBAY_BLK).optional()}; }
    explicit Drive(plugbay::Host host) : host_(host), region_(host.map_ports(port, 1)) { ++living; }
    ~Drive() { --living; }
    Drive(const Drive&) = delete;
    Drive& operator=(const Drive&) = delete;
    plugbay_status quiesce() { return waiting_ == 0 ? PLUGBAY_OK : PLUGBAY_PENDING; }
    void reset() {}
    std::uint64_t read(plugbay::Access) { return waiting_; }
    void write(plugbay::Access, std::uint64_t value) {
        ++waiting_;
        plugbay_blk_request request{};
        request.tag = value;
        request.operation = PLUGBAY_BLK_FLUSH;
        if (backend_) backend_.submit(std::span(&request, 1));
    }
    void on_connect(std::uint64_t, plugbay::Link link) { backend_ = plugbay::BlkBackend(link); }
    void on_disconnect(std::uint64_t) { backend_ = {}; }
    void on_complete(std::uint64_t, std::span<const plugbay_blk_completion> completions) {
        waiting_ -= static_cast<std::uint32_t>(completions.size());
    }
    void state(auto&) {}

  private:
    plugbay::Host host_;
    plugbay::Region region_;
    plugbay::BlkBackend backend_;
    std::uint32_t waiting_ = 0;
};

// Completes at once. A bad one crashes at the request 1 before it has completed it, and at the request 2 after that.
template <bool bad>
class Platter {
  public:
    static constexpr plugbay::Type type{.name = "platter", .help = "A disk's backend."};
    static constexpr auto ports() { return std::array{plugbay::backend(PLUGBAY_BLK).optional()}; }
    explicit Platter(plugbay::Host) { ++living; }
    ~Platter() { --living; }
    Platter(const Platter&) = delete;
    Platter& operator=(const Platter&) = delete;
    void reset() {}
    void on_connect(std::uint64_t, plugbay::Link link) { frontend_ = plugbay::BlkFrontend(link); }
    void on_disconnect(std::uint64_t) { frontend_ = {}; }
    plugbay_blk_facts facts(std::uint64_t) { return {}; }
    void on_submit(std::uint64_t, std::span<const plugbay_blk_request> requests) {
        for (const auto& request : requests) {
            if (bad && request.tag == 1) crash();
            const plugbay_blk_completion done{request.tag, PLUGBAY_OK, 0};
            frontend_.complete(std::span(&done, 1));
            if (bad && request.tag == 2) crash();
        }
    }
    void state(auto&) {}

  private:
    plugbay::BlkFrontend frontend_;
};

class DiskCrash : public ManagerTest {
  protected:
    DiskCrash() {
        services.quiesce_limit = 50ms;
        std::vector<std::unique_ptr<IoLoop>> loops;
        loops.push_back(std::move(*IoLoop::create("swap")));
        manager = std::make_unique<DeviceManager>(
            services,
            [](std::string_view name) -> Result<LoadedType> {
                return name == "drive" ? build_of<Drive>() : build_of<Platter<false>>();
            },
            std::move(loops));
        EXPECT_TRUE(
            add({{.id = "drive", .type = "drive"},
                 {.id = "platter", .type = "platter", .link = LinkConfig{.frontend_device = "drive"}}}));
    }
    Result<void> swap(const LoadedType& type, const std::function<void()>& crashed = {}) {
        SwapJournal journal;
        const std::vector<DeviceManager::Replacement> all{
            {.id = "platter", .type = type, .properties = {}, .crashed = crashed}};
        auto done = manager->replace(all, journal, 100ms);
        last = journal.last();
        if (!done) return std::move(done).error();
        return {};
    }
    SwapStep last{};
};

TEST_F(DiskCrash, WithNothingUnderWayIsRolledBack) {
#ifdef __SANITIZE_THREAD__
    GTEST_SKIP() << "a thread does not survive a jump out of a signal handler under this sanitizer";
#endif
    ASSERT_TRUE(swap(build_of<Platter<true>>(), [] {}));
    out(port, 2);
    EXPECT_EQ(manager->find("platter")->crash(), "it crashed (SIGSEGV) in a call over a link");
    EXPECT_EQ(in(port), 0u);
    ASSERT_TRUE(swap(build_of<Platter<false>>()));
    living -= 1; // the crashed one is never destroyed
    out(port, 1);
    EXPECT_EQ(in(port), 0u);
}

// Nobody knows what became of the request.
TEST_F(DiskCrash, WithARequestUnderWayIsNotButTheRestGoesOn) {
#ifdef __SANITIZE_THREAD__
    GTEST_SKIP() << "a thread does not survive a jump out of a signal handler under this sanitizer";
#endif
    ASSERT_TRUE(swap(build_of<Platter<true>>(), [] {}));
    out(port, 1);
    EXPECT_EQ(in(port), 1u);
    const auto back = swap(build_of<Platter<false>>());
    ASSERT_FALSE(back);
    EXPECT_EQ(last, SwapStep::quiesce);
    EXPECT_THAT(back.error().text(), HasSubstr("device \"drive\" cannot hold still"));
    EXPECT_EQ(in(port), 1u);
    living -= 2; // the one that crashed, and the drive, whose request never ends
}

} // namespace
} // namespace plugbay::core
