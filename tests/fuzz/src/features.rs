//! What a document made of its reader, as a set of numbers: an input with a new one is worth keeping.

use std::collections::BTreeSet;
use std::hash::{DefaultHasher, Hash, Hasher};

use catalog::readers::{Refused, Warning};
use shared::surface::{Residual, Shape, Surface, Type};

/// Numbers that stand for what was seen.
#[derive(Clone, Debug, Default)]
pub struct Features(pub BTreeSet<u64>);

impl Features {
    /// Notes something. `DefaultHasher::new` has fixed keys, so a seed repeats.
    pub fn note(&mut self, what: impl Hash) {
        let mut hasher = DefaultHasher::new();
        what.hash(&mut hasher);
        self.0.insert(hasher.finish());
    }

    /// Notes how many there are, by powers of two.
    fn count(&mut self, what: &str, count: usize) {
        self.note((what, usize::BITS - count.leading_zeros()));
    }

    /// Notes a name that a reader gives. A packed surface may have any, of which one of a length is enough.
    fn known(&mut self, what: &str, name: &str) {
        let is_ours = ["openapi.", "graphql.", "protobuf.", "surface."].iter().any(|format| name.starts_with(format));
        if is_ours && name.len() < 30 {
            self.note((what, name.split(['.', '-', '_']).nth(1), name.len()));
        } else {
            self.note((what, name.len().min(30)));
        }
    }

    /// A refusal: its code, and its message without what it quotes and counts.
    pub fn refused(&mut self, refused: &Refused) {
        self.note((
            "refused",
            refused.code,
            plain(&refused.message),
            refused.line.is_some(),
            refused.pointer.is_some(),
        ));
    }

    /// Warnings, in the same way.
    pub fn warnings(&mut self, warnings: &[Warning]) {
        for warning in warnings {
            self.note(("warning", &warning.code, plain(&warning.message)));
        }
        self.count("warnings", warnings.len());
    }

    /// What a surface is made of.
    pub fn surface(&mut self, surface: &Surface) {
        for (what, count) in [
            ("operations", surface.operations.len()),
            ("types", surface.types.len()),
            ("schemes", surface.schemes.len()),
            ("servers", surface.servers.len()),
            ("elements", surface.positions.len()),
            ("facets", surface.facets.len()),
            ("files", surface.files.len()),
        ] {
            self.count(what, count);
        }
        self.note(("version", surface.format_version.0.len().min(8)));
        for ty in &surface.types {
            self.ty(ty);
        }
        for facet in surface.facets.values().flatten() {
            self.known("facet", &facet.key);
        }
        for operation in &surface.operations {
            self.note(("operation", std::mem::discriminant(&operation.kind), operation.deprecated));
            self.count("inputs", operation.inputs.len());
            self.count("outcomes", operation.outcomes.len());
            self.count("security", operation.security.len());
            self.count("bindings", operation.http.len());
            for input in &operation.inputs {
                self.note(("input", input.place, input.presence, input.default.is_some(), input.contents.len().min(3)));
            }
        }
        for scheme in &surface.schemes {
            self.note(("scheme", std::mem::discriminant(&scheme.kind)));
        }
    }

    fn ty(&mut self, ty: &Type) {
        self.note(("type", std::mem::discriminant(&ty.shape), std::mem::discriminant(&ty.name), ty.implied));
        self.note(("of a type", ty.deprecated, ty.default.is_some(), ty.residuals.len().min(4)));
        for residual in &ty.residuals {
            self.note(("residual", std::mem::discriminant(residual)));
            if let Residual::Other(keyword) = residual {
                self.known("keyword", &keyword.keyword);
            }
        }
        match &ty.shape {
            Shape::Scalar(scalar) => {
                let limits = (scalar.minimum.is_some(), scalar.maximum.is_some(), scalar.multiple_of.is_some());
                self.note(("scalar", scalar.kind, limits, scalar.min_length.is_some(), scalar.max_length.is_some()));
            }
            Shape::Enum(listed) => self.note(("enum", listed.open, listed.values.len().min(4))),
            Shape::Record(record) => {
                self.count("fields", record.fields.len());
                self.note(("record", record.additional.is_some(), record.is_interface, record.patterns.len().min(2)));
                self.note((
                    "more",
                    record.choices.len().min(3),
                    record.dependent.len().min(2),
                    record.interfaces.len().min(3),
                ));
                for field in &record.fields {
                    self.note((
                        "field",
                        field.presence,
                        field.direction,
                        field.default.is_some(),
                        field.arguments.len().min(3),
                    ));
                }
            }
            Shape::List(list) => self.note(("list", list.prefix.0.len().min(3), list.unique, list.items.is_some())),
            Shape::Union(union) => {
                self.note(("union", union.fits, union.variants.len().min(4), union.discriminator.is_some()));
            }
            Shape::Intersection(parts) => self.note(("intersection", parts.len().min(4))),
            _ => {}
        }
    }
}

/// A message without what stands in it of the document: what is quoted, and numbers.
fn plain(message: &str) -> String {
    let mut is_quoted = false;
    message
        .chars()
        .filter(|c| {
            is_quoted ^= *c == '`';
            !is_quoted && !c.is_ascii_digit()
        })
        .collect()
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn messages_that_differ_in_what_they_quote_are_one_feature() {
        let mut features = Features::default();
        features.refused(&Refused::new("a", "The key `x` is there twice; line 3.".to_owned()));
        features.refused(&Refused::new("a", "The key `y` is there twice; line 12.".to_owned()));
        assert_eq!(features.0.len(), 1);
        features.refused(&Refused::new("a", "The key is gone.".to_owned()));
        assert_eq!(features.0.len(), 2);
    }
}
