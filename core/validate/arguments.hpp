// What the options of `plugbay validate` mean for each device type that is validated.
#pragma once

#include "core/plugin/description.hpp"
#include "core/validate/validate.hpp"

#include <set>
#include <string>
#include <utility>
#include <vector>

namespace plugbay::core::validation {

class Arguments {
  public:
    // An error: something is named that is not there, or not written as it should be. `plugin` nullptr: its file cannot be
    // read, so there are no types.
    [[nodiscard]] static Result<Arguments> of(const ValidateOptions& options,
                                              const PluginDescription* plugin);

    // Those that were chosen.
    [[nodiscard]] const std::vector<TypeDescription>& types() const { return types_; }
    [[nodiscard]] testkit::Properties properties(const TypeDescription& type) const;
    [[nodiscard]] std::set<std::string, std::less<>> kept(const TypeDescription& type) const;
    [[nodiscard]] std::vector<PeerDevice> peers() const;

  private:
    // "[TYPE.]NAME"
    struct Name {
        std::string type; // empty: each that has it
        std::string name;
    };
    struct Peer {
        std::filesystem::path file;
        TypeDescription type;
    };

    [[nodiscard]] Result<void> choose_types(const ValidateOptions& options, const PluginDescription& plugin);
    [[nodiscard]] Result<void> add_peer(const std::string& text);
    [[nodiscard]] Result<void> add_setting(const std::string& text);
    [[nodiscard]] Result<void> add_kept(const std::string& text);
    // An error: the type is one of the plugin's that was not chosen.
    [[nodiscard]] Result<Name> name_of(const std::string& text) const;

    std::vector<std::string> others_; // types of the plugin that were not chosen
    std::vector<TypeDescription> types_;
    std::vector<Peer> peers_;
    std::vector<std::pair<Name, std::string>> settings_;
    std::vector<Name> kept_;
};

} // namespace plugbay::core::validation
