// A device's jobs for the worker threads; see abi/worker.h.
#pragma once

#include "core/base/result.hpp"
#include "core/device/device.hpp"
#include "core/device/loop_signal.hpp"
#include "core/device/resource_table.hpp"
#include "core/io/worker_pool.hpp"

#include <condition_variable>
#include <cstdint>
#include <deque>
#include <memory>
#include <mutex>

namespace plugbay::core {

class WorkQueue : public Resource {
  public:
    static constexpr ResourceKind resource_kind = ResourceKind::work_queue;

    [[nodiscard]] static Result<std::unique_ptr<WorkQueue>> create(Device& device, std::uint32_t capacity);
    // Forgets jobs that have not begun and waits for the others.
    ~WorkQueue() override;
    [[nodiscard]] ResourceKind kind() const override { return resource_kind; }
    [[nodiscard]] std::string describe() const override;
    void move(IoLoop& loop) override;

    // Thread: any. False: full.
    [[nodiscard]] bool submit(std::uint64_t token);

  private:
    class Jobs;
    explicit WorkQueue(std::shared_ptr<Jobs> jobs) : jobs_(std::move(jobs)) {}
    std::shared_ptr<Jobs> jobs_;
};

} // namespace plugbay::core
