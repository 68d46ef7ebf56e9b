// Tells when files of a folder with sources change: inotify on the folder and all below it.
#pragma once

#include "core/base/result.hpp"

#include <plugbay/unique_fd.hpp>

#include <cstddef>
#include <filesystem>
#include <map>
#include <set>
#include <string>
#include <string_view>
#include <vector>

namespace plugbay::core::dev {

// Whether a name is no source's: what editors leave for a moment, what compilers make, hidden files.
[[nodiscard]] bool is_no_source(std::string_view name);
// Whether nothing in that folder is a source: hidden, named "build" or "build-...", or made by CMake.
[[nodiscard]] bool is_no_source_folder(const std::filesystem::path& folder);

class SourceWatch {
  public:
    static constexpr std::size_t most_folders = 4096;
    static constexpr std::size_t most_files = 1 << 16; // known by name

    // `build_beside_sources`: a build may write into the watched folders.
    [[nodiscard]] static Result<SourceWatch> start(const std::filesystem::path& folder,
                                                   bool build_beside_sources);

    // Readable when take() has something to look at. The watch's own.
    [[nodiscard]] int descriptor() const { return inotify_.get(); }
    // The files that changed, were made or went, below the folder, each once; any bytes but "/" and 0 may be in a name.
    // `building`: a build has run meanwhile. One beside the sources is taken to have made the files that are new, and those
    // that change in one build after the other.
    [[nodiscard]] std::set<std::string> take(bool building);

  private:
    SourceWatch(UniqueFd inotify, std::filesystem::path folder, bool build_beside_sources)
        : inotify_(std::move(inotify)), folder_(std::move(folder)),
          build_beside_sources_(build_beside_sources) {}
    [[nodiscard]] Result<void> add(const std::string& folder, std::set<std::string>* found);
    void drop(const std::string& folder);
    void take_event(std::uint32_t mask, int watch, const std::string& name, std::set<std::string>& changed);
    [[nodiscard]] bool is_product(const std::string& file, bool building);

    UniqueFd inotify_;
    std::filesystem::path folder_;
    bool build_beside_sources_;
    std::map<int, std::string> folders_; // by watch; relative to `folder_`, "" or with a "/" at the end
    std::set<std::string> known_;
    std::map<std::string, int> changed_while_building_; // in so many builds one after the other
};

} // namespace plugbay::core::dev
