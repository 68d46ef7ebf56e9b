#include "core/pci/msix_table.hpp"

#include <algorithm>
#include <bit>

namespace plugbay::core {

namespace {
constexpr std::uint64_t entry_size = 16;
constexpr std::uint64_t smallest_bar = 4096;
constexpr std::uint32_t masked_bit = 1;
} // namespace

MsixTable::MsixTable(Platform& platform, std::uint32_t vectors, std::string owner,
                     std::shared_ptr<SharedCounter> sent)
    : platform_(platform), owner_(std::move(owner)), sent_(std::move(sent)),
      bar_length_(std::max(smallest_bar, 2 * std::bit_ceil(vectors * entry_size))), entries_(vectors) {}

std::uint64_t MsixTable::read(std::uint64_t offset, std::uint32_t width) {
    const std::lock_guard guard(mutex_);
    const std::uint64_t aligned = offset & ~std::uint64_t{7};
    const std::uint64_t both = read_word(aligned) | std::uint64_t{read_word(aligned + 4)} << 32;
    const std::uint64_t shift = 8 * (offset - aligned);
    // An access across the eight bytes is not one that the specification allows; it gets the low part.
    const std::uint64_t mask = width == 8 ? ~std::uint64_t{0} : (std::uint64_t{1} << (8 * width)) - 1;
    return (both >> shift) & mask;
}

std::uint32_t MsixTable::read_word(std::uint64_t offset) const {
    if (offset < entries_.size() * entry_size)
        return entries_[offset / entry_size].words[offset % entry_size / 4];
    if (offset < bar_length_ / 2) return 0;
    const std::uint64_t first = (offset - bar_length_ / 2) * 8;
    std::uint32_t bits = 0;
    for (std::uint64_t i = first; i < std::min<std::uint64_t>(first + 32, entries_.size()); ++i) {
        if (entries_[i].pending) bits |= std::uint32_t{1} << (i - first);
    }
    return bits;
}

void MsixTable::write(std::uint64_t offset, std::uint32_t width, std::uint64_t value) {
    // Section 6.8.2: aligned doublewords and quadwords only; others are undefined, here ignored.
    if (width < 4 || offset % width != 0) return;
    const std::lock_guard guard(mutex_);
    write_word(offset, static_cast<std::uint32_t>(value));
    if (width == 8) write_word(offset + 4, static_cast<std::uint32_t>(value >> 32));
}

void MsixTable::write_word(std::uint64_t offset, std::uint32_t value) {
    if (offset >= entries_.size() * entry_size) return;
    Entry& entry = entries_[offset / entry_size];
    const std::uint64_t word = offset % entry_size / 4;
    if (word == 3) value &= masked_bit;
    if (word != 3 && entry.words[word] != value) entry.routed = false;
    entry.words[word] = value;
    update(entry);
}

void MsixTable::set_control(bool enabled, bool function_masked) {
    const std::lock_guard guard(mutex_);
    enabled_ = enabled;
    function_masked_ = function_masked;
    for (Entry& entry : entries_)
        update(entry);
}

// Brings the interrupt behind an unmasked entry up to date and sends what was pending. Caller holds mutex_.
void MsixTable::update(Entry& entry) {
    if (!enabled_ || function_masked_ || (entry.words[3] & masked_bit) != 0) return;
    if (!entry.interrupt) {
        auto interrupt = platform_.create_msi_vector();
        if (!interrupt) {
            log_.write(LogLevel::err, "{}: no interrupt for an MSI-X vector: {}", owner_,
                       interrupt.error().text());
            return;
        }
        entry.interrupt = std::move(*interrupt);
    }
    if (!entry.routed) {
        auto routed = entry.interrupt->set_message(entry.words[0] | std::uint64_t{entry.words[1]} << 32,
                                                   entry.words[2]);
        if (!routed) {
            log_.write(LogLevel::err, "{}: an MSI-X vector cannot be routed: {}", owner_,
                       routed.error().text());
            return;
        }
        entry.routed = true;
    }
    if (std::exchange(entry.pending, false)) send(entry);
}

// Caller holds mutex_.
void MsixTable::send(Entry& entry) {
    sent_->add();
    entry.interrupt->fire();
}

bool MsixTable::notify(std::uint32_t vector) {
    const std::lock_guard guard(mutex_);
    if (!enabled_) return false;
    if (vector >= entries_.size()) return true; // 0xffff and the like: the driver wants no interrupt
    Entry& entry = entries_[vector];
    if (function_masked_ || (entry.words[3] & masked_bit) != 0 || !entry.routed) {
        entry.pending = true;
    } else {
        send(entry);
    }
    return true;
}

MsixTable::Saved MsixTable::save() {
    const std::lock_guard guard(mutex_);
    Saved saved;
    for (const Entry& entry : entries_) {
        saved.words.insert(saved.words.end(), std::begin(entry.words), std::end(entry.words));
        saved.pending.push_back(entry.pending ? 1 : 0);
    }
    return saved;
}

bool MsixTable::load(const Saved& saved) {
    const std::lock_guard guard(mutex_);
    if (saved.words.size() != 4 * entries_.size() || saved.pending.size() != entries_.size()) return false;
    for (std::size_t i = 0; i < entries_.size(); ++i) {
        Entry& entry = entries_[i];
        std::copy_n(saved.words.begin() + static_cast<std::ptrdiff_t>(4 * i), 4, entry.words);
        entry.words[3] &= masked_bit;
        entry.pending = saved.pending[i] != 0;
        entry.routed = false;
    }
    return true;
}

void MsixTable::reset() {
    const std::lock_guard guard(mutex_);
    enabled_ = false;
    function_masked_ = false;
    for (Entry& entry : entries_)
        entry = Entry{};
}

} // namespace plugbay::core
