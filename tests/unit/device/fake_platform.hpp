// The hypervisor's side of the device manager, made of plain memory: what was asked of it can be looked at.
#pragma once

#include "core/device/platform.hpp"

#include <algorithm>
#include <cstdint>
#include <memory>
#include <mutex>
#include <optional>
#include <sys/eventfd.h>
#include <utility>
#include <vector>

namespace plugbay::core {

class FakePlatform : public Platform {
  public:
    struct Message {
        std::uint64_t address;
        std::uint32_t data;
        bool operator==(const Message&) const = default;
    };

    [[nodiscard]] std::span<const OwnRange> own_ranges() const override { return own; }
    void set_line(std::uint32_t gsi, bool high) override {
        const std::lock_guard guard(mutex_);
        levels_.emplace_back(gsi, high);
    }
    [[nodiscard]] Result<std::unique_ptr<MsiVector>> create_msi_vector() override {
        return std::unique_ptr<MsiVector>(std::make_unique<Vector>(*this));
    }
    [[nodiscard]] Result<std::unique_ptr<DoorbellLatch>>
    latch_doorbell(const LatchRequest& request) override {
        const std::lock_guard guard(mutex_);
        if (refuse_latches) return Error{"no latches here"};
        latches_.push_back(request);
        ++all_latches_;
        return std::unique_ptr<DoorbellLatch>(std::make_unique<Latch>(*this, request));
    }

    [[nodiscard]] Result<std::unique_ptr<PlatformMemory>>
    map_memory(const MemorySlotRequest& request) override {
        if (refuse_memory) return Error{"no memory here"};
        memories.push_back(request);
        return std::unique_ptr<PlatformMemory>(std::make_unique<Memory>(*this, request));
    }
    [[nodiscard]] Result<void> watch_ram(std::span<const WatchedRam> wanted) override {
        if (refuse_memory) return Error{"no watches here"};
        watched.assign(wanted.begin(), wanted.end());
        return {};
    }
    [[nodiscard]] Result<void> intercept_msrs(std::span<const MsrInterception> wanted) override {
        if (refuse_msrs) return Error{"no MSRs here"};
        interceptions.assign(wanted.begin(), wanted.end());
        return {};
    }

    // The level last driven, or none.
    [[nodiscard]] std::optional<bool> level(std::uint32_t gsi) const {
        const std::lock_guard guard(mutex_);
        std::optional<bool> last;
        for (const auto& [line, high] : levels_)
            if (line == gsi) last = high;
        return last;
    }
    [[nodiscard]] std::vector<std::pair<std::uint32_t, bool>> levels() const {
        const std::lock_guard guard(mutex_);
        return levels_;
    }
    [[nodiscard]] std::vector<Message> messages() const {
        const std::lock_guard guard(mutex_);
        return messages_;
    }
    // Those that are there, and how many ever were.
    [[nodiscard]] std::size_t all_latches() const {
        const std::lock_guard guard(mutex_);
        return all_latches_;
    }
    [[nodiscard]] std::vector<LatchRequest> latches() const {
        const std::lock_guard guard(mutex_);
        return latches_;
    }
    [[nodiscard]] int vectors() const {
        const std::lock_guard guard(mutex_);
        return vectors_;
    }
    // As a guest write; false when no latch is there.
    bool ring(std::uint64_t address) {
        const std::lock_guard guard(mutex_);
        const auto found = std::find_if(latches_.begin(), latches_.end(),
                                        [&](const auto& each) { return each.address == address; });
        if (found == latches_.end()) return false;
        return ::eventfd_write(found->eventfd, 1) == 0;
    }

    bool refuse_latches = false;
    bool refuse_msrs = false;
    bool refuse_memory = false;
    bool refuse_unmap = false;
    std::vector<OwnRange> own;                  // what the hypervisor keeps for itself
    std::vector<MemorySlotRequest> memories;    // mapped now
    std::vector<WatchedRam> watched;            // now
    std::vector<MsrInterception> interceptions; // the last that were asked for

  private:
    class Memory : public PlatformMemory {
      public:
        Memory(FakePlatform& platform, const MemorySlotRequest& request)
            : platform_(platform), request_(request) {}
        [[nodiscard]] Result<void> unmap() override {
            if (platform_.refuse_unmap) return Error{"no way back here"};
            std::erase(platform_.memories, request_);
            return {};
        }
        [[nodiscard]] Result<std::vector<std::uint64_t>> take_dirty() override {
            if (!request_.log_dirty) return Error{"not logged"};
            return std::vector<std::uint64_t>{5};
        }

      private:
        FakePlatform& platform_;
        const MemorySlotRequest request_;
    };
    class Vector : public MsiVector {
      public:
        explicit Vector(FakePlatform& platform) : platform_(platform) {
            const std::lock_guard guard(platform_.mutex_);
            ++platform_.vectors_;
        }
        ~Vector() override {
            const std::lock_guard guard(platform_.mutex_);
            --platform_.vectors_;
        }
        Result<void> set_message(std::uint64_t address, std::uint32_t data) override {
            message_ = {address, data};
            return {};
        }
        void fire() override {
            const std::lock_guard guard(platform_.mutex_);
            platform_.messages_.push_back(message_);
        }

      private:
        FakePlatform& platform_;
        Message message_{};
    };
    class Latch : public DoorbellLatch {
      public:
        Latch(FakePlatform& platform, const LatchRequest& request) : platform_(platform), request_(request) {}
        ~Latch() override {
            const std::lock_guard guard(platform_.mutex_);
            const auto same = [&](const LatchRequest& each) {
                return each.address == request_.address && each.eventfd == request_.eventfd;
            };
            platform_.latches_.erase(
                std::find_if(platform_.latches_.begin(), platform_.latches_.end(), same));
        }

      private:
        FakePlatform& platform_;
        const LatchRequest request_;
    };

    mutable std::mutex mutex_; // for what follows
    std::vector<std::pair<std::uint32_t, bool>> levels_;
    std::vector<Message> messages_;
    std::vector<LatchRequest> latches_;
    std::size_t all_latches_ = 0;
    int vectors_ = 0;
};

} // namespace plugbay::core
