//! Times: RFC 3339 in UTC with milliseconds, always passed in, never read from a clock inside a rule.

/// A moment, to the millisecond.
#[derive(Clone, Copy, PartialEq, Eq, PartialOrd, Ord, Hash, Debug)]
pub struct Time(jiff::Timestamp);

/// Why a text is not a time.
#[derive(Debug, thiserror::Error, PartialEq, Eq)]
#[error("expected a time in RFC 3339, such as `2026-01-31T12:00:00Z`, between the years 2000 and 9000")]
pub struct NotATime;

const MS_MIN: i64 = 946_684_800_000; // 2000-01-01
const MS_MAX: i64 = 221_845_392_000_000; // 9000-01-01

impl Time {
    /// From milliseconds since 1970, brought into the years 2000 to 9000.
    #[must_use]
    pub fn from_ms(ms: i64) -> Self {
        Self(jiff::Timestamp::from_millisecond(ms.clamp(MS_MIN, MS_MAX)).unwrap_or(jiff::Timestamp::UNIX_EPOCH))
    }

    /// Milliseconds since 1970.
    #[must_use]
    pub fn ms(self) -> i64 {
        self.0.as_millisecond()
    }

    /// Seconds since 1970, rounded down.
    #[must_use]
    pub fn seconds(self) -> i64 {
        self.ms().div_euclid(1000)
    }

    /// Hours since 1970, rounded down: the number of a UTC hour.
    #[must_use]
    pub fn hour(self) -> i64 {
        self.ms().div_euclid(3_600_000)
    }

    /// The beginning of a UTC hour, by its number.
    #[must_use]
    pub fn of_hour(hour: i64) -> Self {
        Self::from_ms(hour.saturating_mul(3_600_000))
    }

    /// This many milliseconds later (or earlier).
    #[must_use]
    pub fn plus_ms(self, ms: i64) -> Self {
        Self::from_ms(self.ms().saturating_add(ms))
    }

    /// The beginning of its month in UTC, and of the next.
    #[must_use]
    pub fn month(self) -> (Self, Self) {
        let first = self.0.to_zoned(jiff::tz::TimeZone::UTC).date().first_of_month();
        let next = first.saturating_add(jiff::Span::new().months(1));
        (Self::of_date(first), Self::of_date(next))
    }

    /// The beginning of its day in UTC, and of the next.
    #[must_use]
    pub fn day(self) -> (Self, Self) {
        const DAY_MS: i64 = 86_400_000;
        let start = self.ms().div_euclid(DAY_MS) * DAY_MS;
        (Self::from_ms(start), Self::from_ms(start + DAY_MS))
    }

    fn of_date(date: jiff::civil::Date) -> Self {
        date.to_zoned(jiff::tz::TimeZone::UTC).map_or(Self::from_ms(0), |zoned| Self(zoned.timestamp()))
    }

    /// The date of an HTTP header (RFC 9110, 5.6.7), such as `Sun, 06 Nov 1994 08:49:37 GMT`.
    #[must_use]
    pub fn http_date(self) -> String {
        self.0.strftime("%a, %d %b %Y %H:%M:%S GMT").to_string()
    }
}

impl std::fmt::Display for Time {
    fn fmt(&self, f: &mut std::fmt::Formatter<'_>) -> std::fmt::Result {
        self.0.strftime("%Y-%m-%dT%H:%M:%S%.3fZ").fmt(f)
    }
}

impl std::str::FromStr for Time {
    type Err = NotATime;

    fn from_str(text: &str) -> Result<Self, NotATime> {
        let moment: jiff::Timestamp = text.parse().map_err(|_| NotATime)?;
        let ms = moment.as_millisecond();
        if (MS_MIN..=MS_MAX).contains(&ms) { Ok(Self::from_ms(ms)) } else { Err(NotATime) }
    }
}

impl serde::Serialize for Time {
    fn serialize<S: serde::Serializer>(&self, serializer: S) -> Result<S::Ok, S::Error> {
        serializer.collect_str(self)
    }
}

impl<'de> serde::Deserialize<'de> for Time {
    fn deserialize<D: serde::Deserializer<'de>>(deserializer: D) -> Result<Self, D::Error> {
        crate::text::parsed(deserializer)
    }
}

impl utoipa::PartialSchema for Time {
    fn schema() -> utoipa::openapi::RefOr<utoipa::openapi::Schema> {
        use utoipa::openapi::schema::{KnownFormat, ObjectBuilder, SchemaFormat, Type};
        ObjectBuilder::new()
            .schema_type(Type::String)
            .format(Some(SchemaFormat::KnownFormat(KnownFormat::DateTime)))
            .examples([serde_json::json!("2026-01-31T12:00:00.000Z")])
            .into()
    }
}

impl utoipa::ToSchema for Time {}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn times_are_utc_with_milliseconds() {
        let time: Time = "2026-02-28T23:30:00.5+01:00".parse().unwrap();
        assert_eq!(time.to_string(), "2026-02-28T22:30:00.500Z");
        assert_eq!(time.http_date(), "Sat, 28 Feb 2026 22:30:00 GMT");
        assert_eq!("1999-12-31T23:59:59Z".parse::<Time>(), Err(NotATime));
        assert_eq!("tomorrow".parse::<Time>(), Err(NotATime));
    }

    #[test]
    fn a_month_knows_its_ends() {
        let (start, end) = "2028-02-29T12:00:00Z".parse::<Time>().unwrap().month();
        assert_eq!(
            (start.to_string(), end.to_string()),
            ("2028-02-01T00:00:00.000Z".into(), "2028-03-01T00:00:00.000Z".into())
        );
    }
}
