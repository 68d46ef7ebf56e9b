// The one header that a device's source includes.
#pragma once

#include <plugbay/device.hpp>

// The licence comes from plugbay_add_plugin(). A build id may be defined by whoever builds; left empty, the linker's
// (--build-id) tells two builds apart.
#ifndef PLUGBAY_PLUGIN_BUILD_ID
#define PLUGBAY_PLUGIN_BUILD_ID ""
#endif
#ifndef PLUGBAY_PLUGIN_LICENCE
#define PLUGBAY_PLUGIN_LICENCE ""
#endif

// Exports the device classes that follow as a plugin:
//
//     PLUGBAY_PLUGIN("acme-sensors", "1.2.0", Thermometer, Barometer)
#define PLUGBAY_PLUGIN(plugin_name, plugin_version, ...)                                                     \
    extern "C" {                                                                                             \
    [[gnu::visibility("default")]] extern const plugbay_plugin plugbay_plugin_v1;                            \
    constinit const plugbay_plugin plugbay_plugin_v1 = {                                                     \
        PLUGBAY_PLUGIN_MAGIC,                                                                                \
        sizeof(plugbay_plugin),                                                                              \
        PLUGBAY_ABI_MAJOR,                                                                                   \
        PLUGBAY_ABI_MINOR,                                                                                   \
        plugin_name,                                                                                         \
        plugin_version,                                                                                      \
        PLUGBAY_PLUGIN_BUILD_ID,                                                                             \
        PLUGBAY_PLUGIN_LICENCE,                                                                              \
        static_cast<std::uint32_t>(plugbay::detail::TypeList<__VA_ARGS__>::pointers.size()),                 \
        0,                                                                                                   \
        plugbay::detail::TypeList<__VA_ARGS__>::pointers.data(),                                             \
    };                                                                                                       \
    }
