//! What the algebra does not express: whether it is the same can be told, what a change does often cannot.

use shared::surface::{Contains, Residual, TypeId};

use super::flat::{shown, size_shift};
use super::pair::limit;
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

/// Whether every value meets it.
fn is_trivial(side: &mut Side<'_>, residual: &Residual) -> bool {
    let is_any = |id: TypeId| side.of(id) == Side::ANY;
    match residual {
        Residual::If(condition) => [condition.then, condition.otherwise].into_iter().flatten().all(is_any),
        Residual::Contains(contains) => contains.min == Some(0) && contains.max.is_none(),
        residual => inner(residual).is_some_and(is_any),
    }
}

/// Compares the residuals of two sets.
pub(super) fn compare(walk: &mut Walk<'_>, id: u32, before: SetId, after: SetId, way: Way) {
    let (mut old, mut new) = (walk.before.residuals(before), walk.after.residuals(after));
    old.retain(|residual| !is_trivial(&mut walk.before, residual));
    new.retain(|residual| !is_trivial(&mut walk.after, residual));
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
                &format!("`{}` is gone.", shown(&keyword)),
                Spots::default(),
            );
            continue;
        };
        let (_, other) = new.remove(place);
        changed(walk, id, way, &keyword, (residual, other));
    }
    for ((keyword, is), _) in new {
        let rule = way.pick(&rules::REQUEST_CONDITION_ADDED, &rules::RESPONSE_CONDITION_ADDED);
        walk.note(
            id,
            rule,
            "",
            &format!("{keyword} {is}"),
            &format!("`{}` is new.", shown(&keyword)),
            Spots::default(),
        );
    }
}

/// Two residuals of one keyword that differ.
fn changed(walk: &mut Walk<'_>, id: u32, way: Way, keyword: &str, (old, new): (&Residual, &Residual)) {
    let step = format!("({keyword})");
    match (old, new) {
        // What must not fit: the other way around.
        (Residual::Not(old), Residual::Not(new)) => {
            let sets = (walk.before.of(*old), walk.after.of(*new));
            return walk.inside(id, sets, way.back(), "!", Spots::default());
        }
        (Residual::If(old), Residual::If(new))
            if walk.before.type_digest(old.condition) == walk.after.type_digest(new.condition) =>
        {
            for (old, new, step) in [(old.then, new.then, "(then)"), (old.otherwise, new.otherwise, "(else)")] {
                let sets =
                    (old.map_or(Side::ANY, |old| walk.before.of(old)), new.map_or(Side::ANY, |new| walk.after.of(new)));
                walk.inside(id, sets, way, step, Spots::default());
            }
            return;
        }
        (Residual::Contains(old), Residual::Contains(new))
            if old.min == new.min && old.max.is_none() && new.max.is_none() =>
        {
            let sets = (walk.before.of(old.ty), walk.after.of(new.ty));
            return walk.inside(id, sets, way, &step, Spots::default());
        }
        (Residual::Contains(old), Residual::Contains(new))
            if walk.before.type_digest(old.ty) == walk.after.type_digest(new.ty) =>
        {
            // One must fit where nothing else is said.
            let least = |contains: &Contains| Some(contains.min.unwrap_or(1));
            let shifts = size_shift("minContains", least(old), least(new), true);
            for (name, text, shift) in shifts.into_iter().chain(size_shift("maxContains", old.max, new.max, false)) {
                limit(walk, id, way, name, &text, shift);
            }
            return;
        }
        _ => {}
    }
    if let (Some(old), Some(new)) = (inner(old), inner(new)) {
        let sets = (walk.before.of(old), walk.after.of(new));
        return walk.inside(id, sets, way, &step, Spots::default());
    }
    walk.give_up(id, &format!("what `{}` does is not compared, and it has changed.", shown(keyword)));
}
