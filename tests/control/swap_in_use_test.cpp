// Builds swapped under devices that are in the middle of something: a guest that notices says so, and so does the other end
// of a connection.
#include "tests/control/control_fixture.hpp"
#include "tests/hot_swap/swap_series.hpp"

#include <plugbay/unique_fd.hpp>

#include <array>
#include <atomic>
#include <cstdlib>
#include <fmt/format.h>
#include <poll.h>
#include <string_view>
#include <sys/socket.h>
#include <sys/un.h>
#include <system_error>

namespace plugbay::end_to_end {
namespace {

class SwapsInUse : public ControlTest {
  protected:
    void run_guest(std::string_view code, const std::string& devices) {
        folder_.write("image", code);
        file_ = folder_.write("busy.json", R"({
            "memory": "16M", "boot": { "kernel": "image", "protocol": "flat" },
            "devices": [ { "type": "debug-exit", "id": "exit" }, )" +
                                               devices + "] }");
        run_machine();
    }
    static SwapSubject subject(const std::string& id, const std::string& plugin,
                               const std::string& number = {}) {
        return {.id = id,
                .files = {PLUGBAY_PLUGINS "/" + plugin + ".so", PLUGBAY_NEXT_PLUGINS "/" + plugin + ".so"},
                .number = number};
    }
    void expect_running() { EXPECT_EQ(call("machine.status")["state"], "running"); }
};

// The address register is state that the guest has just written when the next build comes.
TEST_F(SwapsInUse, APciHostThatAGuestEnumerates) {
    // 1: mov $0x80000000, %eax; mov $0xcf8, %dx; out %eax, %dx; mov $0xcfc, %dx; in %dx, %eax; cmp $0x0d578086, %eax; jne 2f;
    // mov $0x80000800, %eax; mov $0xcf8, %dx; out %eax, %dx; mov $0xcfc, %dx; in %dx, %eax; cmp $0x10421af4, %eax; jne 2f;
    // jmp 1b; 2: mov $42, %al; out %al, $0xf4; hlt
    constexpr std::string_view code("\x66\xb8\x00\x00\x00\x80\xba\xf8\x0c\x66\xef\xba\xfc\x0c\x66\xed"
                                    "\x66\x3d\x86\x80\x57\x0d\x75\x1a"
                                    "\x66\xb8\x00\x08\x00\x80\xba\xf8\x0c\x66\xef\xba\xfc\x0c\x66\xed"
                                    "\x66\x3d\xf4\x1a\x42\x10\x75\x02\xeb\xce\xb0\x2a\xe6\xf4\xf4",
                                    55);
    run_guest(code, R"({ "type": "pci-host", "id": "pci" }, { "type": "virtio-blk", "id": "vda" },
                       { "type": "disk-ram", "id": "disk", "size": "1M", "frontend": { "id": "vda" } })");
    SwapSeries series(*client_, {subject("pci", "pci-host"), subject("vda", "virtio-blk")},
                      {.rehearse = true});
    for (int i = 0; i < 20; ++i)
        ASSERT_NO_THROW(series.swap_next()) << i;
    expect_running();
}

// Sends on a connection what it expects to come back on it, and keeps some of it on its way.
class EchoStream {
  public:
    explicit EchoStream(const std::filesystem::path& path)
        : socket_(::socket(AF_UNIX, SOCK_STREAM | SOCK_CLOEXEC, 0)) {
        sockaddr_un address{};
        address.sun_family = AF_UNIX;
        path.string().copy(address.sun_path, sizeof address.sun_path - 1);
        if (::connect(socket_.get(), reinterpret_cast<const sockaddr*>(&address), sizeof address) != 0)
            throw std::system_error(errno, std::system_category(), path);
    }
    // Until `enough` is true and all that was sent has come back. Empty, or what went wrong.
    std::string run(const std::atomic<bool>& enough) {
        while (!enough || received_ < sent_) {
            const bool sends = !enough && sent_ - received_ <= most_on_its_way - block;
            pollfd ready{socket_.get(), static_cast<short>(POLLIN | (sends ? POLLOUT : 0)), 0};
            if (::poll(&ready, 1, 20'000) <= 0)
                return fmt::format("{} bytes were sent, and only {} came back", sent_, received_.load());
            if ((ready.revents & POLLOUT) != 0) send();
            if ((ready.revents & (POLLIN | POLLHUP)) == 0) continue;
            std::array<char, block> bytes{};
            const ssize_t count = ::recv(socket_.get(), bytes.data(), bytes.size(), 0);
            if (count <= 0) return "the connection ended";
            for (ssize_t i = 0; i < count; ++i, ++received_) {
                if (bytes[static_cast<std::size_t>(i)] != byte_at(received_))
                    return fmt::format("byte {} is another", received_.load());
            }
        }
        return {};
    }
    [[nodiscard]] std::size_t received() const { return received_; }

  private:
    static constexpr std::size_t block = 512;
    static constexpr std::size_t most_on_its_way = 4096; // far less than a socket holds
    static char byte_at(std::size_t place) { return static_cast<char>(place * 0x9e3779b97f4a7c15 >> 56); }
    void send() {
        std::array<char, block> bytes{};
        for (std::size_t i = 0; i < bytes.size(); ++i)
            bytes[i] = byte_at(sent_ + i);
        const ssize_t count = ::send(socket_.get(), bytes.data(), bytes.size(), MSG_NOSIGNAL);
        if (count > 0) sent_ += static_cast<std::size_t>(count);
    }

    UniqueFd socket_;
    std::size_t sent_ = 0;
    std::atomic<std::size_t> received_ = 0;
};

// Bytes are on their way in both directions throughout: in the socket, in the backend, in the port's FIFOs. At least as many
// as the environment says, for long runs.
TEST_F(SwapsInUse, ASerialPortAndTheConnectionBehindIt) {
    // mov $0x3fa, %dx; mov $1, %al; out %al, %dx; mov $0x3fd, %dx; 1: in %dx, %al; test $1, %al; jz 1b; test $0x20, %al; jz 1b;
    // mov $0xf8, %dl; in %dx, %al; out %al, %dx; mov $0xfd, %dl; jmp 1b
    constexpr std::string_view code("\xba\xfa\x03\xb0\x01\xee\xba\xfd\x03\xec\xa8\x01\x74\xfb\xa8\x20\x74\xf7"
                                    "\xb2\xf8\xec\xee\xb2\xfd\xeb\xef",
                                    26);
    const auto place = folder_.path() / "port";
    run_guest(code, R"({ "type": "serial-16550", "id": "com1" }, { "type": "char-socket", "id": "wire",
                       "address": "unix:)" +
                        place.string() + R"(", "frontend": { "id": "com1" } })");
    EchoStream stream(place);
    std::atomic<bool> enough = false;
    std::string wrong = "it did not end";
    std::thread peer([&] { wrong = stream.run(enough); });
    SwapSeries series(*client_,
                      {subject("com1", "serial-16550", "bytes received"), subject("wire", "char-socket")},
                      {.rehearse = true, .patience = 20s});
    const char* const wanted = std::getenv("PLUGBAY_STREAM_BYTES");
    const std::size_t least = wanted == nullptr ? 1000 : std::strtoull(wanted, nullptr, 10);
    int swaps = 0;
    for (; (swaps < 40 || stream.received() < least) && !HasFailure(); ++swaps)
        EXPECT_NO_THROW(series.swap_next()) << swaps;
    enough = true;
    peer.join();
    EXPECT_EQ(wrong, "");
    EXPECT_GE(stream.received(), least);
    RecordProperty("bytes", static_cast<int>(stream.received()));
    RecordProperty("swaps", swaps);
    expect_running();
}

} // namespace
} // namespace plugbay::end_to_end
