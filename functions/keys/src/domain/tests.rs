use proptest::prelude::*;

use super::*;

fn at(s: i64) -> Time {
    Time::from_ms((1_800_000_000 + s) * 1000)
}

fn label(text: &str) -> Label {
    text.parse().unwrap()
}

fn print(text: &str) -> Print {
    Print { prefix: text.to_owned(), sha256: format!("sha256 of {text}") }
}

fn one() -> (Ring, Key) {
    Ring::default().issue(SubscriptionId::new(), &label("ci"), print("dw_a"), None, at(0)).unwrap()
}

fn overlap(overlap_s: u32) -> Rotation {
    Rotation { overlap_s, expires_at: None }
}

#[test]
fn the_first_key_has_number_one() {
    let (ring, key) = one();
    assert_eq!(
        (key.state.number, key.revision, key.phase(at(0)), ring.last, ring.revision),
        (1, 1, Phase::Active, 1, 1)
    );
}

#[test]
fn a_key_ends_at_its_time_and_not_a_moment_later() {
    let (_, key) =
        Ring::default().issue(SubscriptionId::new(), &label("ci"), print("dw_a"), Some(at(10)), at(0)).unwrap();
    assert_eq!((key.phase(at(9)), key.phase(at(10))), (Phase::Active, Phase::Expired));
    let past = Ring::default().issue(SubscriptionId::new(), &label("ci"), print("dw_a"), Some(at(10)), at(10));
    assert_eq!(past.unwrap_err(), Refusal::ExpiresInThePast);
}

#[test]
fn a_rotation_overlaps_as_long_as_asked_for() {
    let (ring, key) = one();
    let (ring, old, new) = ring.rotate(&key, &label("ci"), print("dw_b"), overlap(60), at(5)).unwrap();
    assert_eq!((old.state.expires_at, old.revision, old.rotated_to), (Some(at(65)), 2, Some(new.state.id)));
    assert_eq!((new.state.expires_at, new.state.number, new.rotated_from), (None, 2, Some(key.state.id)));
    assert_eq!(ring.live, BTreeMap::from([(key.state.id, Some(at(65))), (new.state.id, None)]));
    let again = ring.rotate(&old, &label("ci"), print("dw_c"), overlap(0), at(6));
    assert_eq!(again.unwrap_err(), Refusal::Rotated { successor: new.state.id });
}

#[test]
fn a_rotation_without_overlap_ends_the_old_key_at_once() {
    let (ring, key) = one();
    let (ring, old, new) = ring.rotate(&key, &label("ci"), print("dw_b"), overlap(0), at(5)).unwrap();
    assert_eq!((old.phase(at(5)), new.phase(at(5))), (Phase::Expired, Phase::Active));
    assert_eq!(ring.live.keys().collect::<Vec<_>>(), [&new.state.id]);
}

#[test]
fn a_rotation_never_lengthens_the_old_key_and_hands_on_its_end() {
    let (ring, key) =
        Ring::default().issue(SubscriptionId::new(), &label("ci"), print("dw_a"), Some(at(10)), at(0)).unwrap();
    let (_, old, new) = ring.rotate(&key, &label("ci"), print("dw_b"), overlap(60), at(5)).unwrap();
    assert_eq!((old.state.expires_at, new.state.expires_at), (Some(at(10)), Some(at(10))));
    let wish = Rotation { overlap_s: 1, expires_at: Some(at(1000)) };
    let (_, old, new) = ring.rotate(&key, &label("ci"), print("dw_b"), wish, at(5)).unwrap();
    assert_eq!((old.state.expires_at, new.state.expires_at), (Some(at(6)), Some(at(1000))));
    assert_eq!(
        ring.rotate(&key, &label("ci"), print("dw_b"), overlap(60), at(10)).unwrap_err(),
        Refusal::Ended { state: Phase::Expired }
    );
    assert_eq!(
        ring.rotate(&key, &label("ci"), print("dw_b"), overlap(OVERLAP_S_MAX + 1), at(5)).unwrap_err(),
        Refusal::OverlapTooLong
    );
}

#[test]
fn a_revoked_key_is_neither_rotated_nor_revoked_again() {
    let (ring, key) = one();
    let (ring, revoked) = ring.revoke(&key, at(1)).unwrap();
    assert_eq!((revoked.phase(at(1)), revoked.state.revoked_at, ring.live.len()), (Phase::Revoked, Some(at(1)), 0));
    assert_eq!(ring.revoke(&revoked, at(2)), None);
    assert_eq!(
        ring.rotate(&revoked, &label("ci"), print("dw_b"), overlap(0), at(2)).unwrap_err(),
        Refusal::Ended { state: Phase::Revoked }
    );
}

