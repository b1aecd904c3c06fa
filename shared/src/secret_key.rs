//! The form of a key's secret, known to `keys`, which makes it, and to the gateway, which reads it at the door.
//!
//! `dw_` and base32 of 16 random bytes and of the first 5 bytes of their keyed hash: a forged or mistyped key is refused
//! without a read.

use crate::seal::{Secret, base32, random};

const PREFIX: &str = "dw_";
const RANDOM: usize = 26; // base32 of 16 bytes
const MAC: usize = 8; // base32 of 5 bytes
/// How much of a secret may be shown to recognise it by.
const SHOWN: usize = 10;

fn mac(secret: &Secret, random: &str) -> String {
    let hash = secret.for_purpose("key").sign(random.as_bytes());
    base32(hash.first_chunk::<5>().map_or(&[], |bytes| bytes.as_slice()))
}

/// Makes a new secret.
#[must_use]
pub fn mint(door: &Secret) -> String {
    let text = base32(&random::<16>());
    let mac = mac(door, &text);
    format!("{PREFIX}{text}{mac}")
}

/// Whether a text has the form of a secret that was made here.
#[must_use]
pub fn is_ours(door: &Secret, text: &str) -> bool {
    let Some(rest) = text.strip_prefix(PREFIX) else { return false };
    let (Some(random), Some(given)) = (rest.get(..RANDOM), rest.get(RANDOM..)) else { return false };
    // No timing to hide: the MAC is no secret to whoever has the key, and worth nothing without the hash in the table.
    given.len() == MAC && mac(door, random) == given
}

/// The beginning of a secret, to recognise it by.
#[must_use]
pub fn shown(secret: &str) -> String {
    secret.chars().take(SHOWN).collect()
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn only_our_secrets_pass() {
        let door = Secret::new("door");
        let secret = mint(&door);
        assert_eq!(secret.len(), 37);
        assert!(is_ours(&door, &secret));
        assert!(!is_ours(&Secret::new("other"), &secret));
        for at in 3..secret.len() {
            let mut forged = secret.clone().into_bytes();
            forged[at] = if forged[at] == b'0' { b'1' } else { b'0' };
            assert!(!is_ours(&door, std::str::from_utf8(&forged).unwrap()), "{at}");
        }
        for bad in ["", "dw_", "dw", "dwt_x", "ä", &format!("{secret}0"), &secret[..36]] {
            assert!(!is_ours(&door, bad), "{bad}");
        }
    }
}
