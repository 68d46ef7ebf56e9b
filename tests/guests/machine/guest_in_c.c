/* A guest in C, with the header that guests get. In its own section, so that it can be copied: nothing in it may depend
 * on where it lies, so all of the header is inlined. Ends the machine with the number of the check that failed, or 0. */
#include <plugbay/guest/hypercall.h>

__attribute__((section("plugbay_guest_c"), used, noinline, flatten, noreturn)) void guest_in_c(void) {
    uint8_t failed = 1;
    const uint16_t port = plugbay_hypercall_port();
    if (port != 0) {
        ++failed;
        if (plugbay_hypercall(port, 0, 0, 0, 0, 0) == 1) {
            ++failed;
            if (plugbay_hypercall(port, 0x100, 1, 20, 300, 4000) == 4321) {
                ++failed;
                if (plugbay_hypercall(port, 0x999, 0, 0, 0, 0) == PLUGBAY_GUEST_CALL_UNKNOWN) {
                    ++failed;
                    if (plugbay_hypercall(port, 0x102, 0, 0, 0, 0) == PLUGBAY_GUEST_CALL_FAILED) failed = 0;
                }
            }
        }
    }
    for (;;)
        __asm__ volatile("outb %%al, $0xf4; hlt" : : "a"(failed));
}
