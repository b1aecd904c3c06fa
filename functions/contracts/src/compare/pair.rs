//! Two types compared: their alternatives are matched, and what is left over on one side is judged.

use std::rc::Rc;

use super::flat::{Flat, Kind, Listing, Numbers, Record, Shift, shown, size_shift};
use super::side::{Alternative, SetId, Side, least};
use super::walk::{Spots, Walk, Way};
use super::{records, scalars};
use crate::rules;

/// Compares a pair.
pub(super) fn compare(walk: &mut Walk<'_>, id: u32) {
    let Some(pair) = walk.pairs.get(id as usize) else { return };
    let (before, after, way) = (pair.before, pair.after, pair.way);
    if walk.before.has_unresolved(before) || walk.after.has_unresolved(after) {
        walk.give_up(id, "a reference leads nowhere, so that the type is not known.");
        return;
    }
    if let (Some(was), Some(is)) = (walk.before.nominal(before), walk.after.nominal(after))
        && was != is
    {
        return renamed(walk, id, way, was, is);
    }
    beside(walk, id, before, after, way);
    let (Some(old), Some(new)) = (walk.before.alternatives(before), walk.after.alternatives(after)) else {
        walk.give_up(id, "the type has too many alternatives to be compared.");
        return;
    };
    alternatives(walk, id, way, &old, &new);
}

/// A type of another name, where callers see names.
fn renamed(walk: &mut Walk<'_>, id: u32, way: Way, was: &str, is: &str) {
    let text = format!("it is `{}`, it was `{}`.", shown(is), shown(was));
    let rule = way.pick(&rules::REQUEST_TYPE_CHANGED, &rules::RESPONSE_TYPE_CHANGED);
    walk.note(id, rule, "", &format!("{was} {is}"), &text, Spots::default());
}

/// What a set says beside its alternatives.
fn beside(walk: &mut Walk<'_>, id: u32, before: SetId, after: SetId, way: Way) {
    let (old, new) = (walk.before.is_deprecated(before), walk.after.is_deprecated(after));
    if old != new {
        let text = if new { "it is deprecated." } else { "it is no longer deprecated." };
        let rule = way.pick(&rules::REQUEST_DEPRECATED, &rules::RESPONSE_DEPRECATED);
        walk.note(id, rule, "", if new { "deprecated" } else { "restored" }, text, Spots::default());
    }
    super::residuals::compare(walk, id, before, after, way);
    super::tables::types(walk, id, before, after, way);
    let (old, new) = (walk.before.telling(before), walk.after.telling(after));
    let rule = way.pick(&rules::REQUEST_DISCRIMINATOR_CHANGED, &rules::RESPONSE_DISCRIMINATOR_CHANGED);
    match (old, new) {
        (Some(old), Some(new)) => {
            let spots = Spots::of(old.element, new.element);
            if old.field != new.field {
                let text = format!(
                    "the field that tells its types apart is `{}`, not `{}`.",
                    shown(&new.field),
                    shown(&old.field)
                );
                walk.note(id, rule, "", &format!("{} {}", old.field, new.field), &text, spots);
                return;
            }
            for (value, set) in &old.mapping {
                if let Some((_, other)) = new.mapping.iter().find(|(other, _)| other == value) {
                    walk.inside(id, (*set, *other), way, &format!("|{value}"), spots);
                } else {
                    let text = format!("`{}` no longer stands for a type of its own.", shown(value));
                    walk.note(id, rule, "", value, &text, spots);
                }
            }
            for (value, _) in &new.mapping {
                if !old.mapping.iter().any(|(other, _)| other == value) {
                    let rule = way.pick(&rules::REQUEST_DISCRIMINATOR_ADDED, &rules::RESPONSE_DISCRIMINATOR_ADDED);
                    walk.note(id, rule, "", value, &format!("`{}` stands for a type, too.", shown(value)), spots);
                }
            }
        }
        (Some(old), None) => {
            let text = format!("the field `{}` no longer tells its types apart.", shown(&old.field));
            walk.note(id, rule, "", &old.field, &text, Spots::before(old.element));
        }
        (None, Some(new)) => {
            let rule = way.pick(&rules::REQUEST_DISCRIMINATOR_ADDED, &rules::RESPONSE_DISCRIMINATOR_ADDED);
            let text = format!("the field `{}` tells its types apart.", shown(&new.field));
            walk.note(id, rule, "", &new.field, &text, Spots::after(new.element));
        }
        (None, None) => {}
    }
}

