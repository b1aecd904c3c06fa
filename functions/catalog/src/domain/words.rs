//! Words: what an operation is found by, and what a question asks for.

use std::collections::{BTreeMap, BTreeSet};

use crate::domain::Operation;

/// Characters of a word; what is longer is cut, in the operation and in the question alike.
const WORD_MAX: usize = 40;
/// Words of one operation.
const WORDS_OF_OPERATION_MAX: usize = 60;
/// Words of a version: what goes beyond is not found, and the version says so.
pub const WORDS_MAX: usize = 8_000;
/// Words of a question.
const QUESTION_MAX: usize = 8;

/// The words of a version, each with the numbers of its operations, and whether there were more than are kept.
#[must_use]
pub fn index(operations: &[Operation]) -> (BTreeMap<String, Vec<u32>>, bool) {
    let mut index: BTreeMap<String, Vec<u32>> = BTreeMap::new();
    let mut cut = false;
    for (number, operation) in (0..).zip(operations) {
        for word in of(operation) {
            if let Some(numbers) = index.get_mut(&word) {
                numbers.push(number);
            } else if index.len() < WORDS_MAX {
                index.insert(word, vec![number]);
            } else {
                cut = true;
            }
        }
    }
    (index, cut)
}

fn of(operation: &Operation) -> BTreeSet<String> {
    let mut words = BTreeSet::new();
    for text in [&operation.id, &operation.method, &operation.path, &operation.summary] {
        for run in runs(text) {
            let pieces = pieces(run);
            if pieces.len() > 1 {
                words.insert(fold(run));
            }
            words.extend(pieces.into_iter().map(fold));
            if words.len() >= WORDS_OF_OPERATION_MAX {
                return words;
            }
        }
    }
    words
}

/// The words of a question: its runs of letters and digits. An operation answers if it has, for each, a word that begins so.
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
