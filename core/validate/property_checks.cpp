// Properties: what the declarations promise, the device accepts or explains.
#include "core/base/utf8.hpp"
#include "core/validate/subject.hpp"

#include <algorithm>
#include <array>
#include <limits>
#include <optional>
#include <random>

namespace plugbay::core::validation {

namespace {

using testkit::Outcome;
using testkit::Properties;

bool is_text(const plugbay_property& property) {
    return property.kind == PLUGBAY_PROPERTY_STRING || property.kind == PLUGBAY_PROPERTY_PATH;
}

// As in a machine file.
std::string written(const plugbay_property& property, std::uint64_t number) {
    switch (property.kind) {
    case PLUGBAY_PROPERTY_BOOLEAN:
        return number != 0 ? "true" : "false";
    case PLUGBAY_PROPERTY_SIGNED:
        return std::to_string(static_cast<std::int64_t>(number));
    case PLUGBAY_PROPERTY_CHOICE:
        return property.choices[number % property.choice_count];
    default:
        return std::to_string(number);
    }
}

// The values just outside of a number's range that its kind can be written as.
std::vector<std::string> outside(const plugbay_property& property) {
    std::vector<std::string> values;
    const bool is_signed = property.kind == PLUGBAY_PROPERTY_SIGNED;
    if (property.kind == PLUGBAY_PROPERTY_BOOLEAN || property.kind == PLUGBAY_PROPERTY_CHOICE) return values;
    const auto lowest = is_signed ? static_cast<std::uint64_t>(std::numeric_limits<std::int64_t>::min()) : 0;
    const auto highest = is_signed ? static_cast<std::uint64_t>(std::numeric_limits<std::int64_t>::max())
                                   : std::numeric_limits<std::uint64_t>::max();
    if (property.minimum != lowest) values.push_back(written(property, property.minimum - 1));
    if (property.maximum != highest) values.push_back(written(property, property.maximum + 1));
    return values;
}

// One device after the other on one machine, so that a refusal which leaves something behind is noticed.
class Maker {
  public:
    explicit Maker(Trial& trial) : trial_(trial), exerciser_(subject_of(trial)), plugin_(trial.file) {
        if (!exerciser_.created) throw CheckSkipped("it cannot be made; see PB-PROP-001");
        exerciser_.bench.remove("subject");
    }

    const plugbay_device_type& type() const { return *plugin_.find(trial_.type); }
    // Makes it with these values in the place of its own, and takes it away again.
    Outcome attempt(const Properties& values) {
        Properties properties = exerciser_.properties();
        for (const auto& given : values) {
            std::erase_if(properties, [&](const auto& each) { return each.first == given.first; });
            properties.push_back(given);
        }
        std::string what;
        for (const auto& [name, value] : values)
            what += (what.empty() ? "" : ", ") + name + " = " + printable_text(value, 64);
        trial_.step(what);
        Outcome outcome = exerciser_.bench.try_add(trial_.file, trial_.type, "subject", properties);
        if (outcome) exerciser_.bench.remove("subject");
        return outcome;
    }
    void expect_good_one() {
        const Outcome outcome = attempt({});
        require(static_cast<bool>(outcome),
                "after a refusal it cannot be made with good values: " + outcome.text);
    }

  private:
    Trial& trial_;
    Exerciser exerciser_;
    testkit::PluginFile plugin_;
};

void accepts_defaults(Trial& trial) {
    const Exerciser subject(subject_of(trial));
    require(static_cast<bool>(subject.created),
            "it refuses " + std::string(trial.properties.empty() ? "its defaults: " : "these values: ") +
                subject.created.text);
}

void has_true_ranges(Trial& trial) {
    Maker maker(trial);
    for (std::uint32_t i = 0; i < maker.type().property_count; ++i) {
        const plugbay_property& property = *maker.type().properties[i];
        if (is_text(property)) continue;
        for (const std::uint64_t end : {property.minimum, property.maximum}) {
            const Outcome outcome = maker.attempt({{property.name, written(property, end)}});
            if (outcome) continue;
            trial.warning(std::string("property \"") + property.name + "\": " + written(property, end) +
                          " is in its range, and refused: " + printable_text(outcome.text, 256));
            maker.expect_good_one();
        }
        for (const std::string& value : outside(property))
            require(!maker.attempt({{property.name, value}}), std::string("property \"") + property.name +
                                                                  "\": " + value +
                                                                  " is out of its range, and accepted");
        for (const char* value :
             {"", "nonsense", "1.5", "0x", "--1", "1e400", "99999999999999999999999999"}) {
            const bool named =
                property.kind == PLUGBAY_PROPERTY_CHOICE &&
                std::any_of(property.choices, property.choices + property.choice_count,
                            [&](const char* choice) { return std::string_view(choice) == value; });
            require(named || !maker.attempt({{property.name, value}}),
                    std::string("property \"") + property.name + "\": \"" + value + "\" is accepted");
        }
    }
}

void survives_any_numbers(Trial& trial) {
    Maker maker(trial);
    std::mt19937_64 random(trial.seed);
    constexpr int rounds = 30;
    for (int round = 0; round < rounds; ++round) {
        Properties values;
        for (std::uint32_t i = 0; i < maker.type().property_count; ++i) {
            const plugbay_property& property = *maker.type().properties[i];
            const std::uint64_t drawn = random();
            if (is_text(property) || drawn % 3 == 0) continue;
            const std::uint64_t width = property.maximum - property.minimum;
            // Small numbers are as likely as large ones.
            const std::uint64_t number = random() >> (drawn % 64);
            values.emplace_back(
                property.name,
                written(property,
                        property.minimum + (width == ~std::uint64_t{0} ? number : number % (width + 1))));
        }
        if (!values.empty() && !maker.attempt(values)) maker.expect_good_one();
    }
}

void survives_any_text(Trial& trial) {
    Maker maker(trial);
    for (std::uint32_t i = 0; i < maker.type().property_count; ++i) {
        const plugbay_property& property = *maker.type().properties[i];
        // A path that may be written to is not invented.
        if (property.kind != PLUGBAY_PROPERTY_STRING) continue;
        std::vector<std::string> texts{"",  " ",  "%s%n%s%n", "\xff\xfe", "a\nb",   "../../../../etc/passwd",
                                       "0", "-1", "subject",  ":::::",    "a,b,c=d"};
        for (const std::uint64_t length : {property.minimum, property.maximum})
            texts.emplace_back(std::min<std::uint64_t>(length, 65536), 'x');
        for (const std::string& text : texts) {
            if (!maker.attempt({{property.name, text}})) maker.expect_good_one();
        }
    }
}

constexpr std::array list{
    Check{"PB-PROP-001", "it can be made with its defaults",
          "give values with --set NAME=VALUE if no default can do, and say in the property's help what is "
          "needed",
          Check::Scope::type, accepts_defaults},
    Check{"PB-PROP-002", "the ranges of its properties are true", "declare the range that create accepts",
          Check::Scope::type, has_true_ranges},
    Check{"PB-PROP-003", "any numbers are accepted, or refused in words",
          "check in create what ranges cannot say, set an error text, and give back what was obtained",
          Check::Scope::type, survives_any_numbers},
    Check{"PB-PROP-004", "any text is accepted, or refused in words",
          "texts come from people: check them in create and copy what outlives it", Check::Scope::type,
          survives_any_text},
};

} // namespace

std::span<const Check> property_checks() {
    return list;
}

} // namespace plugbay::core::validation
