// Dates of the proleptic Gregorian calendar, without time zones or leap seconds.
#pragma once

#include <cstdint>

struct CalendarTime {
    std::int64_t year;    // 0 to 9999
    unsigned month;       // 1 to 12
    unsigned day;         // 1 to 31
    unsigned day_of_week; // 0: Sunday
    unsigned hour, minute, second;
};

// Seconds since 1970-01-01 00:00:00; a day past the month's end counts on into the next month.
std::int64_t to_seconds(const CalendarTime& time);
CalendarTime to_calendar(std::int64_t seconds);

// An alarm's hour, minute or second.
struct AlarmField {
    enum class Kind : std::uint8_t { exactly, any, never } kind;
    unsigned value;

    [[nodiscard]] bool matches(std::int64_t number) const {
        return kind == Kind::any || (kind == Kind::exactly && number == value);
    }
};
struct Alarm {
    AlarmField hour, minute, second;
};

// The first second after `seconds` at which the alarm goes off; -1: never does.
std::int64_t next_alarm(const Alarm& alarm, std::int64_t seconds);