#[test]
fn a_full_ring_takes_no_more_until_one_ends() {
    let subscription = SubscriptionId::new();
    let mut ring = Ring::default();
    let mut keys = Vec::new();
    for n in 0..100 {
        let expires_at = (n == 7).then(|| at(50));
        let (next, key) = ring.issue(subscription, &label("ci"), print("dw_a"), expires_at, at(0)).unwrap();
        ring = next;
        keys.push(key);
    }
    let issue = |ring: &Ring, now| ring.issue(subscription, &label("ci"), print("dw_a"), None, now);
    assert_eq!(issue(&ring, at(49)).unwrap_err(), Refusal::Full);
    assert_eq!(ring.rotate(&keys[0], &label("ci"), print("dw_b"), overlap(1), at(1)).unwrap_err(), Refusal::Full);
    assert!(ring.rotate(&keys[0], &label("ci"), print("dw_b"), overlap(0), at(1)).is_ok());
    assert_eq!(issue(&ring, at(50)).unwrap().1.state.number, 101);
    let (freed, _) = ring.revoke(&keys[3], at(1)).unwrap();
    assert_eq!(issue(&freed, at(1)).unwrap().1.state.number, 101);
}

#[test]
fn a_name_that_stays_changes_nothing() {
    let (_, key) = one();
    assert_eq!(key.renamed(&label("ci"), at(1)), key);
    let renamed = key.renamed(&label("cd"), at(1));
    assert_eq!((renamed.revision, renamed.state.revision, renamed.state.name.as_str()), (2, 2, "cd"));
}

#[derive(Clone, Debug)]
enum Step {
    Issue(Option<i64>),
    Rotate(prop::sample::Index, u32, Option<i64>),
    Revoke(prop::sample::Index),
    Rename(prop::sample::Index),
}

fn step() -> impl Strategy<Value = Step> {
    prop_oneof![
        4 => prop::option::of(-5_i64..50).prop_map(Step::Issue),
        2 => (any::<prop::sample::Index>(), 0_u32..40, prop::option::of(-5_i64..50)).prop_map(|(key, overlap, expires)| Step::Rotate(key, overlap, expires)),
        1 => any::<prop::sample::Index>().prop_map(Step::Revoke),
        1 => any::<prop::sample::Index>().prop_map(Step::Rename),
    ]
}

/// When a key ends at the latest, as the door understands it.
fn end(key: &Key) -> i64 {
    let expires = key.state.expires_at.map_or(i64::MAX, Time::ms);
    key.state.revoked_at.map_or(expires, |revoked| revoked.ms().min(expires))
}

proptest! {
    /// Whatever is tried, in whatever order, while time goes on.
    #[test]
    fn any_history_keeps_the_laws(steps in proptest::collection::vec((step(), 0_i64..4), 0..160)) {
        let subscription = SubscriptionId::new();
        let (mut ring, mut keys, mut s) = (Ring::default(), Vec::<Key>::new(), 0);
        for (step, pause) in steps {
            s += pause;
            let now = at(s);
            let before: Vec<Key> = keys.clone();
            let pick = |index: prop::sample::Index| if before.is_empty() { None } else { Some(index.index(before.len())) };
            let revision = ring.revision;
            match step {
                Step::Issue(expires) => {
                    let Ok((next, key)) = ring.issue(subscription, &label("ci"), print("dw_a"), expires.map(|after| at(s + after)), now) else { continue };
                    ring = next;
                    keys.push(key);
                }
                Step::Rotate(index, overlap_s, expires) => {
                    let Some(at_) = pick(index) else { continue };
                    let wish = Rotation { overlap_s, expires_at: expires.map(|after| at(s + after)) };
                    let Ok((next, old, new)) = ring.rotate(&keys[at_], &label("ci"), print("dw_b"), wish, now) else { continue };
                    prop_assert_eq!(before[at_].phase(now), Phase::Active);
                    ring = next;
                    keys[at_] = old;
                    keys.push(new);
                }
                Step::Revoke(index) => {
                    let Some(at_) = pick(index) else { continue };
                    let Some((next, key)) = ring.revoke(&keys[at_], now) else { continue };
                    prop_assert_eq!(key.phase(now), Phase::Revoked);
                    ring = next;
                    keys[at_] = key;
                }
                Step::Rename(index) => {
                    let Some(at_) = pick(index) else { continue };
                    keys[at_] = keys[at_].renamed(&label("cd"), now);
                    ring.revision += 1;
                }
            }
            prop_assert_eq!(ring.revision, revision + 1);
            // Numbers are counted from 1, and none is given twice.
            prop_assert_eq!(keys.iter().map(|key| key.state.number).collect::<Vec<_>>(), (1..=ring.last).collect::<Vec<_>>());
            for (old, new) in before.iter().zip(&keys) {
                // An end only ever comes nearer, and every change is seen.
                prop_assert!(end(new) <= end(old));
                prop_assert_eq!(new.revision, old.revision + u64::from(new != old));
                prop_assert_eq!(new.state.revision, new.revision);
                // Who a key is never changes.
                prop_assert_eq!((new.state.id, new.state.number, &new.state.secret_sha256), (old.state.id, old.state.number, &old.state.secret_sha256));
            }
            // The ring knows exactly the keys that open the door, and there are never too many of them.
            let living: Vec<KeyId> = keys.iter().filter(|key| key.phase(now) == Phase::Active).map(|key| key.state.id).collect();
            prop_assert!(living.len() <= LIVE_MAX);
            let known: Vec<KeyId> = ring.live.iter().filter(|(_, expires)| expires.is_none_or(|expires| expires > now)).map(|(id, _)| *id).collect();
            let mut sorted = living;
            sorted.sort_unstable();
            prop_assert_eq!(known, sorted);
        }
    }
}
