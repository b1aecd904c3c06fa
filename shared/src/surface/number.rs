//! Numbers as they are written in documents: exact, whatever their size, and compared without ever being spelled out.

use std::cmp::Ordering;
use std::fmt::Write as _;

use super::Text;

/// A decimal number in canonical form, so that equal numbers are equal texts: `1`, `-0.5`, `1e+30`. `1.0`, `1e0` and `1` are all `1`.
#[derive(Clone, Debug, PartialEq, Eq, Hash)]
pub struct Decimal(pub(super) Text);

/// A number as its sign, its digits without zeros around them, and the place of the point before the first of them.
struct Parts<'a> {
    negative: bool,
    whole: &'a str,
    fraction: &'a str,
    point: i64,
}

impl Parts<'_> {
    fn digits(&self) -> impl Iterator<Item = u8> {
        self.whole.bytes().chain(self.fraction.bytes())
    }

    fn is_zero(&self) -> bool {
        self.whole.is_empty() && self.fraction.is_empty()
    }
}

/// Takes a number apart; nothing where it is none.
fn parts(text: &str) -> Option<Parts<'_>> {
    let (negative, text) = match text.strip_prefix('-') {
        Some(rest) => (true, rest),
        None => (false, text.strip_prefix('+').unwrap_or(text)),
    };
    let (mantissa, exponent) = match text.split_once(['e', 'E']) {
        Some((mantissa, exponent)) => (mantissa, exponent.parse::<i32>().ok()?),
        None => (text, 0),
    };
    let (whole, fraction) = mantissa.split_once('.').unwrap_or((mantissa, ""));
    let is_digits = |text: &str| text.bytes().all(|byte| byte.is_ascii_digit());
    if (whole.is_empty() && fraction.is_empty()) || !is_digits(whole) || !is_digits(fraction) {
        return None;
    }
    let mut point = i64::from(exponent) + i64::try_from(whole.trim_start_matches('0').len()).ok()?;
    let mut whole = whole.trim_start_matches('0');
    let mut fraction = fraction.trim_end_matches('0');
    if whole.is_empty() {
        let significant = fraction.trim_start_matches('0');
        point -= i64::try_from(fraction.len() - significant.len()).ok()?;
        fraction = significant;
    }
    if fraction.is_empty() {
        whole = whole.trim_end_matches('0');
    }
    Some(Parts { negative: negative && !(whole.is_empty() && fraction.is_empty()), whole, fraction, point })
}

impl Decimal {
    /// Reads a number as JSON or YAML write it (a hexadecimal or octal one of YAML too); nothing where the text is none, or its exponent beyond 32 bits.
    #[must_use]
    pub fn parse(text: &str) -> Option<Self> {
        for (prefix, radix) in [("0x", 16), ("0o", 8)] {
            if let Some(digits) = text.strip_prefix(prefix) {
                return u128::from_str_radix(digits, radix).ok().map(|number| Self(number.to_string().into()));
            }
        }
        let parts = parts(text)?;
        if parts.is_zero() {
            return Some(Self("0".into()));
        }
        let digits: String = parts.digits().map(char::from).collect();
        let count = i64::try_from(digits.len()).ok()?;
        let zeros = |count: i64| "0".repeat(usize::try_from(count).unwrap_or_default());
        let mut canonical = String::with_capacity(digits.len() + 8);
        if parts.negative {
            canonical.push('-');
        }
        let (head, tail) = digits.split_at_checked(usize::try_from(parts.point.clamp(0, count)).ok()?)?;
        match parts.point {
            point if !(-5..=21).contains(&point) => {
                let (first, rest) = digits.split_at_checked(1)?;
                canonical.push_str(first);
                if !rest.is_empty() {
                    canonical.push('.');
                    canonical.push_str(rest);
                }
                // Writing to a `String` cannot fail.
                let _ = write!(canonical, "e{:+}", point - 1);
            }
            point if point <= 0 => {
                canonical.push_str("0.");
                canonical.push_str(&zeros(-point));
                canonical.push_str(&digits);
            }
            point => {
                canonical.push_str(head);
                canonical.push_str(&zeros(point - count));
                if !tail.is_empty() {
                    canonical.push('.');
                    canonical.push_str(tail);
                }
            }
        }
        Some(Self(canonical.into()))
    }

    /// The canonical text.
    #[must_use]
    pub fn text(&self) -> &str {
        &self.0
    }

    /// Whether it has no fraction.
    #[must_use]
    pub fn is_whole(&self) -> bool {
        parts(&self.0).is_some_and(|parts| {
            let digits = i64::try_from(parts.whole.len() + parts.fraction.len()).unwrap_or(i64::MAX);
            parts.is_zero() || parts.point >= digits
        })
    }
}

impl PartialOrd for Decimal {
    fn partial_cmp(&self, other: &Self) -> Option<Ordering> {
        Some(self.cmp(other))
    }
}

/// By value. Exact, and without spelling the number out.
impl Ord for Decimal {
    fn cmp(&self, other: &Self) -> Ordering {
        let (Some(left), Some(right)) = (parts(&self.0), parts(&other.0)) else { return self.0.cmp(&other.0) };
        let sign = |parts: &Parts<'_>| match (parts.is_zero(), parts.negative) {
            (true, _) => 0,
            (false, true) => -1,
            (false, false) => 1,
        };
        let magnitude = || left.point.cmp(&right.point).then_with(|| left.digits().cmp(right.digits()));
        match sign(&left).cmp(&sign(&right)) {
            Ordering::Equal if sign(&left) == 0 => Ordering::Equal,
            Ordering::Equal if left.negative => magnitude().reverse(),
            Ordering::Equal => magnitude(),
            unequal => unequal,
        }
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    fn canonical(text: &str) -> String {
        Decimal::parse(text).unwrap().text().to_owned()
    }

    #[test]
    fn equal_numbers_are_equal_texts() {
        for (texts, expected) in [
            (&["1", "1.0", "1e0", "10E-1", "+1", "0x1", "0o1", "01"][..], "1"),
            (&["0", "-0", "0.000", "0e9"], "0"),
            (&["0.5", ".5", "5e-1", "0.50"], "0.5"),
            (&["-1200", "-1.2e3"], "-1200"),
            (&["1e30", "1000000000000000000000000000000"], "1e+30"),
            (&["1.5e-9", "0.0000000015"], "1.5e-9"),
            (&["123456789012345678901"], "123456789012345678901"),
            (&["0.00001"], "0.00001"),
        ] {
            for text in texts {
                assert_eq!(canonical(text), expected, "{text}");
                assert_eq!(canonical(&canonical(text)), expected);
            }
        }
        for text in ["", "-", ".", "1.2.3", "abc", ".inf", "1e", "1e99999999999", "0x", "--1"] {
            assert_eq!(Decimal::parse(text), None, "{text}");
        }
    }

    #[test]
    fn numbers_are_ordered_by_value() {
        let ordered = ["-1e30", "-2", "-1.5", "-1", "-0.1", "0", "0.1", "0.11", "0.2", "1", "9", "10", "11", "1e30"];
        for (left, a) in ordered.iter().enumerate() {
            for (right, b) in ordered.iter().enumerate() {
                assert_eq!(Decimal::parse(a).cmp(&Decimal::parse(b)), left.cmp(&right), "{a} {b}");
            }
        }
        assert!(Decimal::parse("1e2147483647") > Decimal::parse("9e2147483646"));
        assert!(Decimal::parse("1200").unwrap().is_whole() && Decimal::parse("0").unwrap().is_whole());
        assert!(!Decimal::parse("12.5").unwrap().is_whole());
    }
}
