//! Whether values fit their types.

use super::{Check, is_required};
use crate::readers::graphql::lexer::At;
use crate::readers::graphql::syntax::{Defined, Literal, Name, Ref, Wrap};
use crate::readers::graphql::together::Entry;
use crate::readers::quote;
use foldhash::HashSet;

impl<'a, 'b> Check<'a, 'b, '_> {
    pub(super) fn fits(&mut self, value: &Literal<'_>, ty: &Ref<'_>, code: &str, at: At, path: &str) {
        if let Some(reason) = self.misfit(value, ty, &ty.wraps) {
            self.warn(code, at, path, || {
                format!("The value does not fit the type {}: {reason}.", quote(&ty.to_string()))
            });
        }
    }

    /// Why a value does not fit a type with what is around it.
    fn misfit(&mut self, value: &Literal<'_>, ty: &Ref<'_>, wraps: &[Wrap]) -> Option<String> {
        if !self.spend(1) {
            return None;
        }
        match (wraps.split_last(), value) {
            (Some((Wrap::NonNull, _)), Literal::Null) => Some("null is not allowed".to_owned()),
            (Some((Wrap::NonNull, inner)), _) => self.misfit(value, ty, inner),
            (_, Literal::Null) => None,
            (Some((Wrap::List, inner)), Literal::List(items)) => {
                items.iter().find_map(|item| self.misfit(item, ty, inner))
            }
            // One value stands for a list of it alone.
            (Some((Wrap::List, inner)), _) => self.misfit(value, ty, inner),
            (None, _) => self.misfit_named(value, ty.name.text),
        }
    }

    fn misfit_named(&mut self, value: &Literal<'_>, name: &str) -> Option<String> {
        let good = match (name, value) {
            ("Int", Literal::Int(number)) => number.parse::<i32>().is_ok(),
            ("Int", _) => false,
            ("Float", _) => matches!(value, Literal::Int(_) | Literal::Float(_)),
            ("String", _) => matches!(value, Literal::Text(_)),
            ("Boolean", _) => matches!(value, Literal::Bool(_)),
            ("ID", _) => matches!(value, Literal::Text(_) | Literal::Int(_)),
            _ => {
                let entry = self.together.ty(name)?;
                match (entry.defined, value) {
                    (Defined::Enum, Literal::Name(value)) if entry.item(value).is_some() => true,
                    (Defined::Enum, _) => return Some(format!("it is no value of {entry}")),
                    (Defined::Input, Literal::Object(fields)) => return self.misfit_object(fields, entry),
                    (Defined::Input, _) => return Some(format!("{entry} is written in braces")),
                    // What a scalar of the document's own accepts, only its server knows. Any other type has its warning.
                    _ => true,
                }
            }
        };
        (!good).then(|| format!("it is no {}", quote(name)))
    }

    fn misfit_object(&mut self, fields: &[(Name<'_>, Literal<'_>)], entry: &'b Entry<'a>) -> Option<String> {
        if !self.spend(fields.len() + entry.items.len()) {
            return None;
        }
        let mut given = HashSet::default();
        for (name, value) in fields {
            let field = quote(name.text);
            if !given.insert(name.text) {
                return Some(format!("it has {field} twice"));
            }
            let Some(item) = entry.item(name.text) else {
                return Some(format!("{entry} has no field {field}"));
            };
            let ty = item.ty.as_ref()?;
            if let Some(reason) = self.misfit(value, ty, &ty.wraps) {
                return Some(reason);
            }
        }
        let missing = entry.items.iter().find(|item| is_required(item) && !given.contains(item.name.text));
        if let Some(missing) = missing {
            return Some(format!("{} is missing", quote(missing.name.text)));
        }
        let is_one = matches!(fields, [(_, value)] if !matches!(value, Literal::Null));
        (entry.directive("oneOf").is_some() && !is_one).then(|| format!("exactly one field of {entry} is given"))
    }
}
