#include "core/config/schema.hpp"

#include "core/config/device_reader.hpp"
#include "core/config/machine_keys.hpp"
#include "core/config/value_reader.hpp"

#include <plugbay/abi/plugin.h>

#include <nlohmann/json.hpp>

#include <algorithm>

namespace plugbay::core {
namespace {

using Json = nlohmann::ordered_json;
using Shape = KeyDeclaration::Shape;

Json integer_schema(const PropertyDescription& property, std::string pattern) {
    Json integer{{"type", "integer"}};
    if (property.kind == PLUGBAY_PROPERTY_SIGNED) {
        integer["minimum"] = static_cast<std::int64_t>(property.minimum);
        integer["maximum"] = static_cast<std::int64_t>(property.maximum);
    } else {
        integer["minimum"] = property.minimum;
        integer["maximum"] = property.maximum;
    }
    return {{"oneOf", {integer, {{"type", "string"}, {"pattern", std::move(pattern)}}}}};
}

Json value_schema(const PropertyDescription& property) {
    switch (property.kind) {
    case PLUGBAY_PROPERTY_BOOLEAN:
        return {{"type", "boolean"}};
    case PLUGBAY_PROPERTY_UNSIGNED:
        return integer_schema(property, "^(0[xX][0-9a-fA-F]+|0|[1-9][0-9]*)$");
    case PLUGBAY_PROPERTY_SIGNED:
        return integer_schema(property, "^-?(0[xX][0-9a-fA-F]+|0|[1-9][0-9]*)$");
    case PLUGBAY_PROPERTY_SIZE:
        return integer_schema(property, "^(0|[1-9][0-9]*)[KMGT]?$");
    case PLUGBAY_PROPERTY_CHOICE:
        return {{"type", "string"}, {"enum", property.choices}};
    default: {
        // JSON Schema counts characters where the declaration counts bytes: never fewer bytes than
        // characters, so the maximum carries over, and of the minimum only "not empty".
        Json text{{"type", "string"}};
        if (property.minimum > 0) text["minLength"] = 1;
        if (property.maximum > 0) text["maxLength"] = property.maximum;
        return text;
    }
    }
}

Json default_json(const PropertyDescription& property) {
    switch (property.kind) {
    case PLUGBAY_PROPERTY_BOOLEAN:
        return property.default_number != 0;
    case PLUGBAY_PROPERTY_UNSIGNED:
        return property.default_number;
    case PLUGBAY_PROPERTY_SIGNED:
        return static_cast<std::int64_t>(property.default_number);
    default:
        return value_words(property, property.default_number, property.default_text);
    }
}

Json property_schema(const PropertyDescription& property) {
    auto schema = value_schema(property);
    if (!property.help.empty()) schema["description"] = property.help;
    if ((property.flags & PLUGBAY_PROPERTY_REQUIRED) == 0) {
        auto standard = default_json(property);
        if (standard != "") schema["default"] = std::move(standard);
    }
    return schema;
}

// An object that has the properties added to it and no others.
struct ObjectSchema {
    Json properties = Json::object();
    Json required = Json::array();

    void add(const PropertyDescription& property, Json schema) {
        properties[property.name] = std::move(schema);
        if ((property.flags & PLUGBAY_PROPERTY_REQUIRED) != 0) required.push_back(property.name);
    }
    [[nodiscard]] Json json() const {
        Json result{{"type", "object"}, {"properties", properties}};
        if (!required.empty()) result["required"] = required;
        result["additionalProperties"] = false;
        return result;
    }
};

Json key_schema(const KeyDeclaration& key) {
    Json schema;
    switch (key.shape) {
    case Shape::value:
        return property_schema(key.value);
    case Shape::list:
        schema = {{"type", "array"}, {"items", value_schema(key.value)}};
        break;
    case Shape::objects:
        schema = {{"type", "array"}, {"maxItems", maximum_devices}, {"items", {{"$ref", "#/$defs/device"}}}};
        break;
    case Shape::object: {
        ObjectSchema object;
        for (const auto& member : key.members)
            object.add(member.value, key_schema(member));
        schema = object.json();
        break;
    }
    }
    schema["description"] = key.value.help;
    return schema;
}

class SchemaWriter {
  public:
    explicit SchemaWriter(const TypeCatalog& catalog) {
        for (const auto& known : catalog.known_types()) {
            if (const auto* const type = catalog.find(known.name)) types_.push_back(type);
        }
    }

