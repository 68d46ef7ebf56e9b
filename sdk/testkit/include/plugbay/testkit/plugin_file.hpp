// A plugin's file, opened as a monitor opens it, with its descriptor checked against abi/plugin.h.
#pragma once

#include <plugbay/abi/plugin.h>

#include <filesystem>
#include <string>
#include <string_view>
#include <vector>

namespace plugbay::testkit {

class PluginFile {
  public:
    // Throws Error when it does not load or its descriptor is wrong.
    explicit PluginFile(const std::filesystem::path& file);
    PluginFile(PluginFile&& other) noexcept;
    PluginFile& operator=(PluginFile&&) = delete;
    ~PluginFile();

    [[nodiscard]] const plugbay_plugin& plugin() const { return *plugin_; }
    [[nodiscard]] const std::filesystem::path& file() const { return file_; }
    // nullptr: no such type.
    [[nodiscard]] const plugbay_device_type* find(std::string_view type) const;

    // The names of the dynamic symbols that the file defines, read from the file. Exactly one is right.
    [[nodiscard]] static std::vector<std::string> exported_symbols(const std::filesystem::path& file);

  private:
    std::filesystem::path file_;
    void* library_ = nullptr;
    const plugbay_plugin* plugin_ = nullptr;
};

} // namespace plugbay::testkit
