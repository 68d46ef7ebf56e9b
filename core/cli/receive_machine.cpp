#include "core/cli/receive_machine.hpp"

#include "core/base/errno_error.hpp"
#include "core/base/log.hpp"
#include "core/checkpoint/stream_reader.hpp"
#include "core/cli/daemon.hpp"
#include "core/cli/exit_status.hpp"
#include "core/config/table_catalog.hpp"
#include "core/control/socket_place.hpp"
#include "core/io/stream_place.hpp"
#include "core/machine/machine.hpp"
#include "core/machine/saved_machine.hpp"

#include <fmt/format.h>
#include <fmt/ranges.h>

#include <csignal>
#include <iostream>
#include <optional>
#include <unistd.h>
#include <utility>

namespace plugbay::core {

namespace {

// Where a machine comes from, for as long as it comes.
struct Source {
    std::optional<SocketPlace> place = {}; // of a Unix socket, which it removes
    UniqueFd stream = {};
};

Result<Source> open_source(const std::string& text) {
    Source source;
    if (text == standard_stream) {
        source.stream = UniqueFd(::dup(STDIN_FILENO));
        if (!source.stream) return errno_error("cannot read standard input");
        return source;
    }
    const auto address = parse_stream_place(text);
    if (!address) return address.error();
    UniqueFd listener;
    if (address->path.empty()) {
        auto made = listen_at(*address, "plugbay restore");
        if (!made) return std::move(made).error();
        listener = *std::move(made);
    } else {
        auto place = SocketPlace::take(address->path);
        if (!place) return std::move(place).error();
        auto made = place->listen();
        if (!made) return std::move(made).error();
        source.place.emplace(*std::move(place));
        listener = *std::move(made);
    }
    log_for(Subsystem::machine)
        .info("waiting for a machine at {}", text_of(bound_address(*address, listener.get())));
    auto peer = accept_one(listener.get());
    if (!peer) return std::move(peer).error();
    source.stream = *std::move(peer);
    return source;
}

// Pages as they come, until the states have come too.
Result<std::unique_ptr<GuestMemory>> receive_memory(StreamReader& reader, std::uint64_t size) {
    auto memory = GuestMemory::create(size);
    if (!memory) return memory;
    for (;;) {
        const auto event = reader.next();
        if (!event) return event.error();
        if (event->kind == StreamEvent::Kind::end) return memory;
        if (event->kind == StreamEvent::Kind::pages) (*memory)->fill(event->offset, event->bytes);
        if (event->kind == StreamEvent::Kind::zeros) {
            if (auto done = (*memory)->clear(event->offset, event->length); !done)
                return std::move(done).error();
        }
    }
}

Result<void> check(const Manifest& manifest, const LoadedMachine& loaded, bool accept_changed_disks) {
    const auto obstacles =
        find_obstacles(manifest, loaded.config, TableCatalog(loaded.device_types), accept_changed_disks);
    if (obstacles.empty()) return {};
    return Error{fmt::format("{}", fmt::join(obstacles, "; "))};
}

// What would have to be said of a machine in the background, and to whom.
Result<void> check_background(const RunOptions& options) {
    if (options.daemon == nullptr) return {};
    if (auto place = MachineControl::check_place(options.control); !place) return place;
    return options.daemon->awaited();
}

DeviceManager::Arriving arriving(StreamReader& reader) {
    DeviceManager::Arriving devices;
    for (auto& [id, left] : reader.take_handed_over())
        devices.emplace(id, std::move(left));
    return devices;
}

int receive(StreamReader& reader, const RestoreArguments& arguments, const RunOptions& options) {
    bool moves = false; // and whoever sends it waits for an answer
    const auto refuse = [&](const Error& error) {
        if (std::exchange(moves, false)) reader.refuse(error.text());
        std::cerr << "plugbay restore: " << error.text() << '\n';
        return exit_status::failure;
    };
    RunOptions own = options;
    const auto opening = reader.begin();
    if (!opening) return refuse(opening.error());
    own.control.moved = moves = reader.purpose() == stream::Purpose::move;
    if (!opening->holds_states || !opening->memory)
        return refuse(Error{"the stream has only a part of a machine", "send all of it"});
    auto loaded = load_saved(*opening, "the stream's manifest", arguments);
    if (!loaded) {
        refuse(Error{"the machine cannot be made here", "see what `plugbay restore` printed"});
        return exit_status::usage;
    }
    if (auto fits = check(*opening, *loaded, true); !fits) return refuse(fits.error());
    auto memory = receive_memory(reader, opening->memory->size);
    if (!memory) return refuse(memory.error());
    if (auto fits = check(reader.manifest(), *loaded, arguments.accept_changed_disks); !fits)
        return refuse(fits.error());
    const auto state = state_of(reader.manifest(), reader.states());
    if (!state) return refuse(state.error());
    const auto make = [&](LoadedMachine& from) {
        Machine::Origin origin{.state = *state,
                               .memory = *std::move(memory),
                               .accept_other_processor = arguments.accept_other_processor};
        if (moves) {
            origin.arriving = arriving(reader);
            origin.ready = [&]() -> Result<void> {
                if (auto told = check_background(own); !told) return told;
                auto answered = reader.answer_ready();
                moves = false;
                return answered ? reader.await_go() : std::move(answered);
            };
        }
        auto machine = Machine::restore(from.config, from.device_types, std::move(origin));
        if (!machine && std::exchange(moves, false)) reader.refuse(machine.error().text());
        return machine;
    };
    return run_loaded(*loaded, make, true, own);
}

} // namespace

int receive_machine(const RestoreArguments& arguments, const RunOptions& options) {
    std::signal(SIGPIPE, SIG_IGN); // a sender that hangs up is an error, not an end
    auto source = open_source(arguments.place);
    if (!source) {
        std::cerr << "plugbay restore: " << source.error().text() << '\n';
        return exit_status::failure;
    }
    StreamReader reader(source->stream.get());
    return receive(reader, arguments, options);
}

} // namespace plugbay::core
