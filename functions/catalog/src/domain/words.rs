//! Words: what things are found by, and what a question asks for.

use std::collections::{BTreeMap, BTreeSet};

use serde::{Deserialize, Serialize};

use crate::domain::{Entry, Operation};

/// Characters of a word; what is longer is cut, in what is searched and in the question alike.
const WORD_MAX: usize = 40;
/// Words of one operation or type.
const WORDS_OF_ONE_MAX: usize = 60;
/// Words of an API or a service: they are written in the transaction that changes it.
const WORDS_OF_NAMED_MAX: usize = 20;
/// Words of a version: what goes beyond is not found, and the version says so.
pub const WORDS_MAX: usize = 10_000;
/// Words of a question.
const QUESTION_MAX: usize = 8;

/// What is found. In this order where nothing else tells which comes first.
#[derive(Clone, Copy, Debug, PartialEq, Eq, PartialOrd, Ord, Hash, Serialize, Deserialize, utoipa::ToSchema)]
#[serde(rename_all = "snake_case")]
pub enum Kind {
    /// A service.
    Service,
    /// An API.
    Api,
    /// An operation of an API.
    Operation,
    /// A type with a name.
    Type,
    /// A field of a type.
    Field,
}

/// Where a word stands in what is found.
#[derive(Clone, Copy, Debug, PartialEq, Eq, PartialOrd, Ord, Hash)]
pub enum Part {
    /// It is the whole name, or all of it behind the last `.` or `/`.
    Whole,
    /// In the name, the id, the method or the path.
    Name,
    /// In what is said about it.
    Summary,
}

/// A word's place in a version.
pub type Class = (Kind, Part);

impl Part {
    /// How far a match is from the best one: a word itself goes before one that only begins so, and a name before what is said.
    #[must_use]
    pub fn distance(self, is_exact: bool) -> u8 {
        match (self, is_exact) {
            (Self::Whole, true) => 0,
            (Self::Name, true) => 1,
            (Self::Whole, false) => 2,
            (Self::Name, false) => 3,
            (Self::Summary, true) => 4,
            (Self::Summary, false) => 5,
        }
    }
}

/// The key of a class in the table.
#[must_use]
pub fn key((kind, part): Class) -> String {
    let kind = match kind {
        Kind::Service => 's',
        Kind::Api => 'a',
        Kind::Operation => 'o',
        Kind::Type => 't',
        Kind::Field => 'f',
    };
    let part = match part {
        Part::Whole => 'w',
        Part::Name => 'n',
        Part::Summary => 's',
    };
    String::from_iter([kind, part])
}

/// The class of a key.
#[must_use]
pub fn class(key: &str) -> Option<Class> {
    let mut letters = key.chars();
    let kind = match letters.next()? {
        's' => Kind::Service,
        'a' => Kind::Api,
        'o' => Kind::Operation,
        't' => Kind::Type,
        'f' => Kind::Field,
        _ => return None,
    };
    let part = match letters.next()? {
        'w' => Part::Whole,
        'n' => Part::Name,
        's' => Part::Summary,
        _ => return None,
    };
    Some((kind, part))
}

/// The words of a version, each with the numbers of what has it, by class.
#[derive(Debug, Default)]
pub struct Index {
    /// The words.
    pub words: BTreeMap<String, BTreeMap<Class, Vec<u32>>>,
    /// Whether there were more than are kept.
    pub cut: bool,
}

impl Index {
    /// The words of operations, then those of types and of fields, so that the last ones are missing first.
    #[must_use]
    pub fn of(operations: &[Operation], entries: &[Entry]) -> Self {
        let mut index = Self::default();
        for (number, operation) in (0..).zip(operations) {
            let Operation { id, method, path, bindings, summary, .. } = operation;
            let names = [id, method, path].into_iter().chain(bindings.iter().map(|binding| &binding.path));
            let words = words(id, names.map(String::as_str), [summary.as_str()], WORDS_OF_ONE_MAX);
            index.add(Kind::Operation, number, &words);
        }
        for (number, entry) in (0..).zip(entries) {
            let name = entry.name.as_str();
            index.add(entry.kind(), number, &words(name, [name], [entry.summary.as_str()], WORDS_OF_ONE_MAX));
        }
        index
    }

