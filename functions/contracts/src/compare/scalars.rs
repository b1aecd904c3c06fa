//! Scalars and listed values compared.

use shared::surface::{EnumValue, Format, ScalarKind, Text};

use super::flat::{Numbers, Shift, shown};
use super::pair::limit;
use super::walk::{Spots, Walk, Way};
use crate::rules;

/// Whether a string of any content fits.
pub(super) fn takes_any_text(scalar: &Numbers) -> bool {
    scalar.kind == ScalarKind::String
        && scalar.formats.is_empty()
        && scalar.patterns.is_empty()
        && scalar.min_length.is_none_or(|min| min <= 1)
        && scalar.max_length.is_none()
}

/// Compares two scalars; false where they have nothing in common.
pub(super) fn compare(walk: &mut Walk<'_>, id: u32, way: Way, was: &Numbers, is: &Numbers) -> bool {
    if was.kind != is.kind {
        let (request, response) = match (was.kind, is.kind) {
            (ScalarKind::Integer, ScalarKind::Number) => (&rules::REQUEST_TYPE_WIDENED, &rules::RESPONSE_TYPE_WIDENED),
            (ScalarKind::Number, ScalarKind::Integer) => {
                (&rules::REQUEST_TYPE_NARROWED, &rules::RESPONSE_TYPE_NARROWED)
            }
            _ => return false,
        };
        let text = format!("it is {}, it was {}.", is.words(), was.words());
        walk.note(
            id,
            way.pick(request, response),
            "",
            &format!("{} {}", was.words(), is.words()),
            &text,
            Spots::default(),
        );
    } else if was.formats != is.formats {
        formats(walk, id, way, was, is);
    }
    for (name, text, shift) in was.shifts(is) {
        limit(walk, id, way, name, &text, shift);
    }
    patterns(walk, id, way, &was.patterns, &is.patterns);
    true
}

fn formats(walk: &mut Walk<'_>, id: u32, way: Way, was: &Numbers, is: &Numbers) {
    let listed = |list: &[Text]| {
        let shown: Vec<String> = list.iter().map(|format| format!("`{}`", shown(format))).collect();
        (!list.is_empty()).then(|| shown.join(" and "))
    };
    let text = format!("its format: {}.", super::flat::change(listed(&was.formats), listed(&is.formats)));
    let shift = format_shift(&was.formats, &is.formats);
    let rule = match (shift, way.is_request()) {
        (Shift::Looser, true) => &rules::REQUEST_CONSTRAINT_LOOSENED,
        (Shift::Tighter, false) => &rules::RESPONSE_CONSTRAINT_TIGHTENED,
        _ => way.pick(&rules::REQUEST_FORMAT_CHANGED, &rules::RESPONSE_FORMAT_CHANGED),
    };
    walk.note(
        id,
        rule,
        "",
        &format!("format {} {}", was.formats.join(" "), is.formats.join(" ")),
        &text,
        Spots::default(),
    );
}

/// What a change of formats does. Formats that hold one another are those of `OpenAPI`'s registry.
pub(super) fn format_shift(was: &[Text], is: &[Text]) -> Shift {
    let holds = |wide: &str, narrow: &str| {
        wide == narrow || matches!((wide, narrow), ("int64", "int32" | "int16" | "int8") | ("double", "float"))
    };
    let implies =
        |strict: &[Text], loose: &[Text]| loose.iter().all(|loose| strict.iter().any(|strict| holds(loose, strict)));
    match (implies(is, was), implies(was, is)) {
        (true, _) => Shift::Tighter,
        (_, true) => Shift::Looser,
        _ => Shift::Other,
    }
}

/// Whether a pattern lets everything through.
fn is_universal(pattern: &str) -> bool {
    matches!(pattern, ".*" | "^.*$" | "^.*" | ".*$" | "" | "^" | "$")
}

