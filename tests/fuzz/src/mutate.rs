//! How inputs are changed. Documents are texts with brackets or indentation, so that one set of changes serves every format, with its own words.

use crate::random::Random;

/// Bytes of an input: what a reader does with few it does with many, and few are quick.
pub const INPUT_BYTES_MAX: usize = 64 * 1024;

/// Numbers at which programs go wrong.
const NUMBERS: [&str; 20] = [
    "0",
    "-1",
    "1",
    "-0",
    "127",
    "128",
    "255",
    "256",
    "65535",
    "65536",
    "2147483647",
    "2147483648",
    "-2147483649",
    "4294967295",
    "4294967296",
    "9223372036854775807",
    "18446744073709551615",
    "1e400",
    "1e-999999999999",
    "0.1e99999999999999999999",
];
/// Characters of several bytes, those that no one sees, and half ones.
const ODD: [&[u8]; 12] = [
    "é".as_bytes(),
    "𝄞".as_bytes(),
    "\u{feff}".as_bytes(),
    "\u{202e}".as_bytes(),
    "\u{2028}".as_bytes(),
    "\u{85}".as_bytes(),
    b"\0",
    b"\r",
    b"\r\n",
    b"\xff",
    b"\xc3",
    b"\xed\xa0\x80",
];
/// What parts of an input are put together to at once: more of the same, or deeper.
const TIMES: [usize; 6] = [2, 3, 10, 60, 210, 1_000];

/// A change of one input, with another from the pool at hand. `words` are the format's own.
pub fn mutate(input: &mut Vec<u8>, other: &[u8], words: &[&str], random: &mut Random) {
    for _ in 0..=random.near(5) {
        match random.below(16) {
            0 => flip(input, random),
            1 => odd(input, random),
            2 | 3 => insert(input, random.choose(words).as_bytes(), random),
            4 | 5 => swap_word(input, words, random),
            6 => number(input, random),
            7 => cut(input, random),
            8 => copy(input, random),
            9 | 10 => brackets(input, other, random),
            11 => nest(input, random),
            12 | 13 => lines(input, other, random),
            14 => repeat(input, random),
            _ => crossover(input, other, random),
        }
        input.truncate(INPUT_BYTES_MAX);
    }
}

fn flip(input: &mut Vec<u8>, random: &mut Random) {
    if input.is_empty() {
        input.push(b' ');
    }
    let at = random.below(input.len());
    input[at] = match random.below(3) {
        0 => input[at] ^ (1 << random.below(8)),
        1 => *random.choose(b"{}[]()<>:,;=\"'`#&*!|?-+.\\/\n\t @$%0aA"),
        _ => input[at].wrapping_add(1),
    };
}

fn insert(input: &mut Vec<u8>, bytes: &[u8], random: &mut Random) {
    let at = random.below(input.len() + 1);
    input.splice(at..at, bytes.iter().copied());
}

fn odd(input: &mut Vec<u8>, random: &mut Random) {
    let bytes = *random.choose(&ODD);
    insert(input, bytes, random);
}

fn is_word(byte: u8) -> bool {
    byte.is_ascii_alphanumeric() || matches!(byte, b'_' | b'$' | b'-' | b'.')
}

/// The word around a place.
fn word_at(input: &[u8], at: usize) -> (usize, usize) {
    let start = input[..at].iter().rposition(|byte| !is_word(*byte)).map_or(0, |place| place + 1);
    let end = input[at..].iter().position(|byte| !is_word(*byte)).map_or(input.len(), |place| at + place);
    (start, end)
}

/// Puts a word of the format, or another of the input, in the place of one.
fn swap_word(input: &mut Vec<u8>, words: &[&str], random: &mut Random) {
    let (start, end) = word_at(input, random.below(input.len()));
    let word = if random.one_in(3) {
        let (start, end) = word_at(input, random.below(input.len()));
        input[start..end].to_vec()
    } else {
        random.choose(words).as_bytes().to_vec()
    };
    input.splice(start..end, word);
}

fn number(input: &mut Vec<u8>, random: &mut Random) {
    let from = random.below(input.len());
    let number = random.choose(&NUMBERS).bytes();
    match input[from..].iter().position(u8::is_ascii_digit) {
        Some(at) => {
            let (start, end) = word_at(input, from + at);
            input.splice(start..end, number);
        }
        None => input.extend(number),
    }
}

fn cut(input: &mut Vec<u8>, random: &mut Random) {
    let start = random.below(input.len());
    let end = (start + 1 + random.near(input.len())).min(input.len());
    if random.one_in(8) {
        input.truncate(start);
    } else {
        input.drain(start.min(end)..end);
    }
}

fn copy(input: &mut Vec<u8>, random: &mut Random) {
    let start = random.below(input.len());
    let end = (start + 1 + random.near(200)).min(input.len());
    let piece = input[start.min(end)..end].to_vec();
    insert(input, &piece, random);
}

/// What stands between a bracket and its partner, both included, near a place. Brackets in texts count too: that is as good.
fn group(input: &[u8], random: &mut Random) -> Option<(usize, usize)> {
    let from = random.below(input.len());
    let open = from + input[from..].iter().position(|byte| matches!(byte, b'{' | b'[' | b'(' | b'<'))?;
    let close = match input[open] {
        b'{' => b'}',
        b'[' => b']',
        b'(' => b')',
        _ => b'>',
    };
    let mut depth = 0_usize;
    for (at, byte) in input.iter().enumerate().skip(open) {
        if *byte == input[open] {
            depth += 1;
        } else if *byte == close {
            depth -= 1;
            if depth == 0 {
                return Some((open, at + 1));
            }
        }
    }
    None
}

