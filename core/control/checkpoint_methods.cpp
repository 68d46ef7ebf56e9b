// Methods about checkpoints.
#include "core/control/methods.hpp"
#include "core/machine/machine.hpp"
#include "core/machine/machine_checkpoint.hpp"
#include "core/machine/machine_sender.hpp"

namespace plugbay::core {

using nlohmann::json;

namespace {

// "folder" is below "directory". Without a slash at its end, so that it lies in its parent_path().
std::filesystem::path folder_of(const json& params) {
    const auto folder = std::filesystem::absolute(std::filesystem::path(params.value("directory", "")) /
                                                  params["folder"].get<std::string>())
                            .lexically_normal();
    return folder.has_filename() ? folder : folder.parent_path();
}

// Both would take the pages that were written from each other.
Result<void> refuse_while_sent(const ControlTarget& target) {
    if (!target.sender.sending()) return {};
    return Error{"the machine is being sent", "wait until it is, or cancel that: \"checkpoint.cancel\""};
}

Result<json> checkpoint(const ControlTarget& target, const json& params) {
    if (auto free = refuse_while_sent(target); !free) return std::move(free).error();
    CheckpointRequest request{.incremental = params.value("incremental", false),
                              .track = params.value("track", false),
                              .replace = params.value("replace", false),
                              .checksum_disks = params.value("checksum_disks", false)};
    request.folder = folder_of(params);
    const std::string contents = params.value("contents", "all");
    if (contents == "devices") request.contents = CheckpointRequest::Contents::devices;
    if (contents == "memory") request.contents = CheckpointRequest::Contents::memory;
    const auto report = target.checkpoints.write(request);
    if (!report) return report.error();
    return json{{"id", report->id},
                {"folder", report->folder.string()},
                {"pages", report->pages},
                {"pause_microseconds", static_cast<double>(report->pause) / 1000}};
}

Result<json> restore(const ControlTarget& target, const json& params) {
    if (auto free = refuse_while_sent(target); !free) return std::move(free).error();
    const auto checkpoint = Checkpoint::open(folder_of(params));
    if (!checkpoint) return checkpoint.error();
    return done(go_back_to(target.machine, *checkpoint, target.device_types,
                           params.value("accept_changed_disks", false)));
}

} // namespace

void add_checkpoint_methods(MethodTable& table) {
    table.add(Method{
        .name = "checkpoint",
        .help = "Saves the machine into a folder, from which `plugbay restore` makes it again. The guest "
                "stands still "
                "meanwhile, and goes on.",
        .params = schema::object(
            "",
            {{"folder", schema::text("that is made for it")},
             schema::optional("checksum_disks",
                              schema::boolean("so that a restore compares what is in the disks' files, and "
                                              "not when they were written; reads all of them")),
             schema::optional("contents",
                              schema::choice("what is saved; all without it", {"all", "devices", "memory"})),
             schema::optional("directory", directory_schema()),
             schema::optional(
                 "incremental",
                 schema::boolean("only the memory that was written since the last checkpoint, which is "
                                 "in the same folder and stays there")),
             schema::optional("replace", schema::boolean("a checkpoint that has this name")),
             schema::optional("track", schema::boolean("so that the next one can be incremental"))}),
        .result = schema::object(
            "",
            {{"id", schema::text("of the checkpoint")},
             {"folder", schema::text("where it is")},
             {"pages", schema::integer("of memory that it holds, 4 KiB each")},
             {"pause_microseconds", schema::number("for which the guest stood still; 0 if it was paused")}}),
        .run = &checkpoint});
    table.add(Method{
        .name = "restore",
        .help = "Has the machine go back to a checkpoint of it. `plugbay restore` makes a machine anew.",
        .params = schema::object(
            "", {{"folder", schema::text("of the checkpoint")},
                 schema::optional("accept_changed_disks",
                                  schema::boolean("although a disk's file is not what it was then")),
                 schema::optional("directory", directory_schema())}),
        .result = nothing(),
        .run = &restore});
}

} // namespace plugbay::core
