//! What one alternative of a set is made of.

use std::cmp::Ordering;
use std::collections::BTreeMap;

use shared::surface::{
    Bound, Choice, Decimal, Dependent, Direction, ElementId, EnumValue, Input, Presence, Scalar, ScalarKind, Text,
    TypeId,
};

use super::side::{SetId, least};

/// One alternative.
#[derive(Clone, Debug)]
pub(super) struct Flat {
    pub kind: Kind,
    /// Values of another kind of JSON fit, too.
    pub implied: bool,
    /// The name that callers see.
    pub nominal: Option<Text>,
    /// What is said of values of other kinds, which do not fit: it refuses nothing, but it is said.
    pub asides: Vec<Kind>,
}

/// Its kind.
#[derive(Clone, Debug)]
pub(super) enum Kind {
    Any,
    Never,
    Null,
    Scalar(Box<Numbers>),
    Enum { values: Vec<EnumValue>, open: bool },
    Record(Box<Record>),
    List(Listing),
    Map { key: SetId, value: SetId },
}

/// A scalar with all that limits it.
#[derive(Clone, Debug, PartialEq, Eq)]
pub(super) struct Numbers {
    pub kind: ScalarKind,
    pub formats: Vec<Text>,
    pub patterns: Vec<Text>,
    pub minimum: Option<Bound>,
    pub maximum: Option<Bound>,
    pub multiples: Vec<Decimal>,
    pub min_length: Option<u64>,
    pub max_length: Option<u64>,
}

/// Fields by name.
#[derive(Clone, Debug)]
pub(super) struct Record {
    pub fields: BTreeMap<Text, Field>,
    pub additional: Option<SetId>,
    pub patterns: Vec<(Text, SetId)>,
    pub min: Option<u64>,
    pub max: Option<u64>,
    pub choices: Vec<Choice>,
    pub dependent: Vec<Dependent>,
    pub interfaces: Vec<TypeId>,
    pub is_interface: bool,
}

/// A field.
#[derive(Clone, Debug)]
pub(super) struct Field {
    pub element: ElementId,
    pub set: SetId,
    pub presence: Presence,
    pub direction: Direction,
    pub deprecated: bool,
    pub default: Option<Text>,
    pub arguments: Vec<Input>,
    /// Whether a record lists it; one that is not is only said to be required.
    pub is_declared: bool,
}

/// Values in order.
#[derive(Clone, Debug)]
pub(super) struct Listing {
    pub items: Option<SetId>,
    pub prefix: Vec<SetId>,
    pub min: Option<u64>,
    pub max: Option<u64>,
    pub unique: bool,
}

impl Flat {
    pub(super) fn any() -> Self {
        Self { kind: Kind::Any, implied: false, nominal: None, asides: Vec::new() }
    }
}

impl Kind {
    /// What it is called for people.
    pub(super) fn words(&self) -> String {
        match self {
            Self::Any => "any value".to_owned(),
            Self::Never => "no value".to_owned(),
            Self::Null => "null".to_owned(),
            Self::Scalar(scalar) => scalar.words(),
            Self::Enum { values, .. } => {
                let shown: Vec<&str> = values.iter().take(4).map(|value| value.value.text()).collect();
                let more = if values.len() > 4 { ", …" } else { "" };
                format!("one of {}{more}", shown.join(", "))
            }
            Self::Record(_) => "an object".to_owned(),
            Self::List(_) => "a list".to_owned(),
            Self::Map { .. } => "a map".to_owned(),
        }
    }

    /// Whether it says no more than which kind it is.
    pub(super) fn is_plain(&self) -> bool {
        matches!(self, Self::Scalar(scalar) if **scalar == Numbers::of(&Scalar { kind: scalar.kind, ..Scalar::default() }))
    }

    /// A class of kinds that can be compared with one another.
    pub(super) fn class(&self) -> u8 {
        match self {
            Self::Any => 0,
            Self::Never => 1,
            Self::Null => 2,
            Self::Scalar(scalar) => match scalar.kind {
                ScalarKind::String | ScalarKind::Bytes => 3,
                ScalarKind::Integer | ScalarKind::Number => 4,
                ScalarKind::Boolean => 5,
                ScalarKind::Opaque => 6,
            },
            Self::Enum { values, .. } => match values.first().and_then(|value| value.value.text().bytes().next()) {
                Some(b'"') | None => 3,
                Some(b't' | b'f') => 5,
                Some(b'{') => 7,
                Some(b'[') => 8,
                Some(_) => 4,
            },
            Self::Record(_) => 7,
            Self::List(_) => 8,
            Self::Map { .. } => 9,
        }
    }
}

impl Field {
    /// One that is required and not listed.
    pub(super) fn undeclared(element: ElementId) -> Self {
        Self {
            element,
            set: super::side::Side::ANY,
            presence: Presence::Required,
            direction: Direction::Both,
            deprecated: false,
            default: None,
            arguments: Vec::new(),
            is_declared: false,
        }
    }