/// Empties a group, doubles it, puts another in its place, or moves it.
fn brackets(input: &mut Vec<u8>, other: &[u8], random: &mut Random) {
    let Some((start, end)) = group(input, random) else { return };
    match random.below(5) {
        0 => drop(input.drain(start + 1..end - 1)),
        1 => {
            let inside = input[start + 1..end - 1].to_vec();
            let comma: &[u8] = if random.one_in(2) { b"," } else { b"\n" };
            let at = start + 1;
            input.splice(at..at, [&inside, comma].concat());
        }
        2 => {
            if let Some((from, to)) = group(other, random) {
                input.splice(start..end, other[from..to].iter().copied());
            }
        }
        3 => {
            if let Some((from, to)) = group(input, random) {
                let piece = input[from..to].to_vec();
                input.splice(start..end, piece);
            }
        }
        _ => {
            let piece: Vec<u8> = input.drain(start..end).collect();
            insert(input, &piece, random);
        }
    }
}

/// Puts a group, or a place, into so many brackets.
fn nest(input: &mut Vec<u8>, random: &mut Random) {
    let times = *random.choose(&TIMES);
    let (open, close) = *random.choose(&[
        ("{\"a\":", "}"),
        ("[", "]"),
        ("{", "}"),
        ("(", ")"),
        ("{a: ", "}"),
        ("- ", ""),
        ("{\"allOf\":[", "]}"),
        ("{\"items\":", "}"),
        ("{\"properties\":{\"a\":", "}}"),
        ("message A { ", "}"),
        ("map<", ">"),
    ]);
    let (start, end) = group(input, random).unwrap_or_else(|| {
        let at = random.below(input.len() + 1);
        (at, at)
    });
    input.splice(end..end, close.repeat(times).bytes());
    input.splice(start..start, open.repeat(times).bytes());
}

/// The lines of a block: one, and those that follow it further in.
fn block(lines: &[&[u8]], random: &mut Random) -> (usize, usize) {
    let depth = |line: &[u8]| line.iter().take_while(|byte| **byte == b' ').count();
    let start = random.below(lines.len());
    let deeper = lines[start + 1..].iter().take_while(|line| depth(line) > depth(lines[start])).count();
    (start, start + 1 + deeper)
}

/// Takes a block of lines away, doubles it, moves it, indents it, or brings in one of another input.
fn lines(input: &mut Vec<u8>, other: &[u8], random: &mut Random) {
    let source = std::mem::take(input);
    let mut lines: Vec<&[u8]> = source.split_inclusive(|byte| *byte == b'\n').collect();
    let theirs: Vec<&[u8]> = other.split_inclusive(|byte| *byte == b'\n').collect();
    if lines.is_empty() || theirs.is_empty() {
        *input = source;
        return;
    }
    let (start, end) = block(&lines, random);
    let at = random.below(lines.len() + 1);
    match random.below(6) {
        0 => drop(lines.drain(start..end)),
        1 => {
            let piece = lines[start..end].to_vec();
            lines.splice(at..at, piece);
        }
        2 => {
            let (from, to) = block(&theirs, random);
            lines.splice(start..end, theirs[from..to].iter().copied());
        }
        3 => {
            let (from, to) = block(&theirs, random);
            lines.splice(at..at, theirs[from..to].iter().copied());
        }
        4 => {
            let indented: Vec<&[u8]> = lines[start..end].iter().flat_map(|line| [&b"  "[..], line]).collect();
            lines.splice(start..end, indented);
        }
        _ => {
            let other = random.below(lines.len());
            lines.swap(start, other);
        }
    }
    *input = lines.concat();
}

/// The same piece many times.
fn repeat(input: &mut Vec<u8>, random: &mut Random) {
    let start = random.below(input.len());
    let end = (start + 1 + random.near(60)).min(input.len());
    let piece = input[start.min(end)..end].repeat(*random.choose(&TIMES));
    input.splice(end..end, piece);
}

fn crossover(input: &mut Vec<u8>, other: &[u8], random: &mut Random) {
    let (at, from) = (random.below(input.len() + 1), random.below(other.len() + 1));
    input.truncate(at);
    input.extend(&other[from..]);
}

/// The smallest input that still fails, as far as leaving parts out finds it: halves first, then ever smaller pieces.
pub fn minimize(input: &[u8], tries: usize, fails: impl Fn(&[u8]) -> bool) -> Vec<u8> {
    let mut kept = input.to_vec();
    let (mut size, mut attempt) = (kept.len() / 2, 0);
    while size > 0 {
        let mut at = 0;
        while at < kept.len() && attempt < tries {
            let end = (at + size).min(kept.len());
            let shorter = [&kept[..at], &kept[end..]].concat();
            attempt += 1;
            if fails(&shorter) {
                kept = shorter;
            } else {
                at = end;
            }
        }
        size /= 2;
    }
    kept
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn no_input_stops_the_mutations_and_none_grows_without_end() {
        for start in ["", "a", "{", "{}", "a: b\n  c: d\n", "\n\n\n"] {
            let mut random = Random::new(7);
            let mut input = start.as_bytes().to_vec();
            for _ in 0..3_000 {
                mutate(&mut input, b"{\"x\": [1]}\n", &["word"], &mut random);
                assert!(input.len() <= INPUT_BYTES_MAX);
                if random.one_in(10) {
                    input = start.as_bytes().to_vec();
                }
            }
        }
    }

    #[test]
    fn a_failing_input_shrinks_to_what_makes_it_fail() {
        let input = b"there is a needle in all of this hay".to_vec();
        let small = minimize(&input, 10_000, |bytes| bytes.windows(6).any(|window| window == b"needle"));
        assert_eq!(small, b"needle");
    }
}
