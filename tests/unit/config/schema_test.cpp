#include "core/config/schema.hpp"

#include "core/config/machine_keys.hpp"
#include "tests/unit/config/config_fixture.hpp"

#include <gmock/gmock.h>
#include <nlohmann/json.hpp>

namespace plugbay::core {
namespace {

using namespace test;
using nlohmann::ordered_json;

TEST(Schema, TopLevelComesFromTheDeclarations) {
    const auto schema = machine_schema(make_catalog());
    EXPECT_EQ(schema["$schema"], "https://json-schema.org/draft/2020-12/schema");
    EXPECT_EQ(schema["required"], ordered_json::array({"boot"}));
    EXPECT_EQ(schema["additionalProperties"], false);
    for (const auto& key : machine_declaration().members) {
        EXPECT_TRUE(schema["properties"].contains(key.value.name)) << key.value.name;
    }
    EXPECT_EQ(schema["properties"]["memory"]["default"], "256M");
    EXPECT_EQ(schema["properties"]["cpus"]["oneOf"][0],
              ordered_json::parse(R"({"type":"integer","minimum":1,"maximum":16})"));
    EXPECT_EQ(schema["properties"]["on_reset"]["enum"], ordered_json::array({"restart", "exit"}));
    EXPECT_EQ(schema["properties"]["boot"]["required"], ordered_json::array({"kernel"}));
    EXPECT_EQ(schema["properties"]["devices"]["items"]["$ref"], "#/$defs/device");
}

TEST(Schema, DevicesAreToldApartByType) {
    const auto schema = machine_schema(make_catalog());
    const auto& device = schema["$defs"]["device"];
    EXPECT_EQ(device["properties"]["type"]["enum"].size(), 7U); // without the unavailable one
    EXPECT_EQ(device["allOf"][3],
              ordered_json::parse(R"({"if":{"properties":{"type":{"const":"disk-file"}}},)"
                                  R"("then":{"$ref":"#/$defs/types/disk-file"}})"));
    const auto& disk = schema["$defs"]["types"]["disk-file"];
    EXPECT_EQ(disk["required"], ordered_json::array({"type", "id", "path", "frontend"}));
    EXPECT_EQ(disk["additionalProperties"], false);
    EXPECT_EQ(disk["properties"]["read_only"], ordered_json::parse(R"({"type":"boolean","default":false})"));
    EXPECT_EQ(disk["properties"]["priority"]["oneOf"][0]["minimum"], -20);
    const auto& frontend = schema["$defs"]["types"]["char-stdio"]["properties"]["frontend"];
    EXPECT_TRUE(frontend["properties"].contains("parity"));
    EXPECT_EQ(frontend["required"], ordered_json::array({"id"}));
    EXPECT_FALSE(disk["properties"]["frontend"]["properties"].contains("parity"));
    EXPECT_EQ(schema["$defs"]["types"]["char-filter"]["required"], ordered_json::array({"type", "id"}));
}

TEST(Schema, AnEmptyCatalogGivesASchemaToo) {
    const auto schema = machine_schema(ListCatalog({}));
    EXPECT_TRUE(schema["$defs"]["types"].empty());
    EXPECT_FALSE(schema["$defs"]["device"].contains("allOf"));
}

} // namespace
} // namespace plugbay::core
