// The parent's side: a child, its limits, and what becomes of it.
#include "core/validate/check_process.hpp"

#include "core/base/errno_error.hpp"
#include "core/base/utf8.hpp"
#include "core/base/write_all.hpp"
#include "core/hotswap/child_process.hpp"

#include <plugbay/unique_fd.hpp>

#include <fmt/format.h>
#include <nlohmann/json.hpp>

#include <algorithm>
#include <array>
#include <csignal>
#include <cstring>
#include <fcntl.h>
#include <poll.h>
#include <span>
#include <sys/mman.h>
#include <sys/wait.h>
#include <unistd.h>

namespace plugbay::core::validation {

namespace {

using nlohmann::json;
using Clock = std::chrono::steady_clock;

constexpr std::size_t longest_report = 4 << 20;
constexpr std::size_t longest_text = 4096;
constexpr std::size_t longest_output = 4096; // of the end, that is kept
constexpr std::size_t most_warnings = 64;
constexpr int most_reads = 64; // of a pipe, before looking at the others and the time

// An empty folder for what the plugin writes into its working directory.
class ScratchFolder {
  public:
    ScratchFolder() {
        std::string name = (std::filesystem::temp_directory_path() / "plugbay-validate-XXXXXX").string();
        if (::mkdtemp(name.data()) != nullptr) path_ = name;
    }
    ~ScratchFolder() {
        std::error_code ignored;
        if (!path_.empty()) std::filesystem::remove_all(path_, ignored);
    }
    ScratchFolder(const ScratchFolder&) = delete;
    ScratchFolder& operator=(const ScratchFolder&) = delete;
    [[nodiscard]] const std::string& path() const { return path_; }

  private:
    std::string path_;
};

struct Pipe {
    UniqueFd reading;
    UniqueFd writing;
};

Result<Pipe> make_pipe() {
    std::array<int, 2> ends{};
    if (::pipe2(ends.data(), O_CLOEXEC) != 0) return errno_error("a pipe to a check cannot be made");
    Pipe pipe{UniqueFd(ends[0]), UniqueFd(ends[1])};
    ::fcntl(pipe.reading.get(), F_SETFL, O_NONBLOCK); // the child's end waits
    return pipe;
}

json encoded(const testkit::Properties& properties) {
    json pairs = json::array();
    for (const auto& [name, value] : properties)
        pairs.push_back({name, value});
    return pairs;
}

Result<UniqueFd> request_file(const CheckRequest& request, const std::string& folder) {
    json line{{"check", request.check->id},
              {"file", std::filesystem::absolute(request.trial.file).string()},
              {"type", request.trial.type},
              {"properties", encoded(request.trial.properties)},
              {"peers", json::array()},
              {"kept", request.trial.kept},
              {"seed", request.trial.seed},
              {"fuzz", request.trial.fuzz.count()},
              {"limit", (request.limit + request.trial.fuzz).count()},
              {"folder", folder},
              {"parent", ::getpid()}};
    for (const PeerDevice& peer : request.trial.peers)
        line["peers"].push_back(
            {{"file", peer.file.string()}, {"type", peer.type}, {"properties", encoded(peer.properties)}});
    UniqueFd file(::memfd_create("plugbay-check", MFD_CLOEXEC));
    if (!file) return errno_error("a check cannot be asked for: memfd_create");
    const std::string text = line.dump(-1, ' ', false, json::error_handler_t::replace);
    if (!write_all(file.get(), std::as_bytes(std::span(text))))
        return errno_error("a check cannot be asked for");
    return file;
}

class Watch {
  public:
    Watch(CheckResult& result, ChildProcess child, UniqueFd report, UniqueFd output)
        : result_(result), child_(std::move(child)), report_(std::move(report)), output_(std::move(output)) {}

    void wait(Clock::time_point deadline, std::chrono::seconds limit) {
        const bool ended = listen(deadline);
        const auto status = child_.end();
        read_report();
        read_output();
        result_.output = printable_text(result_.output);
        conclude(ended, status, limit);
    }

