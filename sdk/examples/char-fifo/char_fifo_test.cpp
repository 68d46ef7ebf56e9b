#include <plugbay/testkit/testkit.hpp>

#include <plugbay/unique_fd.hpp>

#include <gmock/gmock.h>

#include <fcntl.h>
#include <filesystem>
#include <stdexcept>
#include <string>
#include <string_view>
#include <sys/stat.h>
#include <unistd.h>

namespace {

using namespace plugbay::testkit;
using testing::HasSubstr;

class CharFifo : public testing::Test {
  protected:
    CharFifo() : folder_(testing::TempDir() + "char-fifo-XXXXXX") {
        if (::mkdtemp(folder_.data()) == nullptr) throw std::runtime_error("no folder for the pipe");
    }
    ~CharFifo() override { std::filesystem::remove_all(folder_); }

    [[nodiscard]] std::string path() const { return folder_ + "/pipe"; }
    void add() {
        ASSERT_EQ(::mkfifo(path().c_str(), 0600), 0);
        bench_.add(PLUGBAY_PLUGIN_FILE, "char-fifo", "keys", {{"path", path()}});
        bench_.connect(guest_, "keys");
        bench_.start();
    }
    // As another program does: opens the pipe, writes and closes it.
    void type(std::string_view text) const {
        const plugbay::UniqueFd pipe(::open(path().c_str(), O_WRONLY | O_NONBLOCK | O_CLOEXEC));
        ASSERT_TRUE(pipe);
        ASSERT_EQ(::write(pipe.get(), text.data(), text.size()), static_cast<ssize_t>(text.size()));
    }

    std::string folder_;
    Bench bench_;
    CharPeer guest_;
};

TEST_F(CharFifo, TypesWhatOthersWrite) {
    add();
    type("hello");
    bench_.run();
    EXPECT_EQ(guest_.take(), "hello");
    type(std::string(1000, 'a')); // more than it reads at once; and after the first writer has gone
    bench_.run();
    EXPECT_EQ(guest_.take(), std::string(1000, 'a'));
}

TEST_F(CharFifo, TakesWhatTheGuestSays) {
    add();
    EXPECT_EQ(guest_.offer("login: "), 7u);
}

TEST_F(CharFifo, SaysWhenTheGuestHasNoRoom) {
    add();
    guest_.set_room(3);
    type("hello");
    bench_.run();
    EXPECT_EQ(guest_.take(), "hel");
    ASSERT_EQ(bench_.log().size(), 1u);
    EXPECT_EQ(bench_.log().front().text, "bytes were lost");
}

TEST_F(CharFifo, ExplainsAMissingPipe) {
    const auto outcome = bench_.try_add(PLUGBAY_PLUGIN_FILE, "char-fifo", "keys", {{"path", path()}});
    EXPECT_LT(outcome.status, 0);
    EXPECT_THAT(outcome.text, HasSubstr("No such file or directory; make it with mkfifo"));
}

} // namespace