    fn add(&mut self, kind: Kind, number: u32, words: &BTreeMap<String, Part>) {
        for (word, part) in words {
            if !self.words.contains_key(word) {
                if self.words.len() >= WORDS_MAX {
                    self.cut = true;
                    continue;
                }
                self.words.insert(word.clone(), BTreeMap::new());
            }
            if let Some(lists) = self.words.get_mut(word) {
                lists.entry((kind, *part)).or_default().push(number);
            }
        }
    }
}

/// The words of an API or a service: of its slug and its name, and of what is said about it.
#[must_use]
pub fn named(slug: &str, name: &str, about: &[&str]) -> BTreeMap<String, Part> {
    let mut words = words(slug, [slug, name], about.iter().copied(), WORDS_OF_NAMED_MAX);
    // A name of one word is as good as the slug.
    if let [one] = runs(name).collect::<Vec<_>>()[..] {
        words.insert(fold(one), Part::Whole);
    }
    words
}

fn words<'t>(
    whole: &str,
    names: impl IntoIterator<Item = &'t str>,
    about: impl IntoIterator<Item = &'t str>,
    max: usize,
) -> BTreeMap<String, Part> {
    let mut words = BTreeMap::new();
    let last = whole.rsplit(['.', '/']).next().unwrap_or_default();
    if let [one] = runs(last).collect::<Vec<_>>()[..] {
        words.insert(fold(one), Part::Whole);
    }
    for name in names {
        add(&mut words, name, Part::Name, max);
    }
    for text in about {
        add(&mut words, text, Part::Summary, max);
    }
    words
}

fn add(words: &mut BTreeMap<String, Part>, text: &str, part: Part, max: usize) {
    for run in runs(text) {
        let pieces = pieces(run);
        let whole = Some(run).filter(|_| pieces.len() > 1);
        for word in whole.into_iter().chain(pieces) {
            if words.len() >= max {
                return;
            }
            words.entry(fold(word)).or_insert(part);
        }
    }
}

/// The words of a question: its runs of letters and digits. A thing answers if it has, for each, a word that begins so.
#[must_use]
pub fn question(text: &str) -> Vec<String> {
    let words: BTreeSet<String> = runs(text).map(fold).collect();
    let mut words: Vec<String> = words.into_iter().collect();
    // The longest word is the rarest.
    words.sort_by_key(|word| std::cmp::Reverse(word.chars().count()));
    words.truncate(QUESTION_MAX);
    words
}
fn runs(text: &str) -> impl Iterator<Item = &str> {
    text.split(|c: char| !c.is_alphanumeric()).filter(|run| !run.is_empty())
}

/// `listPetsByURL2` as `list`, `Pets`, `By`, `URL2`.
fn pieces(run: &str) -> Vec<&str> {
    let characters: Vec<(usize, char)> = run.char_indices().collect();
    let mut starts = vec![0];
    for window in characters.windows(2) {
        if let [(_, before), (at, here)] = window
            && here.is_uppercase()
            && !before.is_uppercase()
        {
            starts.push(*at);
        }
    }
    for window in characters.windows(3) {
        if let [(_, before), (at, here), (_, after)] = window
            && before.is_uppercase()
            && here.is_uppercase()
            && after.is_lowercase()
        {
            starts.push(*at);
        }
    }
    starts.sort_unstable();
    starts.dedup();
    let ends = starts.iter().copied().skip(1).chain([run.len()]);
    starts.iter().copied().zip(ends).filter_map(|(start, end)| run.get(start..end)).collect()
}

fn fold(word: &str) -> String {
    word.chars().flat_map(char::to_lowercase).take(WORD_MAX).collect()
}

/// Ascending numbers as a text: `0-3,7`.
#[must_use]
pub fn pack(numbers: &[u32]) -> String {
    let mut runs: Vec<(u32, u32)> = Vec::new();
    for number in numbers {
        match runs.last_mut() {
            Some((_, end)) if *end + 1 == *number => *end = *number,
            _ => runs.push((*number, *number)),
        }
    }
    let texts: Vec<String> = runs
        .iter()
        .map(|(start, end)| if start == end { start.to_string() } else { format!("{start}-{end}") })
        .collect();
    texts.join(",")
}

/// What [`pack`] packed; what is not of its making is left out.
pub fn unpack(text: &str) -> impl Iterator<Item = u32> {
    text.split(',').flat_map(|run| {
        let (start, end) = run.split_once('-').unwrap_or((run, run));
        match (start.parse::<u32>(), end.parse::<u32>()) {
            (Ok(start), Ok(end)) => start..end.saturating_add(1),
            _ => 0..0,
        }
    })
}
