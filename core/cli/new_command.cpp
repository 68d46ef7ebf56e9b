#include "core/cli/new_command.hpp"

#include "core/base/errno_error.hpp"
#include "core/cli/dev/build_plan.hpp"
#include "core/cli/terminal_text.hpp"
#include "core/plugin/description_check.hpp"

#include <fmt/format.h>

#include <algorithm>
#include <array>
#include <fstream>
#include <map>
#include <ostream>
#include <sstream>
#include <string_view>
#include <unistd.h>

namespace plugbay::core {

namespace {

using std::filesystem::path;
using namespace std::string_view_literals;

// Folders of sdk/template whose files make one device, and what is filled in.
struct Combination {
    std::string_view language;
    std::string_view kind;
    std::array<std::string_view, 3> folders;
    std::string_view suffix; // of the source
    std::string_view guest;  // instructions of 32-bit protected mode
    std::string_view status; // with which they end the machine, by debug-exit
};

// mov $0xd0000000, %ebx; movl $21, (%ebx); mov 8(%ebx), %eax; mov $0xf4, %dx; out %al, %dx; hlt
constexpr std::string_view mmio_guest =
    "\xbb\x00\x00\x00\xd0\xc7\x03\x15\x00\x00\x00\x8b\x43\x08\x66\xba\xf4\x00\xee\xf4"sv;
// mov $0x5e0, %dx; mov $21, %eax; out %eax, %dx; mov $0x5e8, %dx; in %dx, %eax; mov $0xf4, %dx; out %al, %dx; hlt
constexpr std::string_view pio_guest =
    "\x66\xba\xe0\x05\xb8\x15\x00\x00\x00\xef\x66\xba\xe8\x05\xed\x66\xba\xf4\x00\xee\xf4"sv;
// mov $0x402, %dx; mov $'h', %al; out %al, %dx; mov $0xf4, %dx; mov $0, %al; out %al, %dx; hlt
constexpr std::string_view backend_guest = "\x66\xba\x02\x04\xb0\x68\xee\x66\xba\xf4\x00\xb0\x00\xee\xf4"sv;
// mov $0xf4, %dx; mov $0, %al; out %al, %dx; hlt
constexpr std::string_view empty_guest = "\x66\xba\xf4\x00\xb0\x00\xee\xf4"sv;

constexpr std::array combinations{
    Combination{"cpp", "mmio", {"cmake", "register", "cpp"}, "cpp", mmio_guest, "42"},
    Combination{"cpp", "pio", {"cmake", "register", "cpp"}, "cpp", pio_guest, "42"},
    Combination{"cpp", "pci", {"cmake", "pci", "cpp-pci"}, "cpp", empty_guest, "0"},
    Combination{"cpp", "virtio", {"cmake", "pci", "cpp-virtio"}, "cpp", empty_guest, "0"},
    Combination{"cpp", "backend", {"cmake", "cpp-backend", ""}, "cpp", backend_guest, "0"},
    Combination{"c", "mmio", {"cmake", "register", "c"}, "c", mmio_guest, "42"},
    Combination{"c", "pio", {"cmake", "register", "c"}, "c", pio_guest, "42"},
    Combination{"rust", "mmio", {"rust", "", ""}, "rs", mmio_guest, "42"},
    Combination{"rust", "pio", {"rust", "", ""}, "rs", pio_guest, "42"},
};

Result<const Combination*> find_combination(const NewOptions& options) {
    for (const Combination& each : combinations) {
        if (each.language == options.language && each.kind == options.kind) return &each;
    }
    return Error{
        fmt::format("there is no template for a {} device in {}", printable(options.kind),
                    printable(options.language)),
        fmt::format("there are: {}; other kinds are written in C++, or against the C headers by hand",
                    fmt::join(new_combinations(), ", "))};
}

// Of CMake's own targets, which a plugin's cannot be called like.
constexpr std::array reserved{"all"sv,     "clean"sv,      "help"sv, "install"sv,
                              "package"sv, "preinstall"sv, "test"sv};

Result<void> check_name(const std::string& type) {
    const bool letter = !type.empty() && type.front() >= 'a' && type.front() <= 'z';
    if (!is_type_name(type) || !letter || type.back() == '-' || type.find("--") != std::string::npos)
        return Error{
            fmt::format("\"{}\" cannot be the name of a device type", printable(type)),
            "a letter, then lower-case letters, digits and single \"-\", such as temperature-sensor"};
    if (std::ranges::find(reserved, type) != reserved.end())
        return Error{fmt::format("\"{}\" is a name of the build's own", type), "choose a longer one"};
    return {};
}

// temperature-sensor: TemperatureSensor
std::string class_name(std::string_view type) {
    std::string name;
    bool capital = true;
    for (const char byte : type) {
        if (byte != '-')
            name += capital && byte >= 'a' && byte <= 'z' ? static_cast<char>(byte - 'a' + 'A') : byte;
        capital = byte == '-';
    }
    return name;
}

// temperature-sensor: temperature_sensor
std::string identifier(std::string type) {
    std::ranges::replace(type, '-', '_');
    return type;
}

// Installed, and in a build tree, where a link is made.
path default_templates() {
    std::error_code failed;
    const path binary = std::filesystem::read_symlink("/proc/self/exe", failed);
    return failed ? path() : binary.parent_path().parent_path() / "share" / "plugbay" / "template";
}

// As one word of a command for a shell, to be pasted.
std::string shell_word(const std::string& text) {
    constexpr std::string_view plain =
        "abcdefghijklmnopqrstuvwxyzABCDEFGHIJKLMNOPQRSTUVWXYZ0123456789_-+=.,:@%/";
    const std::string word = printable(text);
    if (!word.empty() && word.find_first_not_of(plain) == std::string::npos) return word;
    std::string quoted = "'";
    for (const char byte : word)
        quoted += byte == '\'' ? "'\\''" : std::string(1, byte);
    return quoted + "'";
}

// How CMake is told where the SDK is; nothing where it looks by itself.
std::string package_argument() {
    const path package = dev::sdk_package();
    const std::string text = package.string();
    if (package.empty() || text.starts_with("/usr/lib") || text.starts_with("/usr/local/lib")) return {};
    return " -DPlugbay_DIR=" + shell_word(text);
}

class Filler {
  public:
    Filler(const Combination& combination, const std::string& type)
        : kind_(combination.kind), words_{{"@TYPE@", type},
                                          {"@CLASS@", class_name(type)},
                                          {"@NAME@", identifier(type)},
                                          {"@SUFFIX@", std::string(combination.suffix)},
                                          {"@STATUS@", std::string(combination.status)},
                                          {"@PACKAGE@", package_argument()}} {}

