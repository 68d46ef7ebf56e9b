#include "tests/regression/failing_allocation.hpp"

#include <cstdlib>
#include <new>

namespace plugbay::core {

namespace {

thread_local long countdown = 0; // 0: nothing fails

void* allocate(std::size_t size) {
    if (countdown > 0 && --countdown == 0) throw std::bad_alloc();
    if (void* const memory = std::malloc(size != 0 ? size : 1)) return memory;
    throw std::bad_alloc();
}

} // namespace

FailingAllocation::FailingAllocation(long nth) {
    countdown = nth;
}
FailingAllocation::~FailingAllocation() {
    countdown = 0;
}

} // namespace plugbay::core

void* operator new(std::size_t size) {
    return plugbay::core::allocate(size);
}
void* operator new[](std::size_t size) {
    return plugbay::core::allocate(size);
}
void operator delete(void* memory) noexcept {
    std::free(memory);
}
void operator delete[](void* memory) noexcept {
    std::free(memory);
}
void operator delete(void* memory, std::size_t) noexcept {
    std::free(memory);
}
void operator delete[](void* memory, std::size_t) noexcept {
    std::free(memory);
}
