//! Sealing: keyed hashes and authenticated encryption, each key derived from a secret for one purpose.

use base64::Engine as _;
use base64::engine::general_purpose::URL_SAFE_NO_PAD;
use ring::{aead, digest, hmac, rand::SecureRandom as _};

/// A secret of the deployment, from the environment. Has no `Debug` and no `Serialize`.
#[derive(Clone)]
pub struct Secret(hmac::Key);

/// What was sealed was changed, cut, or sealed under another key.
#[derive(Debug, thiserror::Error, PartialEq, Eq)]
#[error("the seal does not hold")]
pub struct Broken;

impl Secret {
    /// From a secret's text.
    #[must_use]
    pub fn new(text: &str) -> Self {
        Self(hmac::Key::new(hmac::HMAC_SHA256, text.as_bytes()))
    }

    /// The key for one purpose: what is sealed for one does not hold for another.
    #[must_use]
    pub fn for_purpose(&self, purpose: &str) -> Self {
        Self(hmac::Key::new(hmac::HMAC_SHA256, hmac::sign(&self.0, purpose.as_bytes()).as_ref()))
    }

    /// The keyed hash of a message (HMAC-SHA-256).
    #[must_use]
    pub fn sign(&self, message: &[u8]) -> [u8; 32] {
        let mut hash = [0; 32];
        hash.copy_from_slice(hmac::sign(&self.0, message).as_ref());
        hash
    }

    /// Whether this is the keyed hash of the message, compared in constant time.
    pub fn verify(&self, message: &[u8], hash: &[u8]) -> Result<(), Broken> {
        hmac::verify(&self.0, message, hash).map_err(|_| Broken)
    }

    fn aead(&self) -> Result<aead::LessSafeKey, Broken> {
        let key = self.sign(b"aes-256-gcm");
        aead::UnboundKey::new(&aead::AES_256_GCM, &key).map(aead::LessSafeKey::new).map_err(|_| Broken)
    }

    /// Encrypts and authenticates (AES-256-GCM, random nonce), as unpadded base64url. `context` must be the same to open it.
    pub fn seal(&self, context: &str, plain: &[u8]) -> Result<String, Broken> {
        let nonce: [u8; 12] = random();
        let mut sealed = plain.to_vec();
        self.aead()?
            .seal_in_place_append_tag(aead::Nonce::assume_unique_for_key(nonce), aead::Aad::from(context), &mut sealed)
            .map_err(|_| Broken)?;
        Ok(URL_SAFE_NO_PAD.encode([nonce.as_slice(), &sealed].concat()))
    }

    /// Opens what [`Secret::seal`] made in the same context.
    pub fn open(&self, context: &str, sealed: &str) -> Result<Vec<u8>, Broken> {
        let bytes = URL_SAFE_NO_PAD.decode(sealed).map_err(|_| Broken)?;
        let (nonce, rest) = bytes.split_first_chunk::<12>().ok_or(Broken)?;
        let mut rest = rest.to_vec();
        let plain = self
            .aead()?
            .open_in_place(aead::Nonce::assume_unique_for_key(*nonce), aead::Aad::from(context), &mut rest)
            .map_err(|_| Broken)?;
        Ok(plain.to_vec())
    }
}

/// SHA-256 in lower-case hexadecimal.
#[must_use]
pub fn sha256_hex(bytes: &[u8]) -> String {
    hex(digest::digest(&digest::SHA256, bytes).as_ref())
}

/// Lower-case hexadecimal.
#[must_use]
pub fn hex(bytes: &[u8]) -> String {
    let digit = |value: u8| char::from_digit(u32::from(value), 16).unwrap_or('0');
    bytes.iter().flat_map(|byte| [digit(byte >> 4), digit(byte & 15)]).collect()
}

/// Random bytes from the operating system.
#[must_use]
pub fn random<const N: usize>() -> [u8; N] {
    let mut bytes = [0; N];
    // The operating system's source fails only before it was ever seeded, when nothing secret may be made at all.
    if ring::rand::SystemRandom::new().fill(&mut bytes).is_err() {
        std::process::abort();
    }
    bytes
}

const ALPHABET: &[u8; 32] = b"0123456789abcdefghjkmnpqrstvwxyz";

/// Crockford's base32 in lower case, most significant bits first, without padding.
#[must_use]
pub fn base32(bytes: &[u8]) -> String {
    let mut text = String::with_capacity(bytes.len().div_ceil(5) * 8);
    let (mut buffer, mut bits) = (0_u32, 0_u32);
    for byte in bytes {
        buffer = (buffer << 8) | u32::from(*byte);
        bits += 8;
        while bits >= 5 {
            bits -= 5;
            text.push(digit(buffer >> bits));
        }
    }
    if bits > 0 {
        text.push(digit(buffer << (5 - bits)));
    }
    text
}

fn digit(value: u32) -> char {
    ALPHABET.get((value & 31) as usize).map_or('0', |byte| char::from(*byte))
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_seal_opens_in_its_context_only_and_unchanged_only() {
        let secret = Secret::new("s").for_purpose("page");
        let sealed = secret.seal("a", b"hello").unwrap();
        assert_eq!(secret.open("a", &sealed).unwrap(), b"hello");
        assert_eq!(secret.open("b", &sealed), Err(Broken));
        assert_eq!(Secret::new("s").for_purpose("other").open("a", &sealed), Err(Broken));
        for i in 0..sealed.len() {
            let mut changed = sealed.clone().into_bytes();
            changed[i] = if changed[i] == b'A' { b'B' } else { b'A' };
            assert_eq!(secret.open("a", std::str::from_utf8(&changed).unwrap()), Err(Broken));
        }
    }

    #[test]
    fn base32_is_crockfords() {
        assert_eq!(base32(b""), "");
        assert_eq!(base32(&[0xff; 5]), "zzzzzzzz");
        assert_eq!(base32(b"f"), "cr");
    }

    /// RFC 6234's vector for "abc".
    #[test]
    fn sha256_is_sha256() {
        assert_eq!(sha256_hex(b"abc"), "ba7816bf8f01cfea414140de5dae2223b00361a396177a9cb410ff61f20015ad");
    }
}
