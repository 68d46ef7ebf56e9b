#include "core/cli/checkpoint_command.hpp"

#include "core/base/write_all.hpp"
#include "core/cli/ctl/ctl_command.hpp"
#include "core/cli/exit_status.hpp"
#include "core/control/control_client.hpp"
#include "core/control/socket_place.hpp"
#include "core/io/stream_place.hpp"

#include <array>
#include <fmt/format.h>
#include <iostream>
#include <sys/socket.h>
#include <thread>
#include <unistd.h>

namespace plugbay::core {

namespace {

int refuse(const std::string& why) {
    std::cerr << "plugbay checkpoint: " << why << '\n';
    return exit_status::failure;
}

// From the first who connects to standard output, until that hangs up. False: not all of it could be written.
bool copy_to_output(int listener) {
    const auto peer = accept_one(listener);
    if (!peer) return false;
    std::array<std::byte, 65536> block{};
    for (;;) {
        const ssize_t got = ::read(peer->get(), block.data(), block.size());
        if (got <= 0) return got == 0;
        // When nobody reads any more, the machine sees that its peer is gone.
        if (!write_all(STDOUT_FILENO, std::span(block).first(static_cast<std::size_t>(got)))) return false;
    }
}

// The monitor cannot be given our standard output, so it sends to a socket of ours.
int send_to_output(const CheckpointArguments& arguments, const std::string& machine) {
    auto client = ControlClient::find(machine);
    if (!client) return refuse(client.error().text());
    const auto folder = control_folder();
    if (!folder) return refuse(folder.error().text());
    auto place = SocketPlace::take(*folder / fmt::format(".send-{}", ::getpid()));
    if (!place) return refuse(place.error().text());
    const auto listener = place->listen();
    if (!listener) return refuse(listener.error().text());
    bool copied = false;
    std::thread copier([&] { copied = copy_to_output(listener->get()); });
    nlohmann::json params{{"to", "unix:" + place->socket().string()}};
    if (!arguments.contents.empty()) params["contents"] = arguments.contents;
    if (arguments.pause) params["pause"] = *arguments.pause;
    if (arguments.rounds) params["rounds"] = *arguments.rounds;
    const auto sent = client->call("checkpoint.send", params);
    ::shutdown(listener->get(), SHUT_RDWR); // nobody may have connected
    copier.join();
    if (!sent) return refuse(sent.error().text());
    return copied ? exit_status::success : refuse("standard output did not take all of it");
}

} // namespace

int checkpoint_command(const CheckpointArguments& arguments) {
    const std::string machine = arguments.names.size() == 2 ? arguments.names.front() : "";
    const std::string& place = arguments.names.back();
    const bool sends = names_stream(place);
    if (sends &&
        (arguments.incremental || arguments.track || arguments.replace || arguments.checksum_disks)) {
        refuse("--incremental, --track, --replace and --checksum-disks are for folders");
        return exit_status::usage;
    }
    if (!sends && (arguments.move || arguments.pause || arguments.rounds)) {
        refuse("--move, --pause and --rounds are for what is sent: unix:PATH, tcp:ADDRESS:PORT or -");
        return exit_status::usage;
    }
    if (place == standard_stream) {
        if (!arguments.move) return send_to_output(arguments, machine);
        refuse("a machine moves over a Unix socket: unix:PATH");
        return exit_status::usage;
    }
    CtlOptions options{.machine = machine, .json = arguments.json, .words = {"checkpoint"}};
    if (sends) options.words.emplace_back("send");
    options.words.push_back(place);
    if (!arguments.contents.empty())
        options.words.insert(options.words.end(), {"--contents", arguments.contents});
    if (arguments.incremental) options.words.emplace_back("--incremental");
    if (arguments.track) options.words.emplace_back("--track");
    if (arguments.replace) options.words.emplace_back("--replace");
    if (arguments.checksum_disks) options.words.emplace_back("--checksum-disks");
    if (arguments.move) options.words.emplace_back("--move");
    if (arguments.pause)
        options.words.insert(options.words.end(), {"--pause", std::to_string(*arguments.pause)});
    if (arguments.rounds)
        options.words.insert(options.words.end(), {"--rounds", std::to_string(*arguments.rounds)});
    return ctl_command(std::move(options));
}

} // namespace plugbay::core
