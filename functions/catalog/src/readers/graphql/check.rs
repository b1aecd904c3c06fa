//! What contradicts the GraphQL specification without keeping a schema from being read: all of it is a warning with its line.

mod interfaces;
mod values;

use super::lexer::At;
use super::syntax::{Defined, Directive, Item, Name, Ref, Wrap};
use super::together::{Entry, Together, is_built_in, keyword};
use super::{Report, parser, quote};
use crate::readers::Warnings;
use foldhash::{HashMap, HashSet};

/// The directives that every schema has.
const BUILT_IN: &str = r#"
directive @include(if: Boolean!) on FIELD | FRAGMENT_SPREAD | INLINE_FRAGMENT
directive @skip(if: Boolean!) on FIELD | FRAGMENT_SPREAD | INLINE_FRAGMENT
directive @deprecated(reason: String = "") on FIELD_DEFINITION | ARGUMENT_DEFINITION | INPUT_FIELD_DEFINITION | ENUM_VALUE
directive @specifiedBy(url: String!) on SCALAR
directive @oneOf on INPUT_OBJECT
"#;
/// Comparisons of names that are made: with many arguments, fields and uses each, all with all would take minutes.
const STEPS_MAX: usize = 1_000_000;

/// Warns of everything that is wrong with a schema.
pub(super) fn check(together: &Together<'_>, report: &mut Report<'_>) {
    let mut nobody = Report { is_one: true, paths: Vec::new(), warnings: Warnings::default() };
    let document = parser::parse(BUILT_IN, 0, &mut 1_000).unwrap_or_default();
    let built_in = document.definitions.into_iter().map(|definition| Entry::new(definition, &mut nobody)).collect();
    let mut check = Check { together, report, built_in, missing: HashSet::default(), steps: STEPS_MAX };
    check.roots();
    for entry in together.types.iter().chain(&together.directives) {
        check.entry(entry);
    }
    check.inputs_without_end();
}

struct Check<'a, 'b, 'c> {
    together: &'b Together<'a>,
    report: &'b mut Report<'c>,
    built_in: Vec<Entry<'a>>,
    /// Directives whose definition was missed already.
    missing: HashSet<&'a str>,
    steps: usize,
}

