// Swaps devices of a running machine by turns:
//
//     swap_rounds MACHINE FOLDER SWAPS REST DEVICE=PLUGIN[:NUMBER]...
//
// MACHINE is a running machine's name, SWAPS how many swaps there are in all, REST the milliseconds after each. A device's builds are PLUGIN.so in
// FOLDER/plugins and in FOLDER/next. NUMBER is the device's own number that every build has to bring
// above 0 before it is replaced; without one, what the monitor counts for the device has to grow. Prints pauses and what
// the builds did. Status 1: a swap was refused, or a build did nothing.
#include "tests/hot_swap/swap_series.hpp"

#include <cstdlib>
#include <filesystem>
#include <iostream>
#include <stdexcept>
#include <thread>

namespace plugbay::end_to_end {
namespace {

using namespace std::chrono_literals;

SwapSubject subject_of(const std::string& word, const std::filesystem::path& folder) {
    const auto equals = word.find('=');
    if (equals == std::string::npos) throw std::runtime_error("DEVICE=PLUGIN is needed, not " + word);
    const auto colon = std::min(word.find(':', equals), word.size());
    const std::string file = word.substr(equals + 1, colon - equals - 1) + ".so";
    return {.id = word.substr(0, equals),
            .files = {folder / "plugins" / file, folder / "next" / file},
            .number = colon == word.size() ? "" : word.substr(colon + 1)};
}

void run(const std::vector<std::string>& words) {
    const auto folder = std::filesystem::absolute(words[2]);
    std::vector<SwapSubject> subjects;
    for (std::size_t i = 5; i < words.size(); ++i)
        subjects.push_back(subject_of(words[i], folder));
    auto client = core::ControlClient::find(words[1]);
    if (!client) throw std::runtime_error(client.error().text());
    // Looking costs the guest time where all of the machine is emulated.
    SwapSeries series(*client, std::move(subjects), {.patience = 60s, .between_looks = 50ms});
    const int count = std::atoi(words[3].c_str());
    const std::chrono::milliseconds rest(std::atoi(words[4].c_str()));
    const auto begun = std::chrono::steady_clock::now();
    try {
        for (int i = 0; i < count; ++i) {
            series.swap_next();
            std::this_thread::sleep_for(rest);
        }
    } catch (const std::runtime_error&) {
        series.print(std::cout);
        throw;
    }
    series.print(std::cout);
    std::cout
        << count << " swaps in "
        << std::chrono::duration_cast<std::chrono::seconds>(std::chrono::steady_clock::now() - begun).count()
        << " s" << std::endl;
}

} // namespace
} // namespace plugbay::end_to_end

int main(int count, char** words) {
    try {
        if (count < 6)
            throw std::runtime_error(
                "usage: swap_rounds MACHINE FOLDER SWAPS REST DEVICE=PLUGIN[:NUMBER]...");
        plugbay::end_to_end::run({words, words + count});
        return 0;
    } catch (const std::exception& error) {
        std::cout << "swap_rounds: " << error.what() << std::endl;
        return 1;
    }
}
