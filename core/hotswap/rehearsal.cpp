#include "core/hotswap/rehearsal.hpp"

#include "core/base/errno_error.hpp"
#include "core/base/write_all.hpp"
#include "core/config/value_reader.hpp"
#include "core/hotswap/child_process.hpp"
#include "core/hotswap/rehearsal_protocol.hpp"
#include "core/hotswap/rehearsal_watch.hpp"

#include <fmt/format.h>
#include <nlohmann/json.hpp>

#include <algorithm>
#include <array>
#include <cstdint>
#include <cstdlib>
#include <fcntl.h>
#include <span>
#include <sys/mman.h>
#include <unistd.h>
#include <utility>

namespace plugbay::core {

namespace {

using nlohmann::json;

// As in a machine file. Defaults are the new build's own, but for paths, which are relative to the machine file.
json values_json(const std::vector<PropertyDescription>& declared, const std::vector<PropertyValue>& values) {
    json result = json::object();
    for (std::size_t i = 0; i < std::min(declared.size(), values.size()); ++i) {
        const bool path = declared[i].kind == PLUGBAY_PROPERTY_PATH && !values[i].text.empty();
        if (values[i].given || path)
            result[declared[i].name] = value_words(declared[i], values[i].number, values[i].text);
    }
    return result;
}

json link_json(const TypeDescription& type, const RehearsedLink& link) {
    json result{{"port", link.port}, {"options", values_json(type.ports[link.port].options, link.options)}};
    if (const auto* disk = std::get_if<plugbay_blk_facts>(&link.peer)) {
        result["blk"] = {{"capacity", disk->capacity},
                         {"logical_block_size", disk->logical_block_size},
                         {"physical_block_size", disk->physical_block_size},
                         {"flags", disk->flags}};
    } else if (const auto* net = std::get_if<plugbay_net_facts>(&link.peer)) {
        result["net"] = {{"flags", net->flags}, {"offloads", net->offloads}, {"mtu", net->mtu}};
    }
    return result;
}

json moment_json(std::uint64_t guest_time, std::uint64_t calendar) {
    return {{"guest_time", guest_time}, {"calendar", calendar}};
}

// How far one calendar is from the other at the same guest time, ns.
std::uint64_t calendars_apart(const RehearsedMachine& early, const ReplayMoment& late) {
    const auto difference =
        static_cast<std::int64_t>((late.calendar - late.guest_time) - (early.calendar - early.guest_time));
    return static_cast<std::uint64_t>(std::abs(difference));
}

json replay_json(const Replay& replay, const StateImage& state, const RehearsedMachine& machine) {
    return {{"early", moment_json(machine.guest_time, machine.calendar)},
            {"late", moment_json(replay.late_beginning.guest_time, replay.late_beginning.calendar)},
            {"early_end", moment_json(replay.early_end.guest_time, replay.early_end.calendar)},
            {"late_end", moment_json(replay.late_end.guest_time, replay.late_end.calendar)},
            {"calendar_apart", calendars_apart(machine, replay.late_beginning)},
            {"state_size", state.bytes().size()},
            {"end_size", replay.end ? replay.end->bytes().size() : 0}};
}

Result<json> request_json(const RehearsalRequest& request) {
    const PluginDescription& plugin = request.plugin->description();
    const auto type = std::find_if(plugin.types.begin(), plugin.types.end(),
                                   [&](const auto& each) { return each.name == request.type; });
    if (type == plugin.types.end())
        return Error{fmt::format("{} has no device type \"{}\"", plugin.file.string(), request.type),
                     fmt::format("it is of the plugin \"{}\"", plugin.name)};
    const RehearsedMachine& machine = request.machine;
    json result{{"plugin", request.plugin->copy().string()},
                {"type", request.type},
                {"id", request.id},
                {"properties", values_json(type->properties, request.properties)},
                {"links", json::array()},
                {"has_state", request.state.has_value()},
                {"beside", request.beside},
                {"handover", json::array()},
                {"memory_given", machine.memory >= 0},
                {"memory", machine.memory_below_4gb},
                {"memory_above_4gb", machine.memory_above_4gb},
                {"cpus", machine.cpus},
                {"guest_time", machine.guest_time},
                {"calendar", machine.calendar},
                {"limit_ms", request.limit.count()},
                {"parent", ::getpid()}};
    if (request.replay && request.state)
        result["replay"] = replay_json(*request.replay, *request.state, request.machine);
    for (const RehearsedLink& link : request.links) {
        if (link.port < type->ports.size()) result["links"].push_back(link_json(*type, link));
    }
    for (const HandedDescriptor& handed : request.handover)
        result["handover"].push_back(handed.name);
    if (request.resources) result["resources"] = *request.resources;
    return result;
}

Result<UniqueFd> request_file(const json& line, const RehearsalRequest& request) {
    UniqueFd file(::memfd_create("plugbay-rehearsal", MFD_CLOEXEC));
    if (!file) return errno_error("a rehearsal cannot be asked for: memfd_create");
    const std::string text = line.dump(-1, ' ', false, json::error_handler_t::replace) + '\n';
    bool written = write_all(file.get(), std::as_bytes(std::span(text)));
    if (request.state) written = written && write_all(file.get(), request.state->bytes());
    if (request.replay) {
        if (request.replay->end) written = written && write_all(file.get(), request.replay->end->bytes());
        written = written && write_all(file.get(), std::as_bytes(std::span(request.replay->entries)));
    }
    if (!written) return errno_error("a rehearsal cannot be asked for");
    return file;
}

// The entry that the child was at, if it has come to any.
std::optional<std::size_t> reached(int request_file, std::size_t entries) {
    std::uint64_t begun = 0;
    if (::pread(request_file, &begun, sizeof begun, rehearsal::progress_place) != sizeof begun)
        return std::nullopt;
    if (begun == 0 || begun > entries) return std::nullopt;
    return begun - 1;
}

// The same file for reading only: the child gets copies of pages that it writes, and cannot write the guest's.
Result<UniqueFd> reading_only(int descriptor) {
    UniqueFd file(::open(fmt::format("/proc/self/fd/{}", descriptor).c_str(), O_RDONLY | O_CLOEXEC));
    if (!file) return errno_error("the guest's RAM cannot be shown to a rehearsal");
    return file;
}

struct Pipe {
    UniqueFd reading;
    UniqueFd writing;
};

Result<Pipe> make_pipe() {
    std::array<int, 2> ends{};
    if (::pipe2(ends.data(), O_CLOEXEC) != 0) return errno_error("a pipe to a rehearsal cannot be made");
    Pipe pipe{UniqueFd(ends[0]), UniqueFd(ends[1])};
    ::fcntl(pipe.reading.get(), F_SETFL, O_NONBLOCK); // the child's end waits
    return pipe;
}

} // namespace

Result<RehearsalReport> rehearse(const RehearsalRequest& request) {
    const auto line = request_json(request);
    if (!line) return line.error();
    const auto asked = request_file(*line, request);
    if (!asked) return asked.error();
    auto report = make_pipe();
    if (!report) return report.error();
    auto output = make_pipe();
    if (!output) return output.error();
    ChildProgram program{.file = request.executable.string(),
                         .arguments = {"plugbay", rehearsal::command},
                         .descriptors = {asked->get(), report->writing.get()},
                         .output = output->writing.get()};
    UniqueFd memory;
    if (request.machine.memory >= 0) {
        auto file = reading_only(request.machine.memory);
        if (!file) return file.error();
        memory = *std::move(file);
        program.descriptors.push_back(memory.get());
    }
    for (const HandedDescriptor& handed : request.handover)
        program.descriptors.push_back(handed.descriptor);

    const auto began = std::chrono::steady_clock::now();
    auto child = ChildProcess::start(program);
    if (!child) return with_context("a rehearsal cannot be made", child.error());
    report->writing.reset();
    output->writing.reset();
    RehearsalWatch watch(*std::move(child), std::move(report->reading), std::move(output->reading));
    RehearsalReport result = watch.wait(began + request.limit, request.limit, request.call_off);
    if (request.replay && result.step == "replay")
        result.replay.reached = reached(asked->get(), request.replay->entries.size());
    result.duration = std::chrono::steady_clock::now() - began;
    // The author knows nothing of the copy.
    const PluginDescription& plugin = request.plugin->description();
    for (std::string* text : {&result.why, &result.output}) {
        const std::string copy = request.plugin->copy().string();
        for (std::size_t at = 0; (at = text->find(copy, at)) != std::string::npos;
             at += plugin.file.string().size())
            text->replace(at, copy.size(), plugin.file.string());
    }
    return result;
}

} // namespace plugbay::core