    [[nodiscard]] Json machine() const {
        Json schema{{"$schema", "https://json-schema.org/draft/2020-12/schema"},
                    {"title", "Plugbay machine file"}};
        const auto keys = key_schema(machine_declaration());
        for (const auto& [name, value] : keys.items())
            schema[name] = value;
        schema["$defs"] = definitions();
        return schema;
    }

  private:
    const KeyDeclaration& keys_ = machine_declaration().member("devices");

    [[nodiscard]] Json definitions() const {
        Json names = Json::array();
        Json rules = Json::array();
        Json types = Json::object();
        for (const auto* const type : types_) {
            names.push_back(type->name);
            rules.push_back({{"if", {{"properties", {{"type", {{"const", type->name}}}}}}},
                             {"then", {{"$ref", "#/$defs/types/" + type->name}}}});
            types[type->name] = device(*type);
        }
        ObjectSchema any;
        any.add(keys_.member("type").value,
                {{"type", "string"}, {"enum", names}, {"description", keys_.member("type").value.help}});
        any.add(keys_.member("id").value, id());
        Json all{{"type", "object"}, {"properties", any.properties}, {"required", any.required}};
        if (!rules.empty()) all["allOf"] = rules;
        return {{"device", all}, {"types", types}};
    }

    [[nodiscard]] Json id() const {
        return {{"type", "string"},
                {"pattern", "^[A-Za-z0-9._-]{1,64}$"},
                {"description", keys_.member("id").value.help}};
    }

    [[nodiscard]] Json device(const TypeDescription& type) const {
        ObjectSchema object;
        object.add(keys_.member("type").value, {{"const", type.name}});
        object.add(keys_.member("id").value, id());
        for (const auto& property : type.properties)
            object.add(property, property_schema(property));
        bool is_needed = false;
        std::vector<std::string> interfaces;
        for (const auto& port : type.ports) {
            if (port.role != PLUGBAY_PORT_BACKEND) continue;
            interfaces.push_back(port.interface);
            is_needed = is_needed || (port.flags & PLUGBAY_PORT_OPTIONAL) == 0;
        }
        if (!interfaces.empty()) {
            auto declaration = keys_.member("frontend").value;
            if (is_needed) declaration.flags |= PLUGBAY_PROPERTY_REQUIRED;
            object.add(declaration, frontend(interfaces));
        }
        auto schema = object.json();
        schema["description"] = type.help;
        return schema;
    }

    // Which frontend will be named is not known here, so each one's options of these interfaces are allowed.
    [[nodiscard]] Json frontend(const std::vector<std::string>& interfaces) const {
        const auto& key = keys_.member("frontend");
        ObjectSchema object;
        object.add(key.member("id").value, property_schema(key.member("id").value));
        std::vector<std::pair<std::string, std::vector<Json>>> options;
        for (const auto* const type : types_) {
            for (const auto& port : type->ports) {
                if (port.role != PLUGBAY_PORT_FRONTEND ||
                    std::ranges::find(interfaces, port.interface) == interfaces.end()) {
                    continue;
                }
                for (const auto& option : port.options)
                    add_variant(options, option);
            }
        }
        for (auto& [name, variants] : options) {
            object.properties[name] = variants.size() == 1 ? variants.front() : Json{{"anyOf", variants}};
        }
        auto schema = object.json();
        schema["description"] = key.value.help;
        return schema;
    }

    static void add_variant(std::vector<std::pair<std::string, std::vector<Json>>>& options,
                            const PropertyDescription& option) {
        auto schema = property_schema(option);
        auto known = std::ranges::find(options, option.name, [](const auto& entry) { return entry.first; });
        if (known == options.end()) known = options.insert(options.end(), {option.name, {}});
        if (std::ranges::find(known->second, schema) == known->second.end())
            known->second.push_back(std::move(schema));
    }

    std::vector<const TypeDescription*> types_;
};

} // namespace

nlohmann::ordered_json machine_schema(const TypeCatalog& catalog) {
    return SchemaWriter(catalog).machine();
}

} // namespace plugbay::core
