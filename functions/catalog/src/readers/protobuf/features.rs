//! Features: what proto2, proto3 and the editions each say of presence, encoding and the rest, and what files, messages and fields say otherwise.

use std::collections::BTreeMap;
use std::rc::Rc;

use shared::surface::{Json, Value};

use super::ast::Syntax;

/// What holds at some place of a file. Whatever is not of the core is kept as it is written.
#[derive(Clone, Debug, Default, PartialEq, Eq)]
#[allow(clippy::struct_excessive_bools)] // Each is a feature of its own.
pub(super) struct Features {
    pub(super) is_implicit: bool,
    pub(super) is_required: bool,
    pub(super) is_closed: bool,
    pub(super) is_packed: bool,
    pub(super) is_utf8: bool,
    pub(super) is_delimited: bool,
    pub(super) is_legacy_json: bool,
    others: Rc<BTreeMap<String, Value>>,
}

impl Features {
    /// What a syntax says.
    pub(super) fn of(syntax: Syntax) -> Self {
        let is_proto2 = syntax == Syntax::Proto2;
        Self {
            is_implicit: syntax == Syntax::Proto3,
            is_closed: is_proto2,
            is_packed: !is_proto2,
            is_utf8: !is_proto2,
            is_legacy_json: is_proto2,
            ..Self::default()
        }
    }

    /// With what `features` says at a place inside.
    pub(super) fn with(self: &Rc<Self>, options: &BTreeMap<String, Value>) -> Rc<Self> {
        let Some(Value::Map(said)) = options.get("features") else {
            return Rc::clone(self);
        };
        let mut features = Self::clone(self);
        let mut others = None;
        for (name, value) in said {
            let word = if let Value::String(word) = value { word.as_str() } else { "" };
            match name.as_str() {
                "field_presence" => {
                    features.is_implicit = word == "IMPLICIT";
                    features.is_required = word == "LEGACY_REQUIRED";
                }
                "enum_type" => features.is_closed = word == "CLOSED",
                "repeated_field_encoding" => features.is_packed = word == "PACKED",
                "utf8_validation" => features.is_utf8 = word == "VERIFY",
                "message_encoding" => features.is_delimited = word == "DELIMITED",
                "json_format" => features.is_legacy_json = word == "LEGACY_BEST_EFFORT",
                // How names are written and who may import them: nothing that callers see.
                "enforce_naming_style" | "default_symbol_visibility" => {}
                _ => {
                    let others = others.get_or_insert_with(|| BTreeMap::clone(&self.others));
                    match (others.get_mut(name), value) {
                        // Those of a language hold one by one.
                        (Some(Value::Map(known)), Value::Map(more)) => known.extend(more.clone()),
                        _ => {
                            others.insert(name.clone(), value.clone());
                        }
                    }
                }
            }
        }
        if let Some(others) = others {
            features.others = Rc::new(others);
        }
        Rc::new(features)
    }

    /// Those that are not of the core, if there are some.
    pub(super) fn others(&self) -> Option<Json> {
        (!self.others.is_empty()).then(|| Json::of(&Value::Map(BTreeMap::clone(&self.others))))
    }
}
