// Where calls of the host enter a device's C++ code, and exceptions end.
#pragma once

#include <plugbay/host.hpp>
#include <plugbay/link.hpp>

#include <cstdint>
#include <exception>
#include <new>
#include <type_traits>

namespace plugbay::detail {

template <typename Device>
struct Entry {
    struct Instance {
        Host host;
        Device device;
        BlkFrontend blk_frontend{}; // of blk/1 backends: who hears of requests that on_submit threw away
    };

    static Instance& self(void* instance) { return *static_cast<Instance*>(instance); }

    // Runs `body`; what it throws becomes a status, explained to the host.
    template <typename Body>
    static plugbay_status guarded(const plugbay_host* host, Body body) noexcept {
        try {
            if constexpr (std::is_void_v<std::invoke_result_t<Body>>) {
                body();
                return PLUGBAY_OK;
            } else {
                return body();
            }
        } catch (const Failure& failure) {
            if (*failure.what() != '\0') host->set_error(host, failure.what());
            return failure.status() < 0 ? failure.status() : PLUGBAY_FAILED;
        } catch (const std::bad_alloc&) {
            host->set_error(host, "out of memory");
            return PLUGBAY_NO_MEMORY;
        } catch (const std::exception& error) {
            host->set_error(host, error.what());
            return PLUGBAY_FAILED;
        } catch (...) {
            host->set_error(host, "the device threw something that is not a std::exception");
            return PLUGBAY_FAILED;
        }
    }

    static void report(void* instance, const char* text) {
        const plugbay_host* const host = self(instance).host.raw();
        host->log(host, PLUGBAY_LOG_ERROR, text);
    }
    // For a host call that failed in a callback through which the host does not say why.
    static const char* refusal(plugbay_status status) {
        switch (status) {
        case PLUGBAY_INVALID:
            return "the host refused a call: an argument makes no sense (PLUGBAY_INVALID)";
        case PLUGBAY_TAKEN:
            return "the host refused a call: somebody else has it (PLUGBAY_TAKEN)";
        case PLUGBAY_NOT_FOUND:
            return "the host refused a call: there is no such thing (PLUGBAY_NOT_FOUND)";
        case PLUGBAY_STALE:
            return "the host refused a call: the handle's object is gone (PLUGBAY_STALE)";
        case PLUGBAY_NO_MEMORY:
            return "the host refused a call: it has nothing left to give (PLUGBAY_NO_MEMORY)";
        case PLUGBAY_FORBIDDEN:
            return "the host refused a call: not in this state or from this thread (PLUGBAY_FORBIDDEN)";
        case PLUGBAY_UNSUPPORTED:
            return "the host refused a call: it cannot do that (PLUGBAY_UNSUPPORTED)";
        default:
            return "the host refused a call (PLUGBAY_FAILED)";
        }
    }

    // The same for callbacks without a status: the exception is logged and `otherwise` returned.
    template <typename Result, typename Body>
    static Result contained(void* instance, Result otherwise, Body body) noexcept {
        try {
            return body();
        } catch (const Failure& failure) {
            report(instance, *failure.what() != '\0' ? failure.what() : refusal(failure.status()));
        } catch (const std::exception& error) {
            report(instance, error.what());
        } catch (...) {
            report(instance, "the device threw something that is not a std::exception");
        }
        return otherwise;
    }
    template <typename Body>
    static void contained(void* instance, Body body) noexcept {
        contained(instance, 0, [&] {
            body();
            return 0;
        });
    }

    // Fills a caller's struct as far as the caller knows it.
    template <typename Struct>
    static void copy_sized(Struct* target, Struct& source) {
        const std::uint32_t size = target->size < sizeof(Struct) ? target->size : sizeof(Struct);
        source.size = size;
        __builtin_memcpy(target, &source, size);
    }
};

} // namespace plugbay::detail

namespace plugbay {

// For the functions in tables of your own, which extension() gives out: calls `body` with the device that `instance`, their
// first argument, stands for. What it throws is logged, and `otherwise` returned.
template <typename Device, typename Result, typename Body>
Result enter(void* instance, Result otherwise, Body body) noexcept {
    using Entry = detail::Entry<Device>;
    return Entry::contained(instance, otherwise, [&] { return body(Entry::self(instance).device); });
}
template <typename Device, typename Body>
void enter(void* instance, Body body) noexcept {
    enter<Device>(instance, 0, [&](Device& device) {
        body(device);
        return 0;
    });
}

} // namespace plugbay
