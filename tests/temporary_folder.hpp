// A folder that goes with its object, for tests that need files.
#pragma once

#include <cerrno>
#include <cstdlib>
#include <filesystem>
#include <fstream>
#include <iterator>
#include <stdexcept>
#include <string>
#include <string_view>
#include <system_error>

namespace plugbay {

inline std::string bytes_of(const std::filesystem::path& file) {
    std::ifstream stream(file, std::ios::binary);
    return {std::istreambuf_iterator<char>(stream), {}};
}

class TemporaryFolder {
  public:
    TemporaryFolder() {
        std::string pattern = (std::filesystem::temp_directory_path() / "plugbay-test-XXXXXX").string();
        if (::mkdtemp(pattern.data()) == nullptr)
            throw std::system_error(errno, std::system_category(), "mkdtemp " + pattern);
        path_ = pattern;
    }
    ~TemporaryFolder() {
        std::error_code ignored;
        std::filesystem::remove_all(path_, ignored);
    }
    TemporaryFolder(const TemporaryFolder&) = delete;
    TemporaryFolder& operator=(const TemporaryFolder&) = delete;

    [[nodiscard]] const std::filesystem::path& path() const { return path_; }
    [[nodiscard]] std::string path(std::string_view name) const { return (path_ / name).string(); }
    // Writes the file and returns its path.
    std::string write(std::string_view name, std::string_view contents) const {
        std::ofstream file(path_ / name, std::ios::binary);
        file << contents;
        file.close();
        if (!file) throw std::runtime_error("cannot write " + path(name));
        return path(name);
    }
    // Empty when there is no such file.
    [[nodiscard]] std::string read(std::string_view name) const { return bytes_of(path_ / name); }

  private:
    std::filesystem::path path_;
};

} // namespace plugbay