  private:
    bool listen(Clock::time_point deadline) {
        for (;;) {
            const auto left = std::chrono::ceil<std::chrono::milliseconds>(deadline - Clock::now());
            if (left.count() <= 0) return false;
            // A closed pipe is not waited for: -1 in its place.
            std::array<pollfd, 3> sources{
                {{child_.descriptor(), POLLIN, 0}, {report_.get(), POLLIN, 0}, {output_.get(), POLLIN, 0}}};
            if (::poll(sources.data(), sources.size(),
                       static_cast<int>(std::min<std::int64_t>(left.count(), 60'000))) < 0)
                continue; // a signal
            if (sources[1].revents != 0) read_report();
            if (sources[2].revents != 0) read_output();
            if (reported_ > longest_report) return true;
            if (sources[0].revents != 0) return true;
        }
    }

    // Calls `take` with what there is.
    template <typename Take>
    static void read(UniqueFd& pipe, Take take) {
        std::array<char, 16384> chunk;
        for (int i = 0; i < most_reads && pipe; ++i) {
            const ssize_t got = ::read(pipe.get(), chunk.data(), chunk.size());
            if (got < 0) return; // nothing at the moment
            if (got == 0) return pipe.reset();
            take(std::string_view(chunk.data(), static_cast<std::size_t>(got)));
        }
    }

    void read_report() {
        read(report_, [this](std::string_view part) {
            reported_ += part.size();
            if (reported_ > longest_report) return;
            unread_ += part;
            std::size_t begin = 0;
            for (std::size_t end = 0; (end = unread_.find('\n', begin)) != std::string::npos; begin = end + 1)
                take_line(std::string_view(unread_).substr(begin, end - begin));
            unread_.erase(0, begin);
        });
    }

    void read_output() {
        read(output_, [this](std::string_view part) {
            result_.output += part;
            if (result_.output.size() > longest_output)
                result_.output.erase(0, result_.output.size() - longest_output);
        });
    }

    static std::string text_of(const json& object, const char* key) {
        const auto member = object.find(key);
        if (member == object.end() || !member->is_string()) return {};
        return printable_text(member->get_ref<const std::string&>(), longest_text);
    }

    // Deeper than this it is no report of ours.
    static json parse(std::string_view line) {
        constexpr int deepest = 3;
        bool too_deep = false;
        json value = json::parse(
            line,
            [&](int depth, json::parse_event_t, json&) {
                too_deep = too_deep || depth > deepest;
                return !too_deep;
            },
            false);
        return too_deep ? json() : value;
    }

    void take_line(std::string_view line) {
        const json value = parse(line);
        if (!value.is_object() || decided_) return;
        if (value.contains("step")) result_.step = text_of(value, "step");
        if (value.contains("warning") && result_.warnings.size() < most_warnings)
            result_.warnings.push_back(text_of(value, "warning"));
        const auto end = value.find("end");
        if (end == value.end() || !end->is_object()) return;
        const std::string verdict = text_of(*end, "verdict");
        decided_ = true;
        result_.verdict = verdict == verdict_name(Verdict::passed)    ? Verdict::passed
                          : verdict == verdict_name(Verdict::skipped) ? Verdict::skipped
                                                                      : Verdict::failed;
        result_.why = text_of(*end, "why");
        result_.hint = text_of(*end, "hint");
        result_.lacks_peer = end->value("lacks_peer", json()) == true;
    }

    void conclude(bool ended, std::optional<int> status, std::chrono::seconds limit) {
        const bool clean = status && WIFEXITED(*status) && WEXITSTATUS(*status) == 0;
        if (decided_ && result_.verdict != Verdict::passed) return;
        if (decided_ && ended && clean) {
            if (!result_.warnings.empty()) result_.verdict = Verdict::warned;
            return;
        }
        if (reported_ > longest_report) {
            fail(Verdict::failed, "it wrote into the report of the check",
                 "a plugin writes to descriptors of its own only");
        } else if (!ended) {
            fail(Verdict::failed, fmt::format("it did not end within {} s", limit.count()),
                 "look for a loop or a lock; calls from the control thread may not wait");
        } else if (status && WIFSIGNALED(*status)) {
            explain_signal(WTERMSIG(*status));
        } else if (status) {
            fail(Verdict::crashed, fmt::format("it ended the process with status {}", WEXITSTATUS(*status)),
                 "a plugin never calls exit(): it fails with a text");
        } else {
            fail(Verdict::crashed, "its process cannot be ended", "a call into the kernel does not return");
        }
    }

    void fail(Verdict verdict, std::string why, std::string hint) {
        result_.verdict = verdict;
        result_.why = std::move(why);
        result_.hint = std::move(hint);
    }

    void explain_signal(int signal) {
        const char* const name = ::sigabbrev_np(signal);
        std::string why = "it was killed by " +
                          (name != nullptr ? fmt::format("SIG{}", name) : fmt::format("signal {}", signal));
        if (signal == SIGKILL || signal == SIGXCPU)
            return fail(Verdict::crashed, std::move(why),
                        "it may have used too much memory or processor time");
        if (signal == SIGABRT)
            return fail(Verdict::crashed, std::move(why),
                        "what it printed last says why: a failed assertion, a damaged heap, an exception "
                        "that nobody caught");
        fail(Verdict::crashed, std::move(why),
             fmt::format("debug it: gdb --args plugbay validate {} --in-process --include {}{}", "FILE",
                         result_.check->id, result_.type.empty() ? "" : " --type " + result_.type));
    }

    CheckResult& result_;
    ChildProcess child_;
    UniqueFd report_;
    UniqueFd output_;
    std::string unread_;
    std::size_t reported_ = 0;
    bool decided_ = false;
};

Result<void> run(const CheckRequest& request, CheckResult& result) {
    const ScratchFolder folder;
    if (folder.path().empty()) return errno_error("a folder for a check cannot be made");
    const auto asked = request_file(request, folder.path());
    if (!asked) return asked.error();
    auto report = make_pipe();
    if (!report) return report.error();
    auto output = make_pipe();
    if (!output) return output.error();
    auto child = ChildProcess::start({.file = request.executable.string(),
                                      .arguments = {"plugbay", check_command},
                                      .descriptors = {asked->get(), report->writing.get()},
                                      .output = output->writing.get()});
    if (!child) return child.error();
    report->writing.reset();
    output->writing.reset();
    const auto limit = request.limit + request.trial.fuzz;
    Watch(result, *std::move(child), std::move(report->reading), std::move(output->reading))
        .wait(Clock::now() + limit, limit);
    return {};
}

} // namespace

CheckResult check_in_process_of_its_own(const CheckRequest& request) {
    CheckResult result;
    result.check = request.check;
    result.type = request.trial.type;
    const auto began = Clock::now();
    if (const auto done = run(request, result); !done) {
        result.verdict = Verdict::crashed;
        result.why = done.error().message;
        result.hint = done.error().hint;
    }
    result.duration = std::chrono::duration_cast<std::chrono::milliseconds>(Clock::now() - began);
    return result;
}

} // namespace plugbay::core::validation
