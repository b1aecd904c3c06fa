//! Texts that people give: bounded, without control characters, parsed at the edge.

/// The name in JSON of a field of Protocol Buffers that does not say one: in camel case.
#[must_use]
pub fn camel(name: &str) -> String {
    let mut camel = String::with_capacity(name.len());
    let mut is_upper = false;
    for c in name.chars() {
        if c == '_' {
            is_upper = true;
        } else {
            camel.push(if is_upper { c.to_ascii_uppercase() } else { c });
            is_upper = false;
        }
    }
    camel
}

/// Reads a text and parses it within serde's visitor, so that whoever reads a parameter can say which one is wrong.
pub fn parsed<'de, D: serde::Deserializer<'de>, T: std::str::FromStr<Err: std::fmt::Display>>(
    deserializer: D,
) -> Result<T, D::Error> {
    struct Parsed<T>(std::marker::PhantomData<T>);

    impl<T: std::str::FromStr<Err: std::fmt::Display>> serde::de::Visitor<'_> for Parsed<T> {
        type Value = T;

        fn expecting(&self, f: &mut std::fmt::Formatter<'_>) -> std::fmt::Result {
            f.write_str("a string")
        }

        fn visit_str<E: serde::de::Error>(self, text: &str) -> Result<T, E> {
            text.parse().map_err(E::custom)
        }
    }

    deserializer.deserialize_str(Parsed(std::marker::PhantomData))
}

/// A name for people: 1 to 100 characters, none of them a control character, not blank.
#[derive(Clone, PartialEq, Eq, PartialOrd, Ord, Hash, Debug, serde::Serialize)]
#[serde(transparent)]
pub struct Label(String);

/// Why a text is not a label.
#[derive(Debug, thiserror::Error, PartialEq, Eq)]
#[error("expected 1 to 100 characters without control characters, not only blanks")]
pub struct NotALabel;

impl Label {
    /// The text.
    #[must_use]
    pub fn as_str(&self) -> &str {
        &self.0
    }
}

impl std::fmt::Display for Label {
    fn fmt(&self, f: &mut std::fmt::Formatter<'_>) -> std::fmt::Result {
        f.write_str(&self.0)
    }
}

impl std::str::FromStr for Label {
    type Err = NotALabel;

    fn from_str(text: &str) -> Result<Self, NotALabel> {
        let characters = text.chars().count();
        if !(1..=100).contains(&characters) || text.chars().any(char::is_control) || text.trim().is_empty() {
            return Err(NotALabel);
        }
        Ok(Self(text.to_owned()))
    }
}

impl<'de> serde::Deserialize<'de> for Label {
    fn deserialize<D: serde::Deserializer<'de>>(deserializer: D) -> Result<Self, D::Error> {
        parsed(deserializer)
    }
}

impl utoipa::PartialSchema for Label {
    fn schema() -> utoipa::openapi::RefOr<utoipa::openapi::Schema> {
        use utoipa::openapi::schema::{ObjectBuilder, Type};
        ObjectBuilder::new().schema_type(Type::String).min_length(Some(1)).max_length(Some(100)).pattern(Some("^[^\\u0000-\\u001f\\u007f-\\u009f]*[^\\s\\u0000-\\u001f\\u007f-\\u009f][^\\u0000-\\u001f\\u007f-\\u009f]*$")).into()
    }
}

impl utoipa::ToSchema for Label {}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn labels_are_bounded() {
        assert!("Wetter für Ulm".parse::<Label>().is_ok());
        for bad in ["", "  ", "a\nb", "a\u{7f}", &"ä".repeat(101)] {
            assert_eq!(bad.parse::<Label>(), Err(NotALabel), "{bad:?}");
        }
    }
}
