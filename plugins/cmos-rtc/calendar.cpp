#include "calendar.hpp"

namespace {

constexpr std::int64_t seconds_a_day = 86400;
constexpr std::int64_t days_an_era = 146097;  // 400 years
constexpr std::int64_t days_to_1970 = 719468; // from 0000-03-01

std::int64_t floor_divide(std::int64_t number, std::int64_t by) {
    return number / by - (number % by < 0 ? 1 : 0);
}

} // namespace

// Years are counted from March, so that the leap day comes last.
std::int64_t to_seconds(const CalendarTime& time) {
    const std::int64_t year = time.month <= 2 ? time.year - 1 : time.year;
    const std::int64_t era = floor_divide(year, 400);
    const std::int64_t year_of_era = year - era * 400;
    const std::int64_t month_from_march = (time.month + 9) % 12;
    const std::int64_t day_of_year = (153 * month_from_march + 2) / 5 + time.day - 1;
    const std::int64_t day_of_era = year_of_era * 365 + year_of_era / 4 - year_of_era / 100 + day_of_year;
    const std::int64_t days = era * days_an_era + day_of_era - days_to_1970;
    return days * seconds_a_day + time.hour * 3600 + time.minute * 60 + time.second;
}

CalendarTime to_calendar(std::int64_t seconds) {
    const std::int64_t day = floor_divide(seconds, seconds_a_day);
    const auto of_day = static_cast<unsigned>(seconds - day * seconds_a_day);
    const std::int64_t shifted = day + days_to_1970;
    const std::int64_t era = floor_divide(shifted, days_an_era);
    const std::int64_t day_of_era = shifted - era * days_an_era;
    const std::int64_t year_of_era =
        (day_of_era - day_of_era / 1460 + day_of_era / 36524 - day_of_era / 146096) / 365;
    const std::int64_t day_of_year = day_of_era - (365 * year_of_era + year_of_era / 4 - year_of_era / 100);
    const std::int64_t month_from_march = (5 * day_of_year + 2) / 153;
    CalendarTime time{};
    time.day = static_cast<unsigned>(day_of_year - (153 * month_from_march + 2) / 5 + 1);
    time.month = static_cast<unsigned>(month_from_march < 10 ? month_from_march + 3 : month_from_march - 9);
    time.year = year_of_era + era * 400 + (time.month <= 2 ? 1 : 0);
    time.day_of_week = static_cast<unsigned>((day % 7 + 11) % 7); // 1970-01-01 was a Thursday
    time.hour = of_day / 3600;
    time.minute = of_day / 60 % 60;
    time.second = of_day % 60;
    return time;
}

// Skips whole hours and minutes that do not match: at most 24 + 60 + 60 steps.
std::int64_t next_alarm(const Alarm& alarm, std::int64_t seconds) {
    using enum AlarmField::Kind;
    if (alarm.hour.kind == never || alarm.minute.kind == never || alarm.second.kind == never) return -1;
    std::int64_t time = seconds + 1;
    for (int steps = 0; steps < 256; ++steps) {
        const std::int64_t of_day = time - floor_divide(time, seconds_a_day) * seconds_a_day;
        if (!alarm.hour.matches(of_day / 3600))
            time += 3600 - of_day % 3600;
        else if (!alarm.minute.matches(of_day / 60 % 60))
            time += 60 - of_day % 60;
        else if (!alarm.second.matches(of_day % 60))
            ++time;
        else
            return time;
    }
    return -1;
}
