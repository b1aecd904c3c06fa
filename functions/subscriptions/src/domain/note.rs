//! A short text for people.

/// A remark for people: 1 to 500 characters, none of them a control character.
#[derive(Clone, PartialEq, Eq, PartialOrd, Ord, Hash, Debug, serde::Serialize)]
#[serde(transparent)]
pub struct Note(String);

/// Why a text is not a note.
#[derive(Debug, thiserror::Error, PartialEq, Eq)]
#[error("expected 1 to 500 characters without control characters")]
pub struct NotANote;

impl std::str::FromStr for Note {
    type Err = NotANote;

    fn from_str(text: &str) -> Result<Self, NotANote> {
        if !(1..=500).contains(&text.chars().count()) || text.chars().any(char::is_control) {
            return Err(NotANote);
        }
        Ok(Self(text.to_owned()))
    }
}

impl<'de> serde::Deserialize<'de> for Note {
    fn deserialize<D: serde::Deserializer<'de>>(deserializer: D) -> Result<Self, D::Error> {
        shared::text::parsed(deserializer)
    }
}

impl utoipa::PartialSchema for Note {
    fn schema() -> utoipa::openapi::RefOr<utoipa::openapi::Schema> {
        use utoipa::openapi::schema::{ObjectBuilder, Type};
        ObjectBuilder::new()
            .schema_type(Type::String)
            .min_length(Some(1))
            .max_length(Some(500))
            .pattern(Some("^[^\\u0000-\\u001f\\u007f-\\u009f]+$"))
            .into()
    }
}

impl utoipa::ToSchema for Note {}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn notes_are_bounded() {
        assert!("Zahlt nicht – seit März".parse::<Note>().is_ok());
        for bad in ["", "a\nb", "a\u{85}", &"ä".repeat(501)] {
            assert_eq!(bad.parse::<Note>(), Err(NotANote), "{bad:?}");
        }
    }
}