    /// The field that two records have at once.
    pub(super) fn with(&self, other: &Self, set: SetId) -> Self {
        let (main, second) = if self.is_declared || !other.is_declared { (self, other) } else { (other, self) };
        let required = [self.presence, other.presence].contains(&Presence::Required);
        Self {
            element: main.element,
            set,
            presence: if required { Presence::Required } else { main.presence },
            direction: if main.direction == Direction::Both { second.direction } else { main.direction },
            deprecated: self.deprecated || other.deprecated,
            default: main.default.clone().or_else(|| second.default.clone()),
            arguments: main.arguments.clone(),
            is_declared: main.is_declared,
        }
    }
}

/// What a change of a limit does to the values that fit.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(super) enum Shift {
    /// Fewer fit.
    Tighter,
    /// More fit.
    Looser,
    /// Others fit.
    Other,
}

impl Numbers {
    pub(super) fn of(scalar: &Scalar) -> Self {
        let listed = |text: &Text| if text.is_empty() { Vec::new() } else { vec![text.clone()] };
        Self {
            kind: scalar.kind,
            formats: listed(&scalar.format),
            patterns: listed(&scalar.pattern),
            minimum: scalar.minimum.clone(),
            maximum: scalar.maximum.clone(),
            multiples: scalar.multiple_of.clone().into_iter().collect(),
            min_length: scalar.min_length,
            max_length: scalar.max_length,
        }
    }

    pub(super) fn words(&self) -> String {
        let kind = match self.kind {
            ScalarKind::String => "a string",
            ScalarKind::Integer => "an integer",
            ScalarKind::Number => "a number",
            ScalarKind::Boolean => "a boolean",
            ScalarKind::Bytes => "bytes",
            ScalarKind::Opaque => "a scalar",
        };
        match self.formats.first() {
            Some(format) => format!("{kind} ({})", shown(format)),
            None => kind.to_owned(),
        }
    }

    /// Whether some value may fit both.
    pub(super) fn is_near(&self, other: &Self) -> bool {
        let is_number = |kind| matches!(kind, ScalarKind::Integer | ScalarKind::Number);
        self.kind == other.kind || (is_number(self.kind) && is_number(other.kind))
    }

    /// What fits both.
    pub(super) fn with(&self, other: &Self) -> Self {
        let kind = if self.kind == ScalarKind::Number { other.kind } else { self.kind };
        let union = |left: &[Text], right: &[Text]| {
            let mut all = [left, right].concat();
            all.sort_unstable();
            all.dedup();
            all
        };
        let mut multiples = [self.multiples.clone(), other.multiples.clone()].concat();
        multiples.sort_unstable();
        multiples.dedup();
        Self {
            kind,
            formats: union(&self.formats, &other.formats),
            patterns: union(&self.patterns, &other.patterns),
            minimum: stricter(self.minimum.as_ref(), other.minimum.as_ref(), Ordering::Greater),
            maximum: stricter(self.maximum.as_ref(), other.maximum.as_ref(), Ordering::Less),
            multiples,
            min_length: self.min_length.max(other.min_length),
            max_length: least(self.max_length, other.max_length),
        }
    }

    /// Whether a JSON value is of the kind.
    pub(super) fn may_hold(&self, json: &str) -> bool {
        match (self.kind, json.bytes().next()) {
            (ScalarKind::Integer, Some(b'-' | b'0'..=b'9')) => Decimal::parse(json).is_some_and(|n| n.is_whole()),
            (ScalarKind::String | ScalarKind::Bytes, Some(b'"'))
            | (ScalarKind::Boolean, Some(b't' | b'f'))
            | (ScalarKind::Number, Some(b'-' | b'0'..=b'9'))
            | (ScalarKind::Opaque, _) => true,
            _ => false,
        }
    }

    /// Whether a JSON value surely fits.
    pub(super) fn holds(&self, json: &str) -> bool {
        if !self.may_hold(json) || !self.formats.is_empty() || !self.patterns.is_empty() || !self.multiples.is_empty() {
            return self.may_hold(json) && self.is_number_format() && self.within(json);
        }
        self.within(json)
    }

    fn is_number_format(&self) -> bool {
        self.patterns.is_empty()
            && self.multiples.is_empty()
            && self.formats.iter().all(|format| matches!(&**format, "float" | "double" | "int32" | "int64"))
    }

    /// Whether a JSON value of the kind is within its limits of size.
    pub(super) fn within(&self, json: &str) -> bool {
        if let Some(number) = Decimal::parse(json) {
            let inside = |bound: &Option<Bound>, side: Ordering| {
                bound.as_ref().is_none_or(|bound| match number.cmp(&bound.value) {
                    Ordering::Equal => !bound.exclusive,
                    found => found == side,
                })
            };
            return inside(&self.minimum, Ordering::Greater) && inside(&self.maximum, Ordering::Less);
        }
        if let Ok(text) = serde_json::from_str::<String>(json) {
            let length = u64::try_from(text.chars().count()).unwrap_or(u64::MAX);
            return self.min_length.is_none_or(|min| length >= min) && self.max_length.is_none_or(|max| length <= max);
        }
        true
    }

