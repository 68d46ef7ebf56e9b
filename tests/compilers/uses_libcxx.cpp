// Whether libc++ is installed.
#include <cstddef>

#ifndef _LIBCPP_VERSION
#error "the standard library is not libc++"
#endif