fn patterns(walk: &mut Walk<'_>, id: u32, way: Way, was: &[Text], is: &[Text]) {
    let real = |list: &[Text]| list.iter().filter(|pattern| !is_universal(pattern)).cloned().collect::<Vec<_>>();
    let (was, is) = (real(was), real(is));
    if was == is {
        return;
    }
    let (tighter, looser) =
        (was.iter().all(|pattern| is.contains(pattern)), is.iter().all(|pattern| was.contains(pattern)));
    let rule = match (tighter, looser, way.is_request()) {
        (_, true, true) => &rules::REQUEST_CONSTRAINT_LOOSENED,
        (true, _, false) => &rules::RESPONSE_CONSTRAINT_TIGHTENED,
        // What must be matched besides takes away, and what need not be matched any more lets in.
        (true, _, true) => &rules::REQUEST_CONSTRAINT_TIGHTENED,
        (_, true, false) => &rules::RESPONSE_CONSTRAINT_LOOSENED,
        _ => way.pick(&rules::REQUEST_PATTERN_CHANGED, &rules::RESPONSE_PATTERN_CHANGED),
    };
    let listed = |list: &[Text]| {
        let shown: Vec<String> = list.iter().map(|pattern| format!("`{}`", shown(pattern))).collect();
        (!list.is_empty()).then(|| shown.join(" and "))
    };
    let text = format!("its pattern: {}.", super::flat::change(listed(&was), listed(&is)));
    walk.note(id, rule, "", &format!("pattern {} {}", was.join(" "), is.join(" ")), &text, Spots::default());
}

/// Compares listed values.
pub(super) fn values(walk: &mut Walk<'_>, id: u32, way: Way, was: (&[EnumValue], bool), is: (&[EnumValue], bool)) {
    let is_null = |value: &&EnumValue| value.value.text() == "null";
    let (old, new) = (was.0, is.0);
    if let [only] = old
        && !was.1
        && !way.is_request()
        && walk.format == Format::OpenApi
        && !new.iter().any(|value| value.value == only.value)
    {
        let text = format!("it was always {}, and never is any more.", shown(only.value.text()));
        let spots = Spots::before(only.element);
        walk.note(id, &rules::RESPONSE_TYPE_CHANGED, "", only.value.text(), &text, spots);
    }
    for value in old.iter().filter(|value| !is_null(value)) {
        if let Some(other) = new.iter().find(|other| other.value == value.value) {
            if value.deprecated != other.deprecated {
                let text = format!(
                    "the value {} is {}deprecated.",
                    shown(value.value.text()),
                    if other.deprecated { "" } else { "no longer " }
                );
                let rule = way.pick(&rules::REQUEST_DEPRECATED, &rules::RESPONSE_DEPRECATED);
                let detail = format!("{} {}", value.value.text(), other.deprecated);
                walk.note(id, rule, "", &detail, &text, Spots::of(value.element, other.element));
            }
            let step = format!(".{}", value.value.text());
            super::tables::facets(walk, id, &step, (value.element, other.element), other.deprecated);
        } else {
            let rule = way.pick(&rules::REQUEST_ENUM_VALUE_REMOVED, &rules::RESPONSE_ENUM_VALUE_REMOVED);
            let text = format!("the value {} is gone.", shown(value.value.text()));
            walk.note(id, rule, "", value.value.text(), &text, Spots::before(value.element));
        }
    }
    let added = new.iter().filter(|value| !is_null(value) && !old.iter().any(|other| other.value == value.value));
    for value in added {
        let rule = if !way.is_request() && was.1 {
            &rules::RESPONSE_ENUM_VALUE_LISTED
        } else {
            way.pick(&rules::REQUEST_ENUM_VALUE_ADDED, &rules::RESPONSE_ENUM_VALUE_ADDED)
        };
        let text = format!("there is the new value {}.", shown(value.value.text()));
        walk.note(id, rule, "", value.value.text(), &text, Spots::after(value.element));
    }
    if was.1 != is.1 {
        let rule = if is.1 {
            way.pick(&rules::REQUEST_TYPE_WIDENED, &rules::RESPONSE_TYPE_WIDENED)
        } else {
            way.pick(&rules::REQUEST_TYPE_NARROWED, &rules::RESPONSE_TYPE_NARROWED)
        };
        let text = if is.1 { "values that are not listed may come." } else { "only values that are listed fit." };
        walk.note(id, rule, "", "open", text, Spots::default());
    }
}