/// One alternative with what it is made of.
struct Part {
    alternative: Alternative,
    flat: Rc<Flat>,
}

/// The alternatives but null, and whether null fits.
fn parts(side: &mut Side<'_>, alternatives: &[Alternative]) -> (Vec<Part>, bool, bool) {
    let (mut parts, mut says_null, mut takes_null) = (Vec::new(), false, false);
    for alternative in alternatives {
        let flat = side.flat(alternative.set);
        match &flat.kind {
            Kind::Null => says_null = true,
            Kind::Enum { values, .. } if values.iter().any(|value| value.value.text() == "null") => {
                says_null = true;
                if values.len() > 1 {
                    parts.push(Part { alternative: alternative.clone(), flat });
                }
            }
            kind => {
                takes_null |= matches!(kind, Kind::Any) || flat.implied;
                parts.push(Part { alternative: alternative.clone(), flat });
            }
        }
    }
    (parts, says_null, says_null || takes_null)
}

fn alternatives(walk: &mut Walk<'_>, id: u32, way: Way, old: &[Alternative], new: &[Alternative]) {
    let (mut old, old_null, old_takes) = parts(&mut walk.before, old);
    let (mut new, new_null, new_takes) = parts(&mut walk.after, new);
    let are_both = !old.is_empty() && !new.is_empty();
    if are_both && old_takes != new_takes && (old_null || new_null) {
        let (rule, text) = if new_takes {
            (way.pick(&rules::REQUEST_BECAME_NULLABLE, &rules::RESPONSE_BECAME_NULLABLE), "it may be null.")
        } else {
            (way.pick(&rules::REQUEST_BECAME_NOT_NULLABLE, &rules::RESPONSE_BECAME_NOT_NULLABLE), "it may not be null.")
        };
        walk.note(id, rule, "", "", text, Spots::default());
    }
    if !are_both {
        let words = |parts: &[Part], null| match parts.first() {
            Some(part) => part.flat.kind.words(),
            None if null => "null".to_owned(),
            None => "no value".to_owned(),
        };
        let (was, is) = (words(&old, old_null), words(&new, new_null));
        if was != is {
            let narrowed = new.is_empty() && (!new_null || old_takes);
            let widened = old.is_empty() && (!old_null || new_takes);
            let rule = match (narrowed, widened) {
                (true, _) => way.pick(&rules::REQUEST_TYPE_NARROWED, &rules::RESPONSE_TYPE_NARROWED),
                (_, true) => way.pick(&rules::REQUEST_TYPE_WIDENED, &rules::RESPONSE_TYPE_WIDENED),
                _ => way.pick(&rules::REQUEST_TYPE_CHANGED, &rules::RESPONSE_TYPE_CHANGED),
            };
            walk.note(id, rule, "", &is, &format!("it is {is}, it was {was}."), Spots::default());
        }
        return;
    }
    let (old_count, new_count) = (old.len(), new.len());
    let all = |parts: &[Part]| parts.iter().map(|part| part.alternative.set).collect::<Vec<SetId>>();
    let all = (all(&old), all(&new));
    // What means the same on both sides is done.
    let digests: Vec<_> = new.iter().map(|part| walk.after.digest(part.alternative.set)).collect();
    let same: Vec<_> = old.iter().map(|part| walk.before.digest(part.alternative.set)).collect();
    let is_same = |digest: &shared::surface::Digest| same.contains(digest) && digests.contains(digest);
    old.retain(|part| !is_same(&walk.before.digest(part.alternative.set)));
    new.retain(|part| !is_same(&walk.after.digest(part.alternative.set)));
    exclusive(walk, id, way, &new, (old_count, new_count));
    if let ([one], [other]) = (&old[..], &new[..])
        && old_count == 1
        && new_count == 1
    {
        return matched(walk, id, way, one, other, false);
    }
    covered(walk, way, (&mut old, &mut new), &all);
    let mut left = Vec::new();
    for part in old {
        match best(walk, &part, &new) {
            Some(place) => {
                let other = new.remove(place);
                matched(walk, id, way, &part, &other, true);
            }
            None => left.push(part),
        }
    }
    let is_union = (old_count > 1 && new_count > 1) || walk.format == shared::surface::Format::GraphQl;
    for part in left {
        let rule = if is_union {
            way.pick(&rules::REQUEST_VARIANT_REMOVED, &rules::RESPONSE_VARIANT_REMOVED)
        } else {
            way.pick(&rules::REQUEST_TYPE_NARROWED, &rules::RESPONSE_TYPE_NARROWED)
        };
        leftover(walk, id, rule, &part, "it is no longer", Spots::before(part.alternative.element));
    }
    for part in new {
        let rule = if is_union {
            way.pick(&rules::REQUEST_VARIANT_ADDED, &rules::RESPONSE_VARIANT_ADDED)
        } else {
            way.pick(&rules::REQUEST_TYPE_WIDENED, &rules::RESPONSE_TYPE_WIDENED)
        };
        leftover(walk, id, rule, &part, "it may also be", Spots::after(part.alternative.element));
    }
}

