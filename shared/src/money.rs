//! Money: exact decimals, never floats.

/// How many decimal places a [`Decimal`] has at most.
pub const PLACES_MAX: u32 = 12;
const ONE: i128 = 1_000_000_000_000;
/// Twelve digits before the point: nobody charges more a month.
const WHOLE_MAX: i128 = 999_999_999_999;

/// A price or an amount in a currency's major unit, exact to 12 places. In JSON a string such as `"0.0025"`.
#[derive(Clone, Copy, PartialEq, Eq, PartialOrd, Ord, Hash, Debug, Default)]
pub struct Decimal(i128);

/// Why a text is not a decimal.
#[derive(Debug, thiserror::Error, PartialEq, Eq)]
#[error("expected a decimal string such as \"0.0025\": digits, at most 12 before and 12 after the point, not negative")]
pub struct NotADecimal;

impl Decimal {
    /// Nothing.
    pub const ZERO: Self = Self(0);

    /// A whole number.
    #[must_use]
    pub fn whole(number: u64) -> Self {
        Self(i128::from(number) * ONE)
    }

    /// This many times; `None` when it is beyond what a decimal holds.
    #[must_use]
    pub fn times(self, count: u64) -> Option<Self> {
        self.0.checked_mul(i128::from(count)).map(Self)
    }

    /// The sum; `None` when it is beyond what a decimal holds.
    #[must_use]
    pub fn plus(self, other: Self) -> Option<Self> {
        self.0.checked_add(other.0).map(Self)
    }

    /// So many parts of this divided into `of`, rounded once to so many places, half away from zero; `None` when `of` is 0
    /// or a step is beyond what a decimal holds.
    #[must_use]
    pub fn share(self, parts: u64, of: u64, places: u32) -> Option<Self> {
        let step = 10_i128.pow(PLACES_MAX.saturating_sub(places));
        let value = self.0.checked_mul(i128::from(parts))?;
        let unit = i128::from(of).checked_mul(step).filter(|unit| *unit > 0)?;
        let (whole, rest) = (value / unit, value % unit);
        let up = if rest.unsigned_abs() >= unit.unsigned_abs().div_ceil(2) { rest.signum() } else { 0 };
        Some(Self((whole + up) * step))
    }

    /// Rounded to so many places, half away from zero: the usual commercial rounding.
    #[must_use]
    pub fn rounded(self, places: u32) -> Self {
        let step = 10_i128.pow(PLACES_MAX.saturating_sub(places));
        let half = step / 2 * self.0.signum();
        Self((self.0 + half) / step * step)
    }

    /// With at least so many places: `1.5` with 2 is `1.50`.
    #[must_use]
    pub fn with_places(self, places: u32) -> String {
        let text = self.to_string();
        let (whole, fraction) = text.split_once('.').unwrap_or((&text, ""));
        if places == 0 && fraction.is_empty() {
            return whole.to_owned();
        }
        format!("{whole}.{fraction:0<width$}", width = places as usize)
    }
}

impl std::fmt::Display for Decimal {
    fn fmt(&self, f: &mut std::fmt::Formatter<'_>) -> std::fmt::Result {
        let sign = if self.0 < 0 { "-" } else { "" };
        let value = self.0.unsigned_abs();
        let (whole, fraction) = (value / ONE.unsigned_abs(), value % ONE.unsigned_abs());
        if fraction == 0 {
            return write!(f, "{sign}{whole}");
        }
        let digits = format!("{fraction:012}");
        write!(f, "{sign}{whole}.{}", digits.trim_end_matches('0'))
    }
}

impl std::str::FromStr for Decimal {
    type Err = NotADecimal;

