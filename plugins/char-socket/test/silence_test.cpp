// A peer that vanished makes room for the next one; one that is slow, and one that is silent because nobody says anything, do
// not.
#include "../socket.hpp"
#include "fixture.hpp"

namespace {

TEST(CharSocketSilence, TellsVanishedFromSlow) {
    EXPECT_TRUE((PeerSilence{.unacknowledged = 1, .milliseconds = 60'001}.vanished()));
    EXPECT_FALSE((PeerSilence{.unacknowledged = 1, .milliseconds = 60'000}.vanished()));
    EXPECT_FALSE((PeerSilence{.unacknowledged = 0, .milliseconds = 3'600'000}.vanished()));
}

// Its window closes: what it cannot take is not on its way.
TEST(CharSocketSilence, OneThatReadsNothingOwesNothing) {
    const Listener listener(Address::parse("tcp:127.0.0.1:0"));
    sockaddr_in address{};
    socklen_t length = sizeof address;
    ASSERT_EQ(getsockname(listener.get(), reinterpret_cast<sockaddr*>(&address), &length), 0);
    const Remote remote(Remote::to_port(ntohs(address.sin_port)));
    const plugbay::UniqueFd peer = listener.accept();
    ASSERT_TRUE(peer);
    ASSERT_TRUE(silence_of(peer.get()));
    const std::string bytes(65536, 'x');
    while (send(peer.get(), bytes.data(), bytes.size(), MSG_DONTWAIT | MSG_NOSIGNAL) > 0) {
    }
    const auto owes = [&] { return silence_of(peer.get())->unacknowledged; };
    for (int i = 0; i < 2000 && owes() != 0; ++i)
        usleep(5000);
    EXPECT_EQ(owes(), 0u);
}

TEST(CharSocketSilence, LocalSocketsHaveNone) {
    std::array<int, 2> ends{};
    ASSERT_EQ(socketpair(AF_UNIX, SOCK_STREAM, 0, ends.data()), 0);
    const plugbay::UniqueFd one(ends[0]);
    const plugbay::UniqueFd other(ends[1]);
    EXPECT_FALSE(silence_of(one.get()));
}

} // namespace
