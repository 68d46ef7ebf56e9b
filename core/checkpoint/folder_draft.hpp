// A checkpoint's folder until it is whole: it has another name, ".NAME.partial" beside NAME, and is NAME from one moment to
// the next. Whatever happens before, and to whomever, NAME is what it was.
#pragma once

#include "core/base/result.hpp"

#include <plugbay/unique_fd.hpp>

#include <filesystem>
#include <string>

namespace plugbay::core {

class FolderDraft {
  public:
    // Removes what a writer that was killed has left of that name, and refuses while another one is alive. With
    // `may_replace`, there may be a checkpoint of that name already, which stays until publish().
    [[nodiscard]] static Result<FolderDraft> create(const std::filesystem::path& folder, bool may_replace);

    FolderDraft(FolderDraft&&) noexcept = default;
    FolderDraft& operator=(FolderDraft&&) = delete;
    FolderDraft(const FolderDraft&) = delete;
    FolderDraft& operator=(const FolderDraft&) = delete;
    // Removes what was not published.
    ~FolderDraft();

    [[nodiscard]] int folder() const { return draft_.get(); }
    [[nodiscard]] int beside() const { return beside_.get(); } // the folder that both are in
    [[nodiscard]] const std::string& name() const { return name_; }

    // The files in it are on the disk. Gives it its name; what had it before is removed.
    [[nodiscard]] Result<void> publish();

  private:
    FolderDraft() = default;
    Result<void> take_draft();
    Result<void> publish_new();
    Result<void> publish_instead(UniqueFd old);

    std::filesystem::path path_;
    std::string beside_shown_;
    std::string name_;
    std::string draft_name_;
    bool may_replace_ = false;
    UniqueFd beside_;
    UniqueFd draft_; // with a lock, which ends with the process; empty once it is published
};

} // namespace plugbay::core