/// Where exactly one alternative must fit, a new one that others overlap takes something away.
fn exclusive(walk: &mut Walk<'_>, id: u32, way: Way, new: &[Part], counts: (usize, usize)) {
    let Some(pair) = walk.pairs.get(id as usize) else { return };
    let (before, after) = (pair.before, pair.after);
    let (was, is) = (walk.before.is_exclusive(before), walk.after.is_exclusive(after));
    match (was, is) {
        (false, true) if counts.0 > 1 => {
            let (request, response) = (&rules::REQUEST_EXCLUSIVE_ADDED, &rules::RESPONSE_CONDITION_ADDED);
            let text = "exactly one of its types must fit.";
            walk.note(id, way.pick(request, response), "", "one", text, Spots::default());
        }
        (true, false) if counts.1 > 1 => {
            let (request, response) = (&rules::REQUEST_CONDITION_REMOVED, &rules::RESPONSE_EXCLUSIVE_REMOVED);
            let text = "more than one of its types may fit.";
            walk.note(id, way.pick(request, response), "", "one", text, Spots::default());
        }
        (_, true) if way.is_request() && walk.after.telling(after).is_none() => {
            let Some(part) = new.iter().find(|part| takes_away(walk, (before, after), part, way, was)) else { return };
            let (label, words) = (&*part.alternative.label, part.flat.kind.words());
            let label = if label.is_empty() { &words } else { label };
            let text = "exactly one of its types must fit, and more than one may now.";
            walk.note(id, &rules::REQUEST_EXCLUSIVE_ADDED, "", label, text, Spots::default());
        }
        _ => {}
    }
}

/// Whether values that fit another alternative fit this new one, too, so that two fit and none may be sent. Who sends one of several was careful already to
/// fit one alone: there, all values of another must fit. Who sends a single one was not.
fn takes_away(
    walk: &mut Walk<'_>,
    (before, after): (SetId, SetId),
    part: &Part,
    way: Way,
    was_exclusive: bool,
) -> bool {
    let Some(all) = walk.after.alternatives(after) else { return false };
    if !was_exclusive {
        return all.iter().filter(|other| other.set != part.alternative.set).any(|other| {
            let flat = walk.after.flat(other.set);
            super::covers::overlap(&flat, &part.flat)
        });
    }
    let Some(known) = walk.before.alternatives(before) else { return false };
    let Walk { before, after, proofs, .. } = walk;
    known.iter().any(|old| {
        let digest = before.digest(old.set);
        all.iter().any(|other| after.digest(other.set) == digest)
            && proofs.covers(before, old.set, after, part.alternative.set, way)
    })
}