    // A line that begins with a kind between "@" is for that kind only.
    std::string filled(const std::string& text) const {
        std::istringstream lines(text);
        std::string result;
        for (std::string line; std::getline(lines, line);) {
            bool mine = true;
            for (const std::string_view kind : {"mmio"sv, "pio"sv}) {
                const std::string mark = fmt::format("@{}@", kind);
                if (!line.starts_with(mark)) continue;
                mine = kind == kind_;
                line.erase(0, mark.size());
            }
            if (mine) result += line + '\n';
        }
        for (const auto& [word, value] : words_)
            replace(result, word, value);
        return result;
    }

  private:
    static void replace(std::string& text, std::string_view word, const std::string& value) {
        for (std::size_t at = 0; (at = text.find(word, at)) != std::string::npos; at += value.size())
            text.replace(at, word.size(), value);
    }

    std::string_view kind_;
    std::map<std::string_view, std::string> words_;
};

// device_test.cpp.in: temperature-sensor_test.cpp
std::string file_name(const path& source, const std::string& type) {
    std::string name = source.stem().string();
    constexpr std::string_view own = "device";
    if (name.starts_with(own)) name.replace(0, own.size(), type);
    return name;
}

using Files = std::map<std::string, std::string>; // contents by name

Result<void> read_folder(const path& folder, const Filler& filler, const std::string& type, Files& files) {
    std::error_code failed;
    for (std::filesystem::directory_iterator entry(folder, failed), end; !failed && entry != end;
         entry.increment(failed)) {
        if (entry->path().extension() != ".in") continue;
        std::ifstream file(entry->path(), std::ios::binary);
        std::ostringstream text;
        text << file.rdbuf();
        if (!file) return Error{entry->path().string() + " cannot be read"};
        const std::string name = file_name(entry->path(), type);
        if (!files.emplace(name, filler.filled(text.str())).second)
            return Error{
                fmt::format("a device in this language cannot be called {}: there is another file {} "
                            "in its folder",
                            type, name),
                "choose another name"};
    }
    if (failed)
        return Error{fmt::format("the templates in {} cannot be read: {}", folder.string(), failed.message()),
                     "install plugbay with its SDK (cmake --install)"};
    return {};
}

Result<void> write_files(const path& folder, const Files& files) {
    for (const auto& [name, text] : files) {
        std::ofstream file(folder / name, std::ios::binary);
        file << text;
        if (!file.flush()) return errno_error((folder / name).string() + " cannot be written");
    }
    return {};
}

// Beside its place first, so that there is never half of it.
Result<void> make_folder(const path& folder, const Files& files) {
    std::error_code failed;
    if (std::filesystem::exists(std::filesystem::symlink_status(folder, failed)))
        return Error{folder.string() + " is there already", "name another folder with --directory"};
    const path place = std::filesystem::absolute(folder).lexically_normal();
    const path parent = place.has_filename() ? place.parent_path() : place.parent_path().parent_path();
    std::string scratch = (parent / ".plugbay-new-XXXXXX").string();
    if (::mkdtemp(scratch.data()) == nullptr)
        return errno_error("no folder can be made in " + parent.string());
    auto done = write_files(scratch, files);
    if (done) {
        std::filesystem::permissions(scratch, std::filesystem::perms(0755), failed);
        std::filesystem::rename(scratch, folder, failed);
        if (failed) done = Error{fmt::format("{} cannot be made: {}", folder.string(), failed.message())};
    }
    if (!done) std::filesystem::remove_all(scratch, failed);
    return done;
}

void print_next(std::ostream& out, const Combination& combination, const std::string& type,
                const path& folder) {
    const std::string source = shell_word(folder.string());
    const std::string build = shell_word((folder / "build").string());
    out << printable(folder.string()) << " is there. Next:\n\n";
    if (combination.language == "rust") {
        out << fmt::format("  make -C {}\n", source);
    } else {
        out << fmt::format("  cmake -S {} -B {}{}\n  cmake --build {} --target {}\n", source, build,
                           package_argument(), build, type);
    }
    out << fmt::format("  plugbay validate {}\n\nIts README.md goes on from there.\n",
                       shell_word((folder / "build" / (type + ".so")).string()));
}

} // namespace

std::vector<std::string> new_combinations() {
    std::vector<std::string> names;
    for (const Combination& each : combinations)
        names.push_back(fmt::format("{} {}", each.language, each.kind));
    return names;
}

Result<void> new_command(std::ostream& out, const NewOptions& options) {
    const auto combination = find_combination(options);
    if (!combination) return combination.error();
    if (const auto good = check_name(options.type); !good) return good.error();
    const Filler filler(**combination, options.type);
    const path templates = options.templates.empty() ? default_templates() : options.templates;
    Files files;
    for (const std::string_view folder : (*combination)->folders) {
        if (folder.empty()) continue;
        if (const auto read = read_folder(templates / folder, filler, options.type, files); !read)
            return read.error();
    }
    files["guest.bin"] = (*combination)->guest;
    const path folder = options.folder.empty() ? path(options.type) : options.folder;
    if (const auto made = make_folder(folder, files); !made) return made.error();
    print_next(out, **combination, options.type, folder);
    return {};
}

} // namespace plugbay::core
