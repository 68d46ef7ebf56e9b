// Makes one allocation of this thread fail, to see what becomes of a thing half made.
#pragma once

namespace plugbay::core {

// Counts allocations down from `nth` (1: the next one) and lets that one throw std::bad_alloc. One at a time.
class FailingAllocation {
  public:
    explicit FailingAllocation(long nth);
    FailingAllocation(const FailingAllocation&) = delete;
    FailingAllocation& operator=(const FailingAllocation&) = delete;
    ~FailingAllocation();
};

} // namespace plugbay::core