/// Takes out what some alternative of the other side takes in whole.
fn covered(walk: &mut Walk<'_>, way: Way, parts: (&mut Vec<Part>, &mut Vec<Part>), all: &(Vec<SetId>, Vec<SetId>)) {
    let Walk { before, after, proofs, .. } = walk;
    let (old, new) = parts;
    if way.is_request() {
        old.retain(|part| !all.1.iter().any(|other| proofs.covers(before, part.alternative.set, after, *other, way)));
    } else {
        new.retain(|part| !all.0.iter().any(|other| proofs.covers(after, part.alternative.set, before, *other, way)));
    }
}

fn leftover(walk: &mut Walk<'_>, id: u32, rule: &'static rules::Rule, part: &Part, text: &str, spots: Spots) {
    let words = part.flat.kind.words();
    let (label, told) = match &*part.alternative.label {
        "" => (words.clone(), words),
        label => (label.to_owned(), format!("`{}`", shown(label))),
    };
    walk.note(id, rule, "", &label, &format!("{text} {told}."), spots);
}

/// The alternative that is most like one of the other side.
fn best(walk: &Walk<'_>, part: &Part, others: &[Part]) -> Option<usize> {
    let label = &part.alternative.label;
    if let Some(place) = others.iter().position(|other| !label.is_empty() && other.alternative.label == *label) {
        return Some(place);
    }
    if walk.format == shared::surface::Format::GraphQl {
        return None;
    }
    let class = part.flat.kind.class();
    let alike: Vec<usize> = others
        .iter()
        .enumerate()
        .filter(|(_, other)| other.flat.kind.class() == class)
        .map(|(place, _)| place)
        .collect();
    let scored =
        alike.iter().map(|place| (others.get(*place).map_or(0, |other| likeness(&part.flat, &other.flat)), *place));
    // Of the most alike, the first.
    let (score, place) = scored.max_by_key(|(score, place)| (*score, std::cmp::Reverse(*place)))?;
    (score >= 50 || alike.len() == 1 && score > 0).then_some(place)
}

/// How alike two alternatives of one class are, in percent.
fn likeness(one: &Flat, other: &Flat) -> usize {
    match (&one.kind, &other.kind) {
        (Kind::Record(one), Kind::Record(other)) => {
            let common = one.fields.keys().filter(|name| other.fields.contains_key(*name)).count();
            let all = one.fields.len() + other.fields.len() - common;
            (100 * common).checked_div(all).unwrap_or(100)
        }
        _ => 100,
    }
}

fn matched(walk: &mut Walk<'_>, id: u32, way: Way, old: &Part, new: &Part, is_variant: bool) {
    let spots = Spots::of(old.alternative.element, new.alternative.element);
    let label = if old.alternative.label.is_empty() { &new.alternative.label } else { &old.alternative.label };
    let pair = walk.pairs.get(id as usize).map(|pair| (pair.before, pair.after));
    let sets = (old.alternative.set, new.alternative.set);
    let named = walk.before.name(sets.0).is_some() || walk.after.name(sets.1).is_some();
    if pair != Some(sets) && (named || (is_variant && !label.is_empty())) {
        let step = if is_variant { format!("|{label}") } else { String::new() };
        return walk.inside(id, sets, way, &step, spots);
    }
    flats(walk, id, way, &old.flat, &new.flat);
}

