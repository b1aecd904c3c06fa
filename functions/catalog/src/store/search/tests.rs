use std::collections::BTreeMap;

use house::party;
use proptest::prelude::*;

use super::*;
use crate::domain::words::Kind;

fn postings(rows: &[(&str, Place, &str, &str)]) -> Vec<Posting> {
    let posting = |(word, place, class, numbers): &(&str, Place, &str, &str)| Posting {
        sk: place.row(word),
        slug: "shop".parse().unwrap(),
        version: String::new(),
        name: String::new(),
        about: String::new(),
        at: BTreeMap::from([((*class).to_owned(), (*numbers).to_owned())]),
    };
    rows.iter().map(posting).collect()
}

fn places() -> [Place; 3] {
    let api = ApiId::new();
    [Place::Service(ServiceId::new()), Place::Api(api), Place::Version(api, VersionId::new())]
}

#[test]
fn a_row_says_its_word_and_its_place() {
    for place in places() {
        assert_eq!(Place::of(&place.row("word")), Some(("word", place)));
        let position = format!("5#tw#7#{}", place.row(""));
        assert_eq!(find::again(&position), None, "the number comes before the kind");
        let position = format!("5#7#tw#{}", place.row(""));
        assert_eq!(find::again(&position), Some(position));
    }
    for bad in ["", "a", "a#b", "a#b#c", "word#api_x#-"] {
        assert_eq!(Place::of(bad), None, "{bad}");
    }
    let owner = party("acme").id;
    assert_eq!(partition(owner, "über"), format!("FIND#{owner}#ü"));
}

proptest! {
    #[test]
    fn no_row_breaks_it(text in "\\PC{0,60}") {
        let _ = Place::of(&text);
        let _ = find::again(&text);
    }
}

#[test]
fn exact_goes_before_prefix_a_name_before_what_is_said_and_operations_before_types_before_fields() {
    let [service, api, version] = places();
    let rows = postings(&[
        ("pets", version, "ow", "0"),
        ("pets", version, "os", "1"),
        ("petstore", api, "aw", "0"),
        ("pet", version, "fw", "9"),
        ("pet", version, "tw", "8"),
        ("pet", version, "on", "2-3"),
        ("pet", version, "os", "0,4"),
        ("petting", service, "ss", "0"),
    ]);
    let found = find::ranked(vec![("pet", rows)], None);
    assert_eq!(
        found,
        [
            "0 Type 8",
            "0 Field 9",
            "1 Operation 2",
            "1 Operation 3",
            "2 Api 0",
            "2 Operation 0",
            "4 Operation 4",
            "5 Service 0",
            "5 Operation 1"
        ]
    );
}

#[test]
fn all_words_must_be_there_and_their_distances_add_up() {
    let [_, _, version] = places();
    let first = postings(&[("create", version, "on", "0-3"), ("created", version, "on", "9")]);
    let second =
        postings(&[("fork", version, "os", "1"), ("forks", version, "on", "2,9"), ("fork", version, "fn", "3")]);
    let found = find::ranked(vec![("create", first), ("fork", second)], Some(Kind::Operation));
    assert_eq!(found, ["4 Operation 2", "5 Operation 1", "6 Operation 9"]);
}
