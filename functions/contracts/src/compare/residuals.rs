//! What the algebra does not express: whether it is the same can be told, what a change does often cannot.

use shared::surface::{Residual, TypeId};

use super::side::{SetId, Side};
use super::walk::{Spots, Walk, Way};
use crate::rules;

/// A residual's keyword, and what it means.
fn key(side: &Side<'_>, residual: &Residual) -> (String, String) {
    let ty = |id: &TypeId| side.type_digest(*id).to_string();
    let maybe = |id: &Option<TypeId>| id.as_ref().map(ty).unwrap_or_default();
    match residual {
        Residual::Not(id) => ("not".to_owned(), ty(id)),
        Residual::If(condition) => (
            "if".to_owned(),
            format!("{} {} {}", ty(&condition.condition), maybe(&condition.then), maybe(&condition.otherwise)),
        ),
        Residual::DependentSchema(pattern) => (format!("dependentSchemas/{}", pattern.pattern), ty(&pattern.ty)),
        Residual::Contains(contains) => {
            ("contains".to_owned(), format!("{} {:?} {:?}", ty(&contains.ty), contains.min, contains.max))
        }
        Residual::UnevaluatedFields(id) => ("unevaluatedProperties".to_owned(), ty(id)),
        Residual::UnevaluatedItems(id) => ("unevaluatedItems".to_owned(), ty(id)),
        Residual::FieldNames(id) => ("propertyNames".to_owned(), ty(id)),
        Residual::ContentSchema(id) => ("contentSchema".to_owned(), ty(id)),
        Residual::Other(keyword) => (keyword.keyword.to_string(), keyword.value.text().to_owned()),
    }
}

/// The type in a residual, where a value that fits it more narrowly fits the whole more narrowly.
fn inner(residual: &Residual) -> Option<TypeId> {
    match residual {
        Residual::FieldNames(id)
        | Residual::ContentSchema(id)
        | Residual::UnevaluatedItems(id)
        | Residual::UnevaluatedFields(id) => Some(*id),
        Residual::DependentSchema(pattern) => Some(pattern.ty),
        _ => None,
    }
}

/// Compares the residuals of two sets.
pub(super) fn compare(walk: &mut Walk<'_>, id: u32, before: SetId, after: SetId, way: Way) {
    let (old, new) = (walk.before.residuals(before), walk.after.residuals(after));
    if old.is_empty() && new.is_empty() {
        return;
    }
    let mut old: Vec<_> = old.into_iter().map(|residual| (key(&walk.before, residual), residual)).collect();
    let mut new: Vec<_> = new.into_iter().map(|residual| (key(&walk.after, residual), residual)).collect();
    let same: Vec<_> =
        old.iter().map(|(key, _)| key.clone()).filter(|key| new.iter().any(|(other, _)| other == key)).collect();
    old.retain(|(key, _)| !same.contains(key));
    new.retain(|(key, _)| !same.contains(key));
    for ((keyword, was), residual) in old {
        let Some(place) = new.iter().position(|((other, _), _)| *other == keyword) else {
            let rule = way.pick(&rules::REQUEST_CONDITION_REMOVED, &rules::RESPONSE_CONDITION_REMOVED);
            walk.note(
                id,
                rule,
                "",
                &format!("{keyword} {was}"),
                &format!("`{}` is gone.", super::flat::shown(&keyword)),
                Spots::default(),
            );
            continue;
        };
        let (_, other) = new.remove(place);
        match (residual, other) {
            // What must not fit: the other way around.
            (Residual::Not(old), Residual::Not(new)) => {
                let sets = (walk.before.of(*old), walk.after.of(*new));
                walk.inside(id, sets, way.back(), "!", Spots::default());
            }
            (residual, other) => match (inner(residual), inner(other)) {
                (Some(old), Some(new)) => {
                    let sets = (walk.before.of(old), walk.after.of(new));
                    walk.inside(id, sets, way, &format!("({keyword})"), Spots::default());
                }
                _ => walk.give_up(
                    id,
                    &format!("what `{}` does is not compared, and it has changed.", super::flat::shown(&keyword)),
                ),
            },
        }
    }
    for ((keyword, is), _) in new {
        let rule = way.pick(&rules::REQUEST_CONDITION_ADDED, &rules::RESPONSE_CONDITION_ADDED);
        walk.note(
            id,
            rule,
            "",
            &format!("{keyword} {is}"),
            &format!("`{}` is new.", super::flat::shown(&keyword)),
            Spots::default(),
        );
    }
}
