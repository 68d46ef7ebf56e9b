// Small checkpoints for tests: a memory of 1 MiB, two devices and a vCPU.
#pragma once

#include "core/checkpoint/checkpoint.hpp"
#include "core/checkpoint/checkpoint_writer.hpp"
#include "tests/temporary_folder.hpp"

#include <gmock/gmock.h>
#include <gtest/gtest.h>

#include <algorithm>
#include <array>
#include <cstdint>
#include <fstream>
#include <iterator>
#include <unistd.h>

namespace plugbay::core::test {

inline constexpr std::uint64_t page = checkpoint_page_size;
inline constexpr std::uint64_t memory_size = 1 << 20;

inline StateImage make_image(const std::string& type, std::uint64_t value, std::uint32_t version = 1) {
    StateBuilder builder(type, version);
    const bool flag = true;
    const std::string text = "text";
    EXPECT_EQ(builder.put("value", PLUGBAY_FIELD_U64, &value, 1, 0), PLUGBAY_OK);
    EXPECT_EQ(builder.put("flag", PLUGBAY_FIELD_BOOLEAN, &flag, 1, PLUGBAY_FIELD_OPTIONAL), PLUGBAY_OK);
    EXPECT_EQ(builder.put("text", PLUGBAY_FIELD_TEXT, text.data(), text.size(), 0), PLUGBAY_OK);
    std::string error;
    return builder.finish(error).value();
}

// The first part of a manifest, without states.
inline Manifest make_manifest() {
    Manifest manifest;
    manifest.machine = {
        {"name", "m"}, {"memory", memory_size}, {"ratio", 0.5}, {"list", {1, -2, nullptr, true}}};
    manifest.vcpus = 1;
    manifest.host = {{"cpu_vendor", "GenuineIntel"}, {"cpuid_crc32c", std::uint64_t{0xfedcba9876543210}}};
    for (const char* id : {"com1", "vda", "stateless"})
        manifest.devices.push_back({.id = id,
                                    .type = "type-" + std::string(id),
                                    .plugin = "plugin",
                                    .plugin_version = "1.2",
                                    .build_id = "abcdef",
                                    .abi_major = 1});
    manifest.host_files = {{"/var/disk.img", 4096, -5, "crc32c:01234567"}, {"/dev/null", 0, 7, ""}};
    return manifest;
}

// One for the vCPU and one for each of two devices.
inline Result<void> add_states(Manifest& manifest, CheckpointSink& sink, std::uint64_t value) {
    auto vcpu = sink.add_state(make_image("kvm-vcpu", value));
    if (!vcpu) return vcpu.error();
    manifest.states.push_back({"vcpu0", *vcpu});
    for (const std::size_t device : {0, 1}) {
        auto place = sink.add_state(make_image(manifest.devices[device].type, value, 7));
        if (!place) return place.error();
        manifest.devices[device].state = *place;
    }
    return {};
}

inline std::vector<std::byte> filled(std::size_t pages, int value) {
    return std::vector<std::byte>(pages * page, static_cast<std::byte>(value));
}

// With `value` in its page 3.
inline Result<void> write_checkpoint(const std::filesystem::path& folder, CheckpointOptions options = {},
                                     int value = 1) {
    if (options.states && !options.memory_size) options.memory_size = memory_size;
    auto writer = CheckpointWriter::create(folder, options);
    if (!writer) return writer.error();
    if (options.memory_size) {
        if (auto done = (*writer)->write_pages(3 * page, filled(1, value)); !done) return done;
    }
    Manifest manifest = make_manifest();
    if (options.states) {
        if (auto done = add_states(manifest, **writer, static_cast<std::uint64_t>(value)); !done) return done;
    }
    return (*writer)->finish(manifest);
}

inline std::vector<std::byte> read_file(const std::filesystem::path& file) {
    std::ifstream in(file, std::ios::binary);
    const std::string text(std::istreambuf_iterator<char>(in), {});
    const auto bytes = std::as_bytes(std::span(text));
    return {bytes.begin(), bytes.end()};
}
inline void write_file(const std::filesystem::path& file, std::span<const std::byte> bytes) {
    std::ofstream out(file, std::ios::binary | std::ios::trunc);
    out.write(reinterpret_cast<const char*>(bytes.data()), static_cast<std::streamsize>(bytes.size()));
    ASSERT_TRUE(out.flush());
}

// "" when it can be opened.
inline std::string refusal(const std::filesystem::path& folder) {
    const auto opened = Checkpoint::open(folder);
    return opened ? std::string() : opened.error().text();
}

// The memory that the checkpoint has, by its runs, which have to cover it.
inline std::vector<std::byte> memory_of(const Checkpoint& checkpoint) {
    std::vector<std::byte> bytes(checkpoint.memory()->size(), std::byte{0xee});
    std::uint64_t at = 0;
    const auto done = checkpoint.memory()->for_each_run([&](const MemoryRun& run) -> Result<void> {
        EXPECT_EQ(run.offset, at);
        EXPECT_TRUE(run.length != 0 && are_pages(run.offset, run.length, bytes.size()));
        at += run.length;
        const auto part = std::span(bytes).subspan(run.offset, run.length);
        if (run.file < 0)
            std::ranges::fill(part, std::byte{0});
        else if (::pread(run.file, part.data(), part.size(), static_cast<off_t>(run.offset)) !=
                 static_cast<ssize_t>(part.size()))
            return Error{"short read"};
        return {};
    });
    EXPECT_TRUE(done);
    EXPECT_EQ(at, bytes.size());
    return bytes;
}

inline int byte_at(const std::vector<std::byte>& bytes, std::uint64_t page_number) {
    return std::to_integer<int>(bytes[page_number * page + page / 2]);
}

// Rewrites a manifest so that its checksum is right: what a hostile writer can do.
inline void forge_manifest(const std::filesystem::path& folder, const std::string& from,
                           const std::string& to) {
    const auto bytes = read_file(folder / manifest_file);
    std::string text(reinterpret_cast<const char*>(bytes.data()), bytes.size());
    const auto at = text.find(from);
    ASSERT_NE(at, std::string::npos) << from;
    text.replace(at, from.size(), to);
    text.resize(text.rfind(",\n  \"checksum\""));
    const std::uint32_t checksum = crc32c(std::as_bytes(std::span(text)));
    std::array<char, 64> ending{};
    std::snprintf(ending.data(), ending.size(), ",\n  \"checksum\": \"%08x\"\n}\n", checksum);
    text += ending.data();
    write_file(folder / manifest_file, std::as_bytes(std::span(text)));
}

} // namespace plugbay::core::test