    fn from_str(text: &str) -> Result<Self, NotADecimal> {
        let (whole, fraction) = match text.split_once('.') {
            Some((whole, fraction)) if !fraction.is_empty() => (whole, fraction),
            Some(_) => return Err(NotADecimal),
            None => (text, ""),
        };
        let digits = |part: &str| part.bytes().all(|byte| byte.is_ascii_digit());
        if whole.is_empty()
            || whole.len() > 12
            || fraction.len() > PLACES_MAX as usize
            || !digits(whole)
            || !digits(fraction)
        {
            return Err(NotADecimal);
        }
        let whole: i128 = whole.parse().map_err(|_| NotADecimal)?;
        let fraction: i128 = format!("{fraction:0<12}").parse().map_err(|_| NotADecimal)?;
        if whole > WHOLE_MAX {
            return Err(NotADecimal);
        }
        Ok(Self(whole * ONE + fraction))
    }
}

impl serde::Serialize for Decimal {
    fn serialize<S: serde::Serializer>(&self, serializer: S) -> Result<S::Ok, S::Error> {
        serializer.collect_str(self)
    }
}

impl<'de> serde::Deserialize<'de> for Decimal {
    fn deserialize<D: serde::Deserializer<'de>>(deserializer: D) -> Result<Self, D::Error> {
        crate::text::parsed(deserializer)
    }
}

impl utoipa::PartialSchema for Decimal {
    fn schema() -> utoipa::openapi::RefOr<utoipa::openapi::Schema> {
        use utoipa::openapi::schema::{ObjectBuilder, Type};
        ObjectBuilder::new()
            .schema_type(Type::String)
            .pattern(Some(r"^[0-9]{1,12}(\.[0-9]{1,12})?$"))
            .description(Some("An exact decimal in the currency's major unit."))
            .examples([serde_json::json!("0.0025")])
            .into()
    }
}

impl utoipa::ToSchema for Decimal {}

/// A currency by its ISO 4217 code.
#[derive(Clone, Copy, PartialEq, Eq, Hash, Debug)]
pub struct Currency {
    code: [u8; 3],
    places: u32,
}

/// Active codes of ISO 4217 (list one) by the number of decimal places of their minor unit.
const CURRENCIES: [(u32, &str); 3] = [
    (0, "BIF CLP DJF GNF ISK JPY KMF KRW PYG RWF UGX VND VUV XAF XOF XPF"),
    (
        2,
        "AED AFN ALL AMD AOA ARS AUD AWG AZN BAM BBD BDT BMD BND BOB BRL BSD BTN BWP BYN BZD CAD CDF CHF CNY COP CRC CUP CVE CZK DKK DOP DZD EGP ERN ETB EUR FJD FKP GBP GEL GHS GIP GMD GTQ GYD HKD HNL HTG HUF IDR ILS INR IRR JMD KES KGS KHR KPW KYD KZT LAK LBP LKR LRD LSL MAD MDL MGA MKD MMK MNT MOP MRU MUR MVR MWK MXN MYR MZN NAD NGN NIO NOK NPR NZD PAB PEN PGK PHP PKR PLN QAR RON RSD RUB SAR SBD SCR SDG SEK SGD SHP SLE SOS SRD SSP STN SVC SYP SZL THB TJS TMT TOP TRY TTD TWD TZS UAH USD UYU UZS VES WST XCD YER ZAR ZMW ZWG",
    ),
    (3, "BHD IQD JOD KWD LYD OMR TND"),
];

/// Why a text is not a currency.
#[derive(Debug, thiserror::Error, PartialEq, Eq)]
#[error("expected the code of a currency in ISO 4217, such as `EUR` or `USD`")]
pub struct NotACurrency;

impl Currency {
    /// Its code.
    #[must_use]
    pub fn code(&self) -> &str {
        std::str::from_utf8(&self.code).unwrap_or_default()
    }

    /// The number of decimal places of its minor unit: 2 for EUR, 0 for JPY.
    #[must_use]
    pub fn places(self) -> u32 {
        self.places
    }
}

impl std::fmt::Display for Currency {
    fn fmt(&self, f: &mut std::fmt::Formatter<'_>) -> std::fmt::Result {
        f.write_str(self.code())
    }
}

