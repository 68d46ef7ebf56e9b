// libFuzzer: a checkpoint's folder, on a parent, with its manifest, states and pages edited. What can be opened is shown as
// text and as JSON, and its memory gone through.
#include "core/checkpoint/manifest_text.hpp"
#include "core/cli/inspect_checkpoint.hpp"
#include "tests/fuzz/checkpoint/edits.hpp"
#include "tests/temporary_folder.hpp"

#include <fcntl.h>
#include <fmt/format.h>
#include <sstream>

namespace {

using namespace plugbay;
using namespace plugbay::core;
using fuzz::Bytes;
using fuzz::require;

constexpr std::uint64_t memory_size = 1 << 20;

Bytes as_bytes(const std::string& text) {
    const auto bytes = std::as_bytes(std::span(text));
    return {bytes.begin(), bytes.end()};
}
std::string as_text(const Bytes& bytes) {
    return {reinterpret_cast<const char*>(bytes.data()), bytes.size()};
}

void replace(std::string& text, const std::string& from, const std::string& to) {
    if (const auto at = text.find(from); at != std::string::npos) text.replace(at, from.size(), to);
}

// "base" and "child", and what the files of the child are before they are edited.
struct Ground {
    TemporaryFolder folder;
    std::string manifest; // without its ending
    std::string pages_checksum;
    Bytes state;
    Bytes pages;

    Ground() {
        write("base", nullptr);
        const auto base = Checkpoint::open(folder.path("base"));
        write("child", &*base);
        manifest = folder.read("child/manifest.json");
        manifest.resize(manifest.size() - manifest_ending({}).size());
        state = as_bytes(folder.read("child/state"));
        pages = as_bytes(folder.read("child/memory.pages"));
        pages_checksum = digits(pages);
    }
    static std::string digits(const Bytes& bytes) { return fmt::format("\"{:08x}\"", crc32c(bytes)); }

  private:
    void write(const char* name, const Checkpoint* parent) const {
        auto writer =
            CheckpointWriter::create(folder.path(name), {.memory_size = memory_size, .parent = parent});
        require(static_cast<bool>(writer));
        const Bytes page(checkpoint_page_size, std::byte{1});
        for (const std::uint64_t at : {3, 4, 77})
            require(static_cast<bool>((*writer)->write_pages(at * checkpoint_page_size, page)));
        const Manifest written = fuzz::make_manifest(writer->get());
        require(static_cast<bool>((*writer)->finish(written)));
    }
};

void check(const Checkpoint& checkpoint) {
    if (checkpoint.memory() == nullptr) return;
    std::uint64_t at = 0;
    const auto done = checkpoint.memory()->for_each_run([&](const MemoryRun& run) {
        require(run.offset == at && run.length != 0);
        require(are_pages(run.offset, run.length, checkpoint.memory()->size()));
        at += run.length;
        return Result<void>();
    });
    require(done && at == checkpoint.memory()->size());
}

} // namespace

extern "C" int LLVMFuzzerTestOneInput(const std::uint8_t* data, std::size_t size) {
    static const Ground ground;
    fuzz::Input input(data, size);
    const std::uint32_t repaired = input.number(1); // a bit for each kind of checksum
    Bytes manifest = as_bytes(ground.manifest);
    Bytes state = ground.state;
    Bytes pages = ground.pages;
    while (!input.empty()) {
        const std::uint32_t target = input.number(1) % 8;
        fuzz::edit(target == 0 ? pages : target < 3 ? state : manifest, input);
    }
    static const auto checksums = fuzz::image_checksums();
    std::string text = as_text(manifest);
    if ((repaired & 1) == 0) fuzz::repair_images(state, checksums, text);
    if ((repaired & 2) == 0) replace(text, ground.pages_checksum, Ground::digits(pages));
    text += manifest_ending((repaired & 4) == 0 ? text : std::string());
    ground.folder.write("child/manifest.json", text);
    ground.folder.write("child/state", as_text(state));
    ground.folder.write("child/memory.pages", as_text(pages));
    const auto opened = Checkpoint::open(ground.folder.path("child"));
    std::ostringstream out;
    const bool shown = static_cast<bool>(inspect_checkpoint(out, ground.folder.path("child"), {}));
    require(shown == static_cast<bool>(opened));
    if (!opened) {
        require(!opened.error().message.empty() && out.str().empty());
        return 0;
    }
    require(static_cast<bool>(inspect_checkpoint(out, ground.folder.path("child"), {.json = true})));
    check(*opened);
    return 0;
}
