//! How far back a question goes: a parameter that functions hand on to each other.

use std::str::FromStr;

/// So many hours (`1h` to `999h`) or days (`1d` to `90d`); 30 days unless something else is said.
#[derive(Clone, Copy, PartialEq, Eq, Debug)]
pub struct Window {
    hours: i64,
}

/// Why a text is no window.
#[derive(Clone, Copy, Debug, PartialEq, Eq, thiserror::Error)]
#[error("expected hours such as `12h`, at most `999h`, or days such as `30d`, at most `90d`")]
pub struct NotAWindow;

impl Window {
    /// How long it is.
    #[must_use]
    pub fn hours(self) -> i64 {
        self.hours
    }
}

impl Default for Window {
    fn default() -> Self {
        Self { hours: 30 * 24 }
    }
}

impl FromStr for Window {
    type Err = NotAWindow;

    fn from_str(text: &str) -> Result<Self, NotAWindow> {
        let number = |text: &str| {
            text.parse::<u16>().ok().filter(|_| text.bytes().next().is_some_and(|digit| (b'1'..=b'9').contains(&digit)))
        };
        let hours = match (text.strip_suffix('h').and_then(number), text.strip_suffix('d').and_then(number)) {
            (Some(hours @ 1..=999), _) => i64::from(hours),
            (_, Some(days @ 1..=90)) => i64::from(days) * 24,
            _ => return Err(NotAWindow),
        };
        Ok(Self { hours })
    }
}

impl std::fmt::Display for Window {
    fn fmt(&self, f: &mut std::fmt::Formatter<'_>) -> std::fmt::Result {
        if self.hours % 24 == 0 { write!(f, "{}d", self.hours / 24) } else { write!(f, "{}h", self.hours) }
    }
}

impl serde::Serialize for Window {
    fn serialize<S: serde::Serializer>(&self, serializer: S) -> Result<S::Ok, S::Error> {
        serializer.collect_str(self)
    }
}

impl<'de> serde::Deserialize<'de> for Window {
    fn deserialize<D: serde::Deserializer<'de>>(deserializer: D) -> Result<Self, D::Error> {
        crate::text::parsed(deserializer)
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_window_is_hours_or_days_and_is_handed_on_as_long_as_it_came() {
        let hours = |text: &str| text.parse::<Window>().map(Window::hours);
        assert_eq!(hours("30d"), Ok(720));
        assert_eq!(hours("999h"), Ok(999));
        for text in ["1h", "24h", "36h", "999h", "1d", "90d"] {
            let window: Window = text.parse().unwrap();
            assert_eq!(window.to_string().parse(), Ok(window), "{text}");
        }
        for bad in ["", "d", "0d", "91d", "1000h", "+1d", "01d", "1 d", "30", "1w"] {
            assert_eq!(hours(bad), Err(NotAWindow), "{bad}");
        }
    }
}