impl std::str::FromStr for Currency {
    type Err = NotACurrency;

    fn from_str(text: &str) -> Result<Self, NotACurrency> {
        let code: [u8; 3] = text.as_bytes().try_into().map_err(|_| NotACurrency)?;
        CURRENCIES
            .iter()
            .find(|(_, codes)| codes.split(' ').any(|known| known == text))
            .map(|(places, _)| Self { code, places: *places })
            .ok_or(NotACurrency)
    }
}

impl serde::Serialize for Currency {
    fn serialize<S: serde::Serializer>(&self, serializer: S) -> Result<S::Ok, S::Error> {
        serializer.collect_str(self)
    }
}

impl<'de> serde::Deserialize<'de> for Currency {
    fn deserialize<D: serde::Deserializer<'de>>(deserializer: D) -> Result<Self, D::Error> {
        crate::text::parsed(deserializer)
    }
}

impl utoipa::PartialSchema for Currency {
    fn schema() -> utoipa::openapi::RefOr<utoipa::openapi::Schema> {
        use utoipa::openapi::schema::{ObjectBuilder, Type};
        let codes = CURRENCIES.iter().flat_map(|(_, codes)| codes.split(' ')).collect::<Vec<_>>();
        ObjectBuilder::new().schema_type(Type::String).enum_values(Some(codes)).into()
    }
}

impl utoipa::ToSchema for Currency {}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn decimals_are_exact() {
        let price: Decimal = "0.000000000001".parse().unwrap();
        assert_eq!(price.times(1_000_000_000_000).unwrap(), Decimal::whole(1));
        assert_eq!("12.50".parse::<Decimal>().unwrap().to_string(), "12.5");
        assert_eq!("12.5".parse::<Decimal>().unwrap().with_places(2), "12.50");
        assert_eq!("12".parse::<Decimal>().unwrap().with_places(0), "12");
        for bad in ["", ".5", "5.", "-1", "+1", "1e3", "1,5", "0.0000000000001", "1234567890123", "NaN", "٣"] {
            assert_eq!(bad.parse::<Decimal>(), Err(NotADecimal), "{bad}");
        }
    }

    #[test]
    fn rounding_is_half_away_from_zero() {
        for (value, expected) in [("0.005", "0.01"), ("0.00499", "0"), ("1.015", "1.02"), ("2.5", "2.5")] {
            assert_eq!(value.parse::<Decimal>().unwrap().rounded(2).to_string(), expected);
        }
        assert_eq!("2.5".parse::<Decimal>().unwrap().rounded(0).to_string(), "3");
    }

    #[test]
    fn a_share_is_rounded_once() {
        let share = |value: &str, parts, of, places| {
            value.parse::<Decimal>().unwrap().share(parts, of, places).map(|share| share.to_string())
        };
        assert_eq!(share("24.95", 25, 30, 2).unwrap(), "20.79");
        assert_eq!(share("10", 1, 3, PLACES_MAX).unwrap(), "3.333333333333");
        // Half a cent, though a third is no decimal; and a little less than that.
        assert_eq!(share("0.015", 10, 30, 2).unwrap(), "0.01");
        assert_eq!(share("0.014999999999", 10, 30, 2).unwrap(), "0");
        assert_eq!(share("7", 3, 3, 0).unwrap(), "7");
        assert_eq!((share("1", 1, 0, 2), share("999999999999", u64::MAX, 1, 2)), (None, None));
    }

    #[test]
    fn currencies_know_their_places() {
        assert_eq!("EUR".parse::<Currency>().unwrap().places(), 2);
        assert_eq!("JPY".parse::<Currency>().unwrap().places(), 0);
        assert_eq!("KWD".parse::<Currency>().unwrap().places(), 3);
        for bad in ["eur", "XXX", "EU", "EURO", " EU", ""] {
            assert!(bad.parse::<Currency>().is_err(), "{bad}");
        }
    }
}
