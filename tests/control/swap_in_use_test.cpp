// Builds swapped under devices that are in the middle of something: a guest that notices says so, and so does the other end
// of a connection.
#include "tests/control/control_fixture.hpp"
#include "tests/control/echo_stream.hpp"
#include "tests/hot_swap/swap_series.hpp"

#include <atomic>
#include <cstdlib>
#include <string_view>

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

// Bytes are on their way in both directions throughout: in the socket, in the backend, in the port's FIFOs. At least as many
// as the environment says, for long runs.
TEST_F(SwapsInUse, ASerialPortAndTheConnectionBehindIt) {
    const auto place = folder_.path() / "port";
    run_guest(echo_guest, R"({ "type": "serial-16550", "id": "com1" }, { "type": "char-socket", "id": "wire",
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