impl<'a, 'b> Check<'a, 'b, '_> {
    fn warn(&mut self, code: &str, at: At, path: &str, message: impl FnOnce() -> String) {
        let message = if self.report.warnings.is_full() { String::new() } else { message() };
        self.report.warn(code, at, path, message);
    }

    /// Whether so many more comparisons may be made.
    fn spend(&mut self, steps: usize) -> bool {
        if self.steps > 0 && self.steps <= steps {
            let message = || "The schema is so large that not everything in it was checked.".to_owned();
            self.warn("not-all-checked", At { line: 1, ..At::default() }, "", message);
        }
        self.steps = self.steps.saturating_sub(steps);
        self.steps > 0
    }

    fn roots(&mut self) {
        for (root, name) in &self.together.roots {
            match self.together.ty(name.text) {
                Some(ty) if ty.defined == Defined::Object => {}
                Some(ty) => {
                    let message = || {
                        format!(
                            "The root type for {} is {ty}, which is no object: it has no operations.",
                            keyword(*root)
                        )
                    };
                    self.warn("root-type", name.at, name.text, message);
                }
                None => self.unknown(name, name.text),
            }
        }
        self.applied(&self.together.applied, "SCHEMA", "");
    }

    fn unknown(&mut self, name: &Name<'_>, path: &str) {
        let message = || format!("The type {} is not defined.", quote(name.text));
        self.warn("unknown-type", name.at, path, message);
    }

    fn entry(&mut self, entry: &'b Entry<'a>) {
        let path = entry.path();
        self.reserved(&entry.name, &path);
        let (location, item_location) = match entry.defined {
            Defined::Scalar => ("SCALAR", ""),
            Defined::Object => ("OBJECT", "FIELD_DEFINITION"),
            Defined::Interface => ("INTERFACE", "FIELD_DEFINITION"),
            Defined::Union => ("UNION", ""),
            Defined::Enum => ("ENUM", "ENUM_VALUE"),
            Defined::Input => ("INPUT_OBJECT", "INPUT_FIELD_DEFINITION"),
            Defined::Directive => ("", "ARGUMENT_DEFINITION"),
        };
        self.applied(&entry.directives, location, &path);
        if entry.items.is_empty() && !matches!(entry.defined, Defined::Scalar | Defined::Directive) {
            let message = || format!("{entry} has nothing in it.");
            self.warn("empty-type", entry.name.at, &path, message);
        }
        for item in &entry.items {
            let path = entry.path_of(item.name.text);
            if entry.defined == Defined::Union {
                self.member(entry, &item.name, &path);
                continue;
            }
            self.reserved(&item.name, &path);
            self.applied(&item.directives, item_location, &path);
            self.item(item, matches!(entry.defined, Defined::Input | Defined::Directive), &path);
            if entry.directive("oneOf").is_some()
                && (item.default.is_some() || item.ty.as_ref().is_some_and(Ref::is_non_null))
            {
                let message = || {
                    format!(
                        "{} is a field of {entry}, of which exactly one is sent: it can be neither required nor have a default.",
                        quote(item.name.text)
                    )
                };
                self.warn("one-of", item.name.at, &path, message);
            }
        }
        self.interfaces(entry, &path);
    }

    fn reserved(&mut self, name: &Name<'_>, path: &str) {
        if name.text.starts_with("__") {
            let message = || format!("{} begins with two underscores, which are for GraphQL itself.", quote(name.text));
            self.warn("reserved-name", name.at, path, message);
        }
    }

    fn member(&mut self, union: &Entry<'_>, name: &Name<'_>, path: &str) {
        match self.together.ty(name.text) {
            Some(ty) if ty.defined == Defined::Object => {}
            None if !is_built_in(name.text) => self.unknown(name, path),
            _ => {
                let message = || format!("{} is in {union}, but it is no object.", quote(name.text));
                self.warn("union-member", name.at, path, message);
            }
        }
    }

    /// A field, an argument or a value.
    fn item(&mut self, item: &'b Item<'a>, is_input: bool, path: &str) {
        let Some(ty) = &item.ty else { return };
        self.kind(ty, is_input, path);
        if let Some(default) = &item.default {
            self.fits(default, ty, "invalid-default", item.name.at, path);
        }
        if is_input && item.default.is_none() && ty.is_non_null() && deprecated(item) {
            let message = || format!("{} is required, so it cannot be deprecated.", quote(item.name.text));
            self.warn("required-deprecated", item.name.at, path, message);
        }
        let mut known = HashSet::default();
        for argument in &item.arguments {
            let path = format!("{path}({}:)", argument.name.text);
            if !known.insert(argument.name.text) {
                let message =
                    || format!("There are two arguments {}: the first one counts.", quote(argument.name.text));
                self.warn("duplicate-item", argument.name.at, &path, message);
            }
            self.reserved(&argument.name, &path);
            self.applied(&argument.directives, "ARGUMENT_DEFINITION", &path);
            self.item(argument, true, &path);
        }
    }

    /// Whether a type can be where it is.
    fn kind(&mut self, ty: &Ref<'_>, is_input: bool, path: &str) {
        match self.together.ty(ty.name.text) {
            None if is_built_in(ty.name.text) => {}
            None => self.unknown(&ty.name, path),
            Some(entry) if is_input && !entry.defined.is_input() => {
                let message =
                    || format!("{entry} can come back, but not be sent: a scalar, an enumeration or an input can.");
                self.warn("input-type", ty.name.at, path, message);
            }
            Some(entry) if !is_input && !entry.defined.is_output() => {
                let message = || format!("{entry} can be sent, but not come back.");
                self.warn("output-type", ty.name.at, path, message);
            }
            Some(_) => {}
        }
    }

    /// Directives where they are applied.
    fn applied(&mut self, directives: &'b [Directive<'a>], location: &str, path: &str) {
        let mut once = HashSet::default();
        let together = self.together;
        for directive in directives {
            let (name, at) = (directive.name.text, directive.name.at);
            let built_in = std::mem::take(&mut self.built_in);
            let definition = together.directive(directive.name.text);
            let definition =
                definition.or_else(|| built_in.iter().find(|known| known.name.text == directive.name.text));
            if let Some(definition) = definition {
                if !definition.locations.contains(&location) {
                    self.warn("misplaced-directive", at, path, || {
                        format!("The directive {} cannot stand here.", quote(name))
                    });
                }
                if !definition.is_repeatable && !once.insert(directive.name.text) {
                    self.warn("repeated-directive", at, path, || {
                        format!("The directive {} stands here twice.", quote(name))
                    });
                }
                self.arguments(directive, definition, path);
            } else if !together.is_federated() && self.missing.insert(directive.name.text) {
                let message = || {
                    format!("The directive {} is not defined (this is the first place where it is used).", quote(name))
                };
                self.warn("unknown-directive", at, path, message);
            }
            self.built_in = built_in;
        }
    }

    fn arguments(&mut self, directive: &Directive<'a>, definition: &Entry<'a>, path: &str) {
        if !self.spend(directive.arguments.len() + definition.items.len()) {
            return;
        }
        let mut given = HashSet::default();
        let of = format!("the directive {}", quote(directive.name.text));
        for (name, value) in &directive.arguments {
            if !given.insert(name.text) {
                self.warn("directive-argument", name.at, path, || {
                    format!("{} is given to {of} twice.", quote(name.text))
                });
            }
            if let Some(ty) = definition.item(name.text).and_then(|item| item.ty.as_ref()) {
                self.fits(value, ty, "directive-argument", name.at, path);
            } else {
                let message = || format!("{} is no argument of {of}.", quote(name.text));
                self.warn("directive-argument", name.at, path, message);
            }
        }
        for item in &definition.items {
            if is_required(item) && !given.contains(item.name.text) {
                let message = || format!("The argument {} of {of} is missing.", quote(item.name.text));
                self.warn("directive-argument", directive.name.at, path, message);
            }
        }
    }

    /// Inputs that need an input that needs … themselves: no value can ever be sent.
    fn inputs_without_end(&mut self) {
        let together = self.together;
        let inputs: Vec<&Entry<'a>> = together.types.iter().filter(|entry| entry.defined == Defined::Input).collect();
        let places: HashMap<&str, usize> =
            inputs.iter().enumerate().map(|(place, entry)| (entry.name.text, place)).collect();
        let mut needed_by: Vec<Vec<usize>> = vec![Vec::new(); inputs.len()];
        let mut needs: Vec<usize> = vec![0; inputs.len()];
        for (place, entry) in inputs.iter().enumerate() {
            let needed =
                entry.items.iter().filter_map(|item| item.ty.as_ref().filter(|ty| ty.wraps == [Wrap::NonNull]));
            for other in needed.filter_map(|ty| places.get(ty.name.text)) {
                if let (Some(users), Some(count)) = (needed_by.get_mut(*other), needs.get_mut(place)) {
                    users.push(place);
                    *count += 1;
                }
            }
        }
        // Take away what needs nothing until nothing changes.
        let mut free: Vec<usize> = (0..inputs.len()).filter(|place| needs.get(*place) == Some(&0)).collect();
        while let Some(place) = free.pop() {
            for user in needed_by.get_mut(place).map(std::mem::take).unwrap_or_default() {
                if let Some(count) = needs.get_mut(user) {
                    *count -= 1;
                    if *count == 0 {
                        free.push(user);
                    }
                }
            }
        }
        for entry in inputs.iter().zip(&needs).filter(|(_, count)| **count > 0).map(|(entry, _)| entry) {
            let message = || format!("No value of {entry} can be sent: it needs itself, or an input that does.");
            self.warn("input-without-end", entry.name.at, &entry.path(), message);
        }
    }
}

fn deprecated(item: &Item<'_>) -> bool {
    item.directives.iter().any(|directive| directive.name.text == "deprecated")
}

fn is_required(item: &Item<'_>) -> bool {
    item.default.is_none() && item.ty.as_ref().is_some_and(Ref::is_non_null)
}