/// Two alternatives compared.
fn flats(walk: &mut Walk<'_>, id: u32, way: Way, old: &Flat, new: &Flat) {
    let words = (old.kind.words(), new.kind.words());
    let type_note = |walk: &mut Walk<'_>, request: &'static rules::Rule, response: &'static rules::Rule| {
        let (was, is) = &words;
        let text =
            if was == is { format!("it is another kind of {is}.") } else { format!("it is {is}, it was {was}.") };
        walk.note(id, way.pick(request, response), "", &format!("{was} {is}"), &text, Spots::default());
    };
    if let (Some(was), Some(is)) = (&old.nominal, &new.nominal)
        && was != is
    {
        return renamed(walk, id, way, was, is);
    }
    if old.nominal.is_some() != new.nominal.is_some() {
        return type_note(walk, &rules::REQUEST_TYPE_CHANGED, &rules::RESPONSE_TYPE_CHANGED);
    }
    match (&old.kind, &new.kind) {
        (Kind::Any, Kind::Any) => {}
        (_, Kind::Any) => return type_note(walk, &rules::REQUEST_TYPE_WIDENED, &rules::RESPONSE_TYPE_WIDENED),
        (Kind::Any, _) => return type_note(walk, &rules::REQUEST_TYPE_NARROWED, &rules::RESPONSE_TYPE_NARROWED),
        (Kind::Scalar(was), Kind::Scalar(is)) if scalars::compare(walk, id, way, was, is) => {}
        (Kind::Enum { values, open }, Kind::Enum { values: others, open: is_open }) => {
            scalars::values(walk, id, way, (values, *open), (others, *is_open));
        }
        (Kind::Scalar(was), Kind::Enum { values, .. })
            if values.iter().all(|value| was.may_hold(value.value.text())) =>
        {
            let rule = way.pick(&rules::REQUEST_ENUM_ADDED, &rules::RESPONSE_ENUM_ADDED);
            walk.note(id, rule, "", "", &format!("it must be {}.", words.1), Spots::default());
            if !way.is_request() {
                unheld(walk, id, (&rules::RESPONSE_TYPE_CHANGED, &rules::RESPONSE_PATTERN_CHANGED), values, was);
            }
        }
        (Kind::Enum { values, .. }, Kind::Scalar(is)) if values.iter().all(|value| is.may_hold(value.value.text())) => {
            // Who was promised one value alone has no branch for others.
            let gone = if values.len() == 1 { &rules::RESPONSE_TYPE_WIDENED } else { &rules::RESPONSE_ENUM_REMOVED };
            let rule = way.pick(&rules::REQUEST_ENUM_REMOVED, gone);
            walk.note(id, rule, "", "", &format!("it may be any value, it was {}.", words.0), Spots::default());
            if way.is_request() {
                unheld(walk, id, (&rules::REQUEST_ENUM_VALUE_REMOVED, &rules::REQUEST_PATTERN_CHANGED), values, is);
            }
        }
        (Kind::Record(was), Kind::Record(is)) => records::compare(walk, id, way, was, is),
        (Kind::List(was), Kind::List(is)) => lists(walk, id, way, was, is),
        (Kind::Map { key, value }, Kind::Map { key: keys, value: values }) => {
            walk.inside(id, (*key, *keys), way, ".{key}", Spots::default());
            walk.inside(id, (*value, *values), way, ".{value}", Spots::default());
        }
        // In a text, everything is a string.
        (_, Kind::Scalar(is)) if way == Way::Text && scalars::takes_any_text(is) => {
            return type_note(walk, &rules::REQUEST_TYPE_WIDENED, &rules::RESPONSE_TYPE_WIDENED);
        }
        _ => return type_note(walk, &rules::REQUEST_TYPE_CHANGED, &rules::RESPONSE_TYPE_CHANGED),
    }
    asides(walk, id, way, &old.asides, &new.asides);
    if old.implied && !new.implied {
        let rule = way.pick(&rules::REQUEST_TYPE_NARROWED, &rules::RESPONSE_TYPE_NARROWED);
        walk.note(id, rule, "", "implied", &format!("it must be {}, which nothing said.", words.1), Spots::default());
    } else if new.implied && !old.implied {
        let rule = way.pick(&rules::REQUEST_TYPE_WIDENED, &rules::RESPONSE_TYPE_WIDENED);
        let text = format!("nothing says any more that it must be {}.", words.0);
        walk.note(id, rule, "", "implied", &text, Spots::default());
    }
}

