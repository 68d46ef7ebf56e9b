#include "core/control/control_server.hpp"

#include "core/base/log.hpp"
#include "core/base/thread_setup.hpp"
#include "core/control/control_session.hpp"
#include "core/control/rpc.hpp"
#include "core/control/socket_place.hpp"

#include <boost/asio/executor_work_guard.hpp>
#include <boost/asio/post.hpp>
#include <boost/asio/steady_timer.hpp>
#include <fmt/format.h>

#include <chrono>
#include <set>
#include <sys/socket.h>
#include <thread>
#include <unistd.h>
#include <utility>

namespace plugbay::core {

using boost::asio::local::stream_protocol;
using nlohmann::json;
using namespace std::chrono_literals;

// Everything but start(), post() and end() happens on its thread.
class ControlServer::Core : public SessionOwner, public std::enable_shared_from_this<Core> {
  public:
    Core(SocketPlace place, const MethodTable& methods, Execute execute)
        : place_(std::move(place)), methods_(methods), execute_(std::move(execute)) {}

    [[nodiscard]] Result<void> start() {
        auto listener = place_.listen();
        if (!listener) return std::move(listener).error();
        acceptor_.assign(stream_protocol(), ::dup(listener->get()));
        accept();
        thread_ = std::thread([this] { serve(); });
        return {};
    }
    template <typename Work>
    void post(Work work) {
        boost::asio::post(context_, std::move(work));
    }
    void end() {
        post([this] { say_goodbye(); });
        thread_.join();
    }
    void publish(std::string_view event, const json& params) {
        for (const auto& session : std::set(sessions_)) // a session that fails leaves the set
            session->tell(event, params);
    }

    // --- SessionOwner
    [[nodiscard]] const MethodTable& methods() const override { return methods_; }
    void run(const Method& method, json params, std::weak_ptr<ControlSession> session) override {
        execute_([&method, params = std::move(params), session = std::move(session),
                  core = weak_from_this()](const ControlTarget& target) {
            call(method, target, params, [session, core](Result<json> result) {
                const auto alive = core.lock();
                if (alive == nullptr) return;
                alive->post([session, result = std::move(result)] {
                    if (const auto there = session.lock()) there->finished(result);
                });
            });
        });
    }
    void closed(ControlSession& session) override { sessions_.erase(session.shared_from_this()); }

  private:
    static constexpr std::size_t most_sessions = 128;

    void serve() {
        set_up_thread("control-socket");
        context_.run();
    }
    // What a method may throw is a defect, and no reason to end the guest.
    static void call(const Method& method, const ControlTarget& target, const json& params,
                     const Method::Answer& answer) {
        try {
            if (method.begin) return method.begin(target, params, answer);
            answer(method.run(target, params));
        } catch (const std::exception& defect) {
            answer(Error{fmt::format("\"{}\" failed: {}", method.name, defect.what()),
                         "this is a defect of plugbay's"});
        }
    }
    void accept() {
        acceptor_.async_accept(
            [this](const boost::system::error_code& failed, stream_protocol::socket socket) {
                if (!acceptor_.is_open()) return;
                if (failed) { // out of descriptors: others end soon
                    pause_.expires_after(100ms);
                    pause_.async_wait([this](const boost::system::error_code& stopped) {
                        if (!stopped) accept();
                    });
                    return;
                }
                if (const auto refusal = refuse(socket.native_handle())) {
                    const std::string line = rpc::line_of(rpc::refusal(nullptr, {rpc::failed, *refusal}));
                    static_cast<void>(::send(socket.native_handle(), line.data(), line.size(),
                                             MSG_DONTWAIT | MSG_NOSIGNAL));
                } else {
                    const auto session = std::make_shared<ControlSession>(*this, std::move(socket));
                    sessions_.insert(session);
                    session->start();
                }
                accept();
            });
    }
    [[nodiscard]] std::optional<Error> refuse(int socket) const {
        ucred peer{};
        socklen_t size = sizeof peer;
        if (::getsockopt(socket, SOL_SOCKET, SO_PEERCRED, &peer, &size) != 0 ||
            (peer.uid != 0 && peer.uid != ::geteuid()))
            return Error{fmt::format("user {} may not control this machine", peer.uid),
                         "be the user that runs it, or root"};
        if (sessions_.size() < most_sessions) return std::nullopt;
        return Error{fmt::format("{} clients are connected", most_sessions), "end one, or try again later"};
    }
    void say_goodbye() {
        boost::system::error_code ignored;
        acceptor_.close(ignored);
        for (const auto& session : std::set(sessions_))
            session->say_goodbye();
        pause_.expires_after(1s);
        wait_for_sessions();
    }
    void wait_for_sessions() {
        if (sessions_.empty() || pause_.expiry() <= std::chrono::steady_clock::now()) {
            for (const auto& session : std::set(sessions_))
                session->close();
            context_.stop();
            return;
        }
        check_.expires_after(5ms);
        check_.async_wait([this](const boost::system::error_code&) { wait_for_sessions(); });
    }

    SocketPlace place_;
    const MethodTable& methods_;
    const Execute execute_;
    boost::asio::io_context context_{1};
    boost::asio::executor_work_guard<boost::asio::io_context::executor_type> work_{context_.get_executor()};
    stream_protocol::acceptor acceptor_{context_};
    boost::asio::steady_timer pause_{context_};
    boost::asio::steady_timer check_{context_};
    std::set<std::shared_ptr<ControlSession>> sessions_;
    std::thread thread_;
};

ControlServer::ControlServer(std::shared_ptr<Core> core) : core_(std::move(core)) {}

Result<std::unique_ptr<ControlServer>> ControlServer::start(const std::filesystem::path& socket,
                                                            const MethodTable& methods, Execute execute) {
    auto place = SocketPlace::take(socket);
    if (!place) return std::move(place).error();
    auto core = std::make_shared<Core>(std::move(*place), methods, std::move(execute));
    if (auto started = core->start(); !started) return std::move(started).error();
    return std::unique_ptr<ControlServer>(new ControlServer(std::move(core)));
}

ControlServer::~ControlServer() {
    core_->end();
}

void ControlServer::publish(std::string_view event, json params) {
    core_->post([core = core_.get(), name = std::string(event), params = std::move(params)] {
        core->publish(name, params);
    });
}

} // namespace plugbay::core
