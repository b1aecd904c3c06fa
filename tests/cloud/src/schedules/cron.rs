//! AWS's cron: minutes, hours, day of month, month, day of week (1 = Sunday), year.

use jiff::Timestamp;
use jiff::tz::TimeZone;

const MONTHS: [&str; 12] = ["JAN", "FEB", "MAR", "APR", "MAY", "JUN", "JUL", "AUG", "SEP", "OCT", "NOV", "DEC"];
const DAYS: [&str; 7] = ["SUN", "MON", "TUE", "WED", "THU", "FRI", "SAT"];

/// A parsed expression: for each field the values that match.
#[derive(Clone, Debug)]
pub(crate) struct Cron([Vec<u16>; 6]);

impl Cron {
    /// Parses the inside of `cron(…)`. `L`, `W` and `#` are not played.
    pub(crate) fn parse(text: &str) -> Result<Self, String> {
        let fields: Vec<&str> = text.split_whitespace().collect();
        let [minute, hour, day, month, weekday, year] = fields.as_slice() else {
            return Err(format!("cron({text}) needs six fields"));
        };
        Ok(Self([
            field(minute, 0, 59, &[])?,
            field(hour, 0, 23, &[])?,
            field(day, 1, 31, &[])?,
            field(month, 1, 12, &MONTHS)?,
            field(weekday, 1, 7, &DAYS)?,
            field(year, 1970, 2199, &[])?,
        ]))
    }

    /// Whether the minute of this time matches.
    pub(crate) fn matches(&self, time: &Timestamp) -> bool {
        let time = time.to_zoned(TimeZone::UTC);
        let now = [
            i16::from(time.minute()),
            i16::from(time.hour()),
            i16::from(time.day()),
            i16::from(time.month()),
            i16::from(time.weekday().to_sunday_one_offset()),
            time.year(),
        ];
        self.0.iter().zip(now).all(|(wanted, now)| u16::try_from(now).is_ok_and(|now| wanted.contains(&now)))
    }
}

fn field(text: &str, first: u16, last: u16, names: &[&str]) -> Result<Vec<u16>, String> {
    let wrong = || format!("{text} is not played in a cron expression");
    let value = |text: &str| {
        let listed = names
            .iter()
            .position(|name| name.eq_ignore_ascii_case(text))
            .and_then(|index| u16::try_from(index + 1).ok());
        listed.or_else(|| text.parse().ok()).filter(|value| (first..=last).contains(value)).ok_or_else(wrong)
    };
    let mut values = Vec::new();
    for part in text.split(',') {
        let (range, step) = match part.split_once('/') {
            Some((range, step)) => (range, step.parse::<u16>().ok().filter(|step| *step > 0).ok_or_else(wrong)?),
            None => (part, 1),
        };
        let (from, to) = match range.split_once('-') {
            _ if range == "*" || range == "?" => (first, last),
            Some((from, to)) => (value(from)?, value(to)?),
            None if part.contains('/') => (value(range)?, last),
            None => (value(range)?, value(range)?),
        };
        values.extend((from..=to).step_by(usize::from(step)));
    }
    Ok(values)
}

#[cfg(test)]
mod tests {
    use super::*;

    fn matches(cron: &str, time: &str) -> bool {
        Cron::parse(cron).unwrap().matches(&time.parse().unwrap())
    }

    #[test]
    fn fields() {
        // 2026-11-22 was a Sunday.
        assert!(matches("0 2 * * ? *", "2026-11-22T02:00:30Z"));
        assert!(!matches("0 2 * * ? *", "2026-11-22T02:01:00Z"));
        assert!(matches("0/15 * ? * SUN *", "2026-11-22T10:45:00Z"));
        assert!(!matches("0/15 * ? * MON-FRI *", "2026-11-22T10:45:00Z"));
        assert!(matches("5,10 0 1 JAN,NOV ? 2026", "2026-11-01T00:10:00Z"));
    }

    #[test]
    fn what_is_not_played_is_refused() {
        for wrong in ["0 2 * * ?", "60 * * * ? *", "0 0 L * ? *", "0 0 ? * 2#1 *", "*/0 * * * ? *"] {
            assert!(Cron::parse(wrong).is_err(), "{wrong}");
        }
    }
}
