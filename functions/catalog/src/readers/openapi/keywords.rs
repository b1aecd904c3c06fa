//! The keywords of a schema, and the kinds of JSON that it names.

use super::documents::{At, Documents};
use crate::readers::tree::Kind;

/// The kinds of JSON that a schema names.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(super) enum JsonKind {
    Null,
    Boolean,
    Integer,
    Number,
    String,
    Array,
    Object,
    /// Swagger's `file`.
    File,
}

/// Kinds that a schema names, each once and in order.
#[derive(Clone, Copy, Debug, Default)]
pub(super) struct Kinds(u8);

impl Kinds {
    pub(super) fn insert(&mut self, kind: JsonKind) {
        self.0 |= 1 << kind as u8;
    }

    pub(super) fn has(self, kind: JsonKind) -> bool {
        self.0 & 1 << kind as u8 != 0
    }

    pub(super) fn is_empty(self) -> bool {
        self.0 == 0
    }

    pub(super) fn iter(self) -> impl Iterator<Item = JsonKind> {
        [
            JsonKind::Null,
            JsonKind::Boolean,
            JsonKind::Integer,
            JsonKind::Number,
            JsonKind::String,
            JsonKind::Array,
            JsonKind::Object,
            JsonKind::File,
        ]
        .into_iter()
        // Every integer is a number.
        .filter(move |kind| self.has(*kind) && !(*kind == JsonKind::Integer && self.has(JsonKind::Number)))
    }
}

macro_rules! keywords {
    ($($field:ident = $key:literal),* $(,)?) => {
        /// Where each keyword of a schema stands.
        #[derive(Default)]
        pub(super) struct Keywords {
            $(pub(super) $field: Option<At>,)*
        }

        impl Keywords {
            pub(super) fn of(docs: &Documents<'_>, at: At) -> Self {
                let mut keywords = Self::default();
                for entry in docs.entries(at) {
                    match entry.key {
                        // As often as any keyword, and looked at where words are.
                        "description" | "example" | "title" | "$ref" => {}
                        $($key => keywords.$field = Some(at.value(entry)),)*
                        _ => {}
                    }
                }
                keywords
            }
        }
    };
}

keywords! {
    kinds = "type",
    nullable = "nullable",
    x_nullable = "x-nullable",
    values = "enum",
    constant = "const",
    more_values = "x-extensible-enum",
    format = "format",
    pattern = "pattern",
    min_length = "minLength",
    max_length = "maxLength",
    minimum = "minimum",
    maximum = "maximum",
    exclusive_minimum = "exclusiveMinimum",
    exclusive_maximum = "exclusiveMaximum",
    multiple_of = "multipleOf",
    properties = "properties",
    required = "required",
    additional_properties = "additionalProperties",
    pattern_properties = "patternProperties",
    min_properties = "minProperties",
    max_properties = "maxProperties",
    property_names = "propertyNames",
    dependent_required = "dependentRequired",
    dependent_schemas = "dependentSchemas",
    dependencies = "dependencies",
    items = "items",
    prefix_items = "prefixItems",
    additional_items = "additionalItems",
    min_items = "minItems",
    max_items = "maxItems",
    unique_items = "uniqueItems",
    contains = "contains",
    min_contains = "minContains",
    max_contains = "maxContains",
    unevaluated_properties = "unevaluatedProperties",
    unevaluated_items = "unevaluatedItems",
    all_of = "allOf",
    any_of = "anyOf",
    one_of = "oneOf",
    not = "not",
    condition = "if",
    then = "then",
    otherwise = "else",
    discriminator = "discriminator",
    default = "default",
    content_encoding = "contentEncoding",
    content_media_type = "contentMediaType",
    content_schema = "contentSchema",
    xml = "xml",
    deprecated = "deprecated",
}

impl Keywords {
    /// Whether the type has elements inside, or facets, so that it must be an element itself.
    pub(super) fn has_elements(&self) -> bool {
        [
            self.values,
            self.constant,
            self.more_values,
            self.properties,
            self.pattern_properties,
            self.prefix_items,
            self.all_of,
            self.any_of,
            self.one_of,
            self.not,
            self.condition,
            self.dependent_schemas,
            self.contains,
            self.discriminator,
            self.content_encoding,
            self.content_media_type,
            self.xml,
        ]
        .iter()
        .any(Option::is_some)
    }

    pub(super) fn has_string(&self) -> bool {
        self.pattern.is_some() || self.min_length.is_some() || self.max_length.is_some()
    }

    pub(super) fn has_number(&self) -> bool {
        [self.minimum, self.maximum, self.exclusive_minimum, self.exclusive_maximum, self.multiple_of]
            .iter()
            .any(Option::is_some)
    }

    pub(super) fn has_object(&self, docs: &Documents<'_>) -> bool {
        let is_list = self.required.is_some_and(|at| matches!(docs.kind(at), Kind::List(_)));
        is_list
            || [
                self.properties,
                self.additional_properties,
                self.pattern_properties,
                self.min_properties,
                self.max_properties,
                self.dependent_required,
                self.dependencies,
            ]
            .iter()
            .any(Option::is_some)
    }

    pub(super) fn has_list(&self) -> bool {
        [self.items, self.prefix_items, self.additional_items, self.min_items, self.max_items, self.unique_items]
            .iter()
            .any(Option::is_some)
    }

    /// Whether 3.0 (or an extension of 2.0) lets null in.
    pub(super) fn is_nullable(&self, docs: &Documents<'_>) -> bool {
        [self.nullable, self.x_nullable].iter().flatten().any(|at| matches!(docs.kind(*at), Kind::Bool(true)))
    }

    /// A format that no scalar carries.
    pub(super) fn stray_format(&self, docs: &Documents<'_>) -> Option<At> {
        let is_composite = self.values.is_some() || self.constant.is_some() || self.more_values.is_some();
        let names = |name: &str| self.kinds.is_some_and(|at| docs.text(at) == Some(name));
        self.format.filter(|_| is_composite || names("object") || names("array"))
    }

    /// Schemas that hold if a field is there: `dependentSchemas`, and the schemas among the older `dependencies`.
    pub(super) fn dependent_schemas<'d>(&self, docs: &'d Documents<'_>) -> Vec<(&'d str, At)> {
        let mut found: Vec<(&str, At)> = Vec::new();
        for at in [self.dependent_schemas, self.dependencies].into_iter().flatten() {
            for entry in docs.entries(at) {
                let value = at.value(entry);
                if !matches!(docs.kind(value), Kind::List(_)) && !found.iter().any(|(name, _)| *name == entry.key) {
                    found.push((entry.key, value));
                }
            }
        }
        found
    }
}
