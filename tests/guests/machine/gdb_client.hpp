// A GDB of the tests' own: what it sends and expects is written in the test.
#pragma once

#include <chrono>
#include <cstdint>
#include <string>
#include <string_view>

namespace plugbay::end_to_end {

class GdbClient {
  public:
    // Connects to a Unix socket, which may come yet.
    explicit GdbClient(const std::string& path);
    ~GdbClient();
    GdbClient(const GdbClient&) = delete;
    GdbClient& operator=(const GdbClient&) = delete;

    [[nodiscard]] bool connected() const { return socket_ >= 0; }
    // Sends a packet's content and returns that of the answer; "(nothing)" if none comes in time.
    std::string ask(std::string_view content);
    void send(std::string_view content);
    void send_bytes(std::string_view bytes);
    // The next packet's content.
    std::string receive();
    // The peer has closed the connection.
    bool at_end();

    // --- of a 64-bit register, by its number
    std::uint64_t number(unsigned number);
    std::uint64_t rip() { return number(16); }
    // Stops without what follows the thread's number, such as "T05thread:1;".
    static std::string brief(const std::string& stop);

  private:
    int socket_ = -1;
    std::string read_;
    bool ended_ = false;
    bool read_some(std::chrono::steady_clock::time_point deadline);
};

} // namespace plugbay::end_to_end