/// What is said of values of other kinds: nothing that fits is refused for it, but whoever goes by each keyword goes by it.
fn asides(walk: &mut Walk<'_>, id: u32, way: Way, old: &[Kind], new: &[Kind]) {
    let of = |kind: &Kind| Flat { kind: kind.clone(), implied: true, ..Flat::any() };
    walk.is_aside = true;
    for was in old {
        match new.iter().find(|is| is.class() == was.class()) {
            Some(is) => flats(walk, id, way, &of(was), &of(is)),
            None if was.is_plain() => {}
            None => limit(walk, id, way, &format!("what is said of {}", was.words()), "gone", Shift::Looser),
        }
    }
    for is in new.iter().filter(|is| !is.is_plain() && !old.iter().any(|was| was.class() == is.class())) {
        limit(walk, id, way, &format!("what is said of {}", is.words()), "new", Shift::Tighter);
    }
    walk.is_aside = false;
}

/// Listed values that are outside of the limits on the other side: surely, or perhaps.
fn unheld(
    walk: &mut Walk<'_>,
    id: u32,
    (surely, perhaps): (&'static rules::Rule, &'static rules::Rule),
    values: &[shared::surface::EnumValue],
    limits: &Numbers,
) {
    for value in values.iter().filter(|value| !limits.holds(value.value.text())) {
        let rule = if limits.patterns.is_empty() && limits.formats.is_empty() { surely } else { perhaps };
        let text = format!("the value {} is not within its limits.", shown(value.value.text()));
        walk.note(id, rule, "", value.value.text(), &text, Spots::default());
    }
}

fn lists(walk: &mut Walk<'_>, id: u32, way: Way, was: &Listing, is: &Listing) {
    let at = |list: &Listing, place: usize| list.prefix.get(place).copied().or(list.items).unwrap_or(Side::ANY);
    let length = was.prefix.len().max(is.prefix.len());
    for place in 0..length {
        walk.inside(id, (at(was, place), at(is, place)), way, &format!("[{place}]"), Spots::default());
    }
    let items = (was.items.unwrap_or(Side::ANY), is.items.unwrap_or(Side::ANY));
    walk.inside(id, items, way, "[]", Spots::default());
    let longest = (longest(&mut walk.before, was), longest(&mut walk.after, is));
    let shifts = size_shift("minItems", was.min, is.min, true)
        .into_iter()
        .chain(size_shift("maxItems", longest.0, longest.1, false));
    for (name, text, shift) in shifts {
        limit(walk, id, way, name, &text, shift);
    }
    if was.unique != is.unique {
        let shift = if is.unique { Shift::Tighter } else { Shift::Looser };
        limit(walk, id, way, "uniqueItems", if is.unique { "set" } else { "gone" }, shift);
    }
}

/// How many items a list has at most: no more than its first ones where nothing fits the others.
fn longest(side: &mut Side<'_>, list: &Listing) -> Option<u64> {
    let is_short = list.items.is_some_and(|items| side.alternatives(items).is_some_and(|found| found.is_empty()));
    least(list.max, is_short.then(|| u64::try_from(list.prefix.len()).unwrap_or(u64::MAX)))
}

/// Notes that a limit has moved.
pub(super) fn limit(walk: &mut Walk<'_>, id: u32, way: Way, name: &str, text: &str, shift: Shift) {
    let rule = match shift {
        Shift::Looser => way.pick(&rules::REQUEST_CONSTRAINT_LOOSENED, &rules::RESPONSE_CONSTRAINT_LOOSENED),
        Shift::Tighter => way.pick(&rules::REQUEST_CONSTRAINT_TIGHTENED, &rules::RESPONSE_CONSTRAINT_TIGHTENED),
        Shift::Other => way.pick(&rules::REQUEST_CONSTRAINT_TIGHTENED, &rules::RESPONSE_CONSTRAINT_LOOSENED),
    };
    walk.note(id, rule, "", &format!("{name} {text}"), &format!("`{name}`: {text}."), Spots::default());
}

/// The limits of how many fields there may be.
pub(super) fn field_limits(walk: &mut Walk<'_>, id: u32, way: Way, was: &Record, is: &Record) {
    let shifts = size_shift("minProperties", was.min, is.min, true).into_iter().chain(size_shift(
        "maxProperties",
        was.max,
        is.max,
        false,
    ));
    for (name, text, shift) in shifts {
        limit(walk, id, way, name, &text, shift);
    }
}
