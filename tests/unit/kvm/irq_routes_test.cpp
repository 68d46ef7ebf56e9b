#include "core/kvm/irq_routes.hpp"

#include <gtest/gtest.h>

#include <algorithm>
#include <set>

namespace plugbay::core {
namespace {

using Target = IrqRoute::Target;

const IrqRoute* route_of(const std::vector<IrqRoute>& routes, std::uint32_t gsi, Target target) {
    const auto found = std::find_if(routes.begin(), routes.end(), [&](const IrqRoute& route) {
        return route.gsi == gsi && route.target == target;
    });
    return found == routes.end() ? nullptr : &*found;
}

TEST(IrqRoutes, FixedRoutesAreThoseOfAPc) {
    const auto routes = IrqRoutes().entries();
    EXPECT_EQ(route_of(routes, 0, Target::ioapic)->pin, 2U) << "the timer, as in ACPI's interrupt override";
    EXPECT_EQ(route_of(routes, 0, Target::pic_master)->pin, 0U);
    EXPECT_EQ(route_of(routes, 4, Target::ioapic)->pin, 4U);
    EXPECT_EQ(route_of(routes, 12, Target::pic_slave)->pin, 4U);
    EXPECT_EQ(route_of(routes, 16, Target::pic_slave), nullptr);
    EXPECT_EQ(route_of(routes, 23, Target::ioapic)->pin, 23U);
    EXPECT_EQ(route_of(routes, 2, Target::ioapic), nullptr);
    EXPECT_EQ(route_of(routes, 2, Target::pic_master), nullptr);
}

TEST(IrqRoutes, NoPinHasTwoGsis) {
    std::set<std::pair<Target, std::uint32_t>> pins;
    for (const auto& route : IrqRoutes().entries()) {
        EXPECT_TRUE(pins.emplace(route.target, route.pin).second) << route.gsi;
    }
}

TEST(IrqRoutes, AnAllocatedGsiHasNoRouteUntilItHasAMessage) {
    IrqRoutes routes;
    const auto gsi = routes.allocate();
    ASSERT_TRUE(gsi);
    EXPECT_EQ(*gsi, first_msi_gsi);
    EXPECT_FALSE(routes.message(*gsi));
    EXPECT_EQ(route_of(routes.entries(), *gsi, Target::msi), nullptr);

    const MsiMessage message{0xFEE01000, 0x41};
    EXPECT_TRUE(routes.set_message(*gsi, message));
    EXPECT_FALSE(routes.set_message(*gsi, message)) << "nothing changed";
    EXPECT_EQ(route_of(routes.entries(), *gsi, Target::msi)->message, message);

    EXPECT_TRUE(routes.clear_message(*gsi));
    EXPECT_FALSE(routes.clear_message(*gsi));
    EXPECT_TRUE(routes.allocated(*gsi));
    EXPECT_EQ(route_of(routes.entries(), *gsi, Target::msi), nullptr);
}

TEST(IrqRoutes, ReleasedGsisAreHandedOutAgainWithoutTheirMessage) {
    IrqRoutes routes;
    const auto first = *routes.allocate();
    const auto second = *routes.allocate();
    EXPECT_NE(first, second);
    EXPECT_TRUE(routes.set_message(first, {1, 2}));
    routes.release(first);
    EXPECT_FALSE(routes.allocated(first));
    routes.committed();
    EXPECT_EQ(*routes.allocate(), first);
    EXPECT_FALSE(routes.message(first));
}

TEST(IrqRoutes, AGsiThatKvmMayStillRouteIsHandedOutOnlyAfterACommit) {
    IrqRoutes routes;
    const auto routed = *routes.allocate();
    const auto bare = *routes.allocate();
    EXPECT_TRUE(routes.set_message(routed, {1, 2}));
    routes.release(routed);
    EXPECT_FALSE(routes.allocated(routed));
    EXPECT_EQ(route_of(routes.entries(), routed, Target::msi), nullptr) << "the next commit drops it";
    EXPECT_FALSE(routes.set_message(routed, {3, 4}));
    routes.release(bare); // never had a route
    EXPECT_EQ(*routes.allocate(), bare);
    EXPECT_EQ(*routes.allocate(), bare + 1);
    routes.committed();
    EXPECT_EQ(*routes.allocate(), routed);
}

TEST(IrqRoutes, GsisThatWereNotAllocatedAreRefused) {
    IrqRoutes routes;
    EXPECT_FALSE(routes.set_message(4, {1, 2}));
    EXPECT_FALSE(routes.set_message(first_msi_gsi, {1, 2}));
    EXPECT_FALSE(routes.set_message(0xFFFF'FFFF, {1, 2}));
    routes.release(0xFFFF'FFFF);
    routes.release(0);
}

TEST(IrqRoutes, RunsOutWithAnError) {
    IrqRoutes routes;
    for (std::size_t i = 0; i < IrqRoutes::max_msi_routes; ++i)
        ASSERT_TRUE(routes.allocate());
    const auto more = routes.allocate();
    ASSERT_FALSE(more);
    EXPECT_FALSE(more.error().hint.empty());
}

} // namespace
} // namespace plugbay::core
