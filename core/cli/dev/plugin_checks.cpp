#include "core/cli/dev/plugin_checks.hpp"

#include <algorithm>
#include <system_error>

namespace plugbay::core::dev {

void PluginChecks::start(std::vector<std::filesystem::path> files) {
    abandon();
    files_ = std::move(files);
    std::ranges::reverse(files_);
}

void PluginChecks::abandon() {
    run_.reset();
    files_.clear();
}

void PluginChecks::add_sources(std::vector<pollfd>& sources) const {
    if (!run_) return;
    if (output_open_) sources.push_back({run_->output(), POLLIN, 0});
    sources.push_back({run_->ended(), POLLIN, 0});
}

std::optional<PluginChecks::Outcome> PluginChecks::begin_next() {
    if (files_.empty()) return std::nullopt;
    file_ = std::move(files_.back());
    files_.pop_back();
    std::error_code failed;
    const auto binary = std::filesystem::read_symlink("/proc/self/exe", failed);
    auto run =
        ToolRun::start({binary.string(), "validate", "--findings", file_.string()}, file_.parent_path());
    if (!run) return Outcome{.file = file_, .sum = run.error().text(), .findings = {}};
    run_.emplace(*std::move(run));
    output_open_ = true;
    return std::nullopt;
}

std::optional<PluginChecks::Outcome> PluginChecks::proceed() {
    if (!run_) return begin_next();
    if (output_open_) output_open_ = run_->read();
    pollfd ended{run_->ended(), POLLIN, 0};
    if (::poll(&ended, 1, 0) <= 0) return std::nullopt;
    auto end = run_->finish();
    run_.reset();
    Outcome outcome{.file = file_, .sum = {}, .findings = {}, .good = end.why.empty()};
    // The sum is the last line.
    std::string_view text = end.output;
    while (text.ends_with('\n'))
        text.remove_suffix(1);
    const std::size_t last = text.rfind('\n') + 1; // 0: there is one line
    outcome.sum = text.substr(last);
    text = text.substr(0, last);
    while (text.starts_with('\n'))
        text.remove_prefix(1);
    outcome.findings = text;
    return outcome;
}

} // namespace plugbay::core::dev