    /// How the limits have moved: which, and how.
    pub(super) fn shifts(&self, after: &Self) -> Vec<(&'static str, String, Shift)> {
        let mut found = Vec::new();
        let bound = |bound: &Option<Bound>| {
            bound
                .as_ref()
                .map(|bound| format!("{}{}", bound.value.text(), if bound.exclusive { " (exclusive)" } else { "" }))
        };
        for (name, old, new, stricter) in [
            ("minimum", &self.minimum, &after.minimum, Ordering::Greater),
            ("maximum", &self.maximum, &after.maximum, Ordering::Less),
        ] {
            if let Some(shift) = bound_shift(old.as_ref(), new.as_ref(), stricter) {
                found.push((name, change(bound(old), bound(new)), shift));
            }
        }
        found.extend(size_shift("minLength", self.min_length, after.min_length, true));
        found.extend(size_shift("maxLength", self.max_length, after.max_length, false));
        if self.multiples != after.multiples {
            let texts = |list: &[Decimal]| {
                let texts: Vec<&str> = list.iter().map(Decimal::text).collect();
                (!list.is_empty()).then(|| texts.join(", "))
            };
            found.push((
                "multipleOf",
                change(texts(&self.multiples), texts(&after.multiples)),
                multiples_shift(&self.multiples, &after.multiples),
            ));
        }
        found
    }
}

fn multiples_shift(old: &[Decimal], new: &[Decimal]) -> Shift {
    let number = |decimal: &Decimal| decimal.text().parse::<f64>().unwrap_or(f64::NAN);
    let divides = |small: &Decimal, large: &Decimal| {
        let times = number(large) / number(small);
        times.is_finite() && (times - times.round()).abs() < 1e-9
    };
    // A multiple of 6 is a multiple of 3: each of the stricter ones implies each of the looser.
    let implies = |strict: &[Decimal], loose: &[Decimal]| {
        loose.iter().all(|loose| strict.iter().any(|strict| divides(loose, strict)))
    };
    match (implies(new, old), implies(old, new)) {
        (true, _) => Shift::Tighter,
        (_, true) => Shift::Looser,
        _ => Shift::Other,
    }
}

/// A limit by a count.
pub(super) fn size_shift(
    name: &'static str,
    old: Option<u64>,
    new: Option<u64>,
    is_lower: bool,
) -> Option<(&'static str, String, Shift)> {
    if old == new {
        return None;
    }
    let tighter = match (old, new) {
        (None, _) => true,
        (_, None) => false,
        (Some(old), Some(new)) => (new > old) == is_lower,
    };
    let text = change(old.map(|old| old.to_string()), new.map(|new| new.to_string()));
    Some((name, text, if tighter { Shift::Tighter } else { Shift::Looser }))
}

/// "from 3 to 5", "3, new", "3 is gone".
pub(super) fn change(old: Option<String>, new: Option<String>) -> String {
    match (old, new) {
        (Some(old), Some(new)) => format!("from {old} to {new}"),
        (None, Some(new)) => format!("none before, {new} now"),
        (Some(old), None) => format!("{old} before, none now"),
        (None, None) => String::new(),
    }
}

fn bound_shift(old: Option<&Bound>, new: Option<&Bound>, stricter: Ordering) -> Option<Shift> {
    match (old, new) {
        (None, None) => None,
        (None, Some(_)) => Some(Shift::Tighter),
        (Some(_), None) => Some(Shift::Looser),
        (Some(old), Some(new)) if old == new => None,
        (Some(old), Some(new)) => {
            let order = new.value.cmp(&old.value).then(if stricter == Ordering::Greater {
                new.exclusive.cmp(&old.exclusive)
            } else {
                old.exclusive.cmp(&new.exclusive)
            });
            Some(if order == stricter { Shift::Tighter } else { Shift::Looser })
        }
    }
}

fn stricter(left: Option<&Bound>, right: Option<&Bound>, side: Ordering) -> Option<Bound> {
    match (left, right) {
        (Some(left), Some(right)) => {
            let is_right = matches!(bound_shift(Some(left), Some(right), side), Some(Shift::Tighter));
            Some(if is_right { right.clone() } else { left.clone() })
        }
        (left, right) => left.or(right).cloned(),
    }
}

/// A foreign text as it may stand in a sentence: without control characters, cut at 80 characters.
pub(super) fn shown(text: &str) -> String {
    let mut shown: String = text.chars().take(80).map(|c| if c.is_control() { ' ' } else { c }).collect();
    if text.chars().nth(80).is_some() {
        shown.push('…');
    }
    shown
}
