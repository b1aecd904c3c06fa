//! Which addresses an upstream may have: those of the public internet, the ranges that the operator allowed, and never
//! those where a cloud hands out its machines' credentials.

use std::net::{IpAddr, Ipv4Addr, Ipv6Addr};
use std::sync::Arc;

/// A range of addresses, such as `10.0.0.0/8`.
#[derive(Clone, Copy, PartialEq, Eq, Debug)]
pub struct Range {
    address: IpAddr,
    bits: u32,
}

impl std::str::FromStr for Range {
    type Err = &'static str;

    fn from_str(text: &str) -> Result<Self, Self::Err> {
        let (address, bits) = text.split_once('/').ok_or("expected address/bits")?;
        let address: IpAddr = address.parse().map_err(|_| "expected an address")?;
        let bits = bits.parse().map_err(|_| "expected a number of bits")?;
        let most = if address.is_ipv4() { 32 } else { 128 };
        if bits > most { Err("too many bits") } else { Ok(Self { address, bits }) }
    }
}

impl Range {
    const fn v4(a: u8, b: u8, c: u8, d: u8, bits: u32) -> Self {
        Self { address: IpAddr::V4(Ipv4Addr::new(a, b, c, d)), bits }
    }

    const fn v6(address: u128, bits: u32) -> Self {
        Self { address: IpAddr::V6(Ipv6Addr::from_bits(address)), bits }
    }

    fn holds(&self, address: IpAddr) -> bool {
        match (self.address, address) {
            (IpAddr::V4(own), IpAddr::V4(other)) => {
                self.bits == 0 || (own.to_bits() ^ other.to_bits()) >> (32 - self.bits) == 0
            }
            (IpAddr::V6(own), IpAddr::V6(other)) => {
                self.bits == 0 || (own.to_bits() ^ other.to_bits()) >> (128 - self.bits) == 0
            }
            _ => false,
        }
    }
}

/// What no range opens: a machine's own link, where most clouds hand out credentials (169.254.169.254, 169.254.170.2) and
/// where Lambda speaks to its sandboxes, and the places of those that chose otherwise.
const NEVER: [Range; 7] = [
    Range::v4(169, 254, 0, 0, 16),
    Range::v6(0xfe80 << 112, 10),
    // AWS: metadata, DNS, time and credentials of pods over IPv6.
    Range::v6(0xfd00_0ec2 << 96, 32),
    // Google Cloud over IPv6.
    Range::v6((0xfd20_00ce << 96) | 0x254, 128),
    // Alibaba Cloud, Oracle Cloud, Azure.
    Range::v4(100, 100, 100, 200, 32),
    Range::v4(192, 0, 0, 192, 32),
    Range::v4(168, 63, 129, 16, 32),
];

/// Whether an address is one of the public internet (IANA's special-purpose registries; the standard library's `is_global`
/// is not stable). What the registries call globally reachable inside of a range for protocols is left out all the same.
fn is_public(address: IpAddr) -> bool {
    match address {
        IpAddr::V4(v4) => is_public_v4(v4),
        IpAddr::V6(v6) => is_public_v6(v6),
    }
}

fn is_public_v4(address: Ipv4Addr) -> bool {
    let [a, b, c, _] = address.octets();
    !(a == 0
        || a == 10
        || a == 127
        || (a == 100 && (64..128).contains(&b))
        || (a == 169 && b == 254)
        || (a == 172 && (16..32).contains(&b))
        || (a == 192 && b == 0 && (c == 0 || c == 2))
        || (a == 192 && b == 88 && c == 99)
        || (a == 192 && b == 168)
        || (a == 198 && (b == 18 || b == 19))
        || (a == 198 && b == 51 && c == 100)
        || (a == 203 && b == 0 && c == 113)
        || a >= 224)
}

fn is_public_v6(address: Ipv6Addr) -> bool {
    let [first, second, third, fourth, fifth, sixth, ..] = address.segments();
    // What a translator of RFC 6052 reaches is judged as what it is.
    if let (Some(v4), [0x64, 0xff9b, 0, 0, 0, 0]) = (carried(address), [first, second, third, fourth, fifth, sixth]) {
        return is_public_v4(v4);
    }
    // Global unicast is 2000::/3; within it, 2001::/23 is for protocols (Teredo, ORCHID), 2002::/16 for 6to4, which ended
    // with RFC 7526, and 2001:db8::/32 and 3fff::/20 for documents.
    (first & 0xe000) == 0x2000
        && !(first == 0x2001 && (second < 0x200 || second == 0xdb8))
        && first != 0x2002
        && !(first == 0x3fff && second < 0x1000)
}

/// The IPv4 address that an IPv6 address leads to, if it carries one: mapped and compatible (RFC 4291, 2.5.5), translated
/// (RFC 6052, RFC 8215), 6to4 (RFC 3056).
fn carried(address: Ipv6Addr) -> Option<Ipv4Addr> {
    let [first, second, third, _, fifth, sixth, seventh, eighth] = address.segments();
    let v4 = |high: u16, low: u16| Some(Ipv4Addr::from_bits((u32::from(high) << 16) | u32::from(low)));
    match (first, second) {
        (0, 0) if third == 0 && matches!((fifth, sixth), (0, 0 | 0xffff) | (0xffff, 0)) => v4(seventh, eighth),
        (0x64, 0xff9b) => v4(seventh, eighth),
        (0x2002, _) => v4(second, third),
        _ => None,
    }
}

/// Which addresses may be reached.
#[derive(Clone, Debug, Default)]
pub struct Reach(Arc<[Range]>);

impl Reach {
    /// The public internet, and these ranges.
    #[must_use]
    pub fn new(ranges: impl IntoIterator<Item = Range>) -> Self {
        Self(ranges.into_iter().collect())
    }

    pub(crate) fn allows(&self, address: IpAddr) -> bool {
        let never = |address: IpAddr| NEVER.iter().any(|range| range.holds(address));
        let carried = match address {
            IpAddr::V6(v6) => carried(v6),
            IpAddr::V4(_) => None,
        };
        if never(address) || carried.is_some_and(|v4| never(v4.into())) {
            return false;
        }
        // A mapped address is connected to as the IPv4 address that it is.
        let address = address.to_canonical();
        is_public(address) || self.0.iter().any(|range| range.holds(address))
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    fn range(text: &str) -> Range {
        text.parse().unwrap()
    }

    /// The first and the last address of a range.
    fn ends(text: &str) -> [IpAddr; 2] {
        let Range { address, bits } = range(text);
        let last = match address {
            IpAddr::V4(v4) => IpAddr::V4((v4.to_bits() | u32::MAX.checked_shr(bits).unwrap_or(0)).into()),
            IpAddr::V6(v6) => IpAddr::V6((v6.to_bits() | u128::MAX.checked_shr(bits).unwrap_or(0)).into()),
        };
        [address, last]
    }

    /// IANA's registries of special-purpose addresses (RFC 6890), and multicast (RFC 5771, RFC 4291). Each row: a range that
    /// is not of the public internet.
    const SPECIAL: &[&str] = &[
        "0.0.0.0/8",          // this network
        "10.0.0.0/8",         // private use
        "100.64.0.0/10",      // carriers' NAT
        "127.0.0.0/8",        // loopback
        "169.254.0.0/16",     // link-local
        "172.16.0.0/12",      // private use
        "192.0.0.0/24",       // protocols: DS-Lite, PCP and TURN anycast, NAT64 discovery
        "192.0.2.0/24",       // documentation
        "192.88.99.0/24",     // 6to4 relays
        "192.168.0.0/16",     // private use
        "198.18.0.0/15",      // benchmarks
        "198.51.100.0/24",    // documentation
        "203.0.113.0/24",     // documentation
        "224.0.0.0/4",        // multicast
        "240.0.0.0/4",        // reserved
        "255.255.255.255/32", // broadcast
        "::/128",             // unspecified
        "::1/128",            // loopback
        "::ffff:127.0.0.0/104",
        "::ffff:10.0.0.0/104",
        "::ffff:169.254.0.0/112",
        "::ffff:0:0:0/96", // RFC 2765
        "::8.8.8.0/120",   // compatible
        "64:ff9b::7f00:0/104",
        "64:ff9b::a00:0/104",
        "64:ff9b::a9fe:0/112",
        "64:ff9b:1::/48", // local translators
        "64:ff9b:0:1::/64",
        "64:ff9b::1:0:0:0/80",
        "100::/64",       // discard
        "100:0:0:1::/64", // dummy prefix
        "2001::/23",      // protocols
        "2001::/32",      // Teredo
        "2001:2::/48",    // benchmarks
        "2001:10::/28",   // ORCHID
        "2001:20::/28",   // ORCHIDv2
        "2001:db8::/32",  // documentation
        "2002::/16",      // 6to4
        "2002:7f00::/24",
        "3fff::/20", // documentation
        "5f00::/16", // segment routing
        "fc00::/7",  // unique local
        "fe80::/10", // link-local
        "fec0::/10", // site-local
        "ff00::/8",  // multicast
    ];

    #[test]
    fn no_special_address_is_reached_and_its_public_neighbours_are() {
        let open = Reach::default();
        for text in SPECIAL {
            for address in ends(text) {
                assert!(!open.allows(address), "{address} of {text}");
            }
        }
        for address in [
            "1.0.0.0",
            "9.255.255.255",
            "11.0.0.0",
            "100.63.255.255",
            "100.128.0.0",
            "126.255.255.255",
            "128.0.0.0",
            "169.253.255.255",
            "169.255.0.0",
            "172.15.255.255",
            "172.32.0.0",
            "191.255.255.255",
            "192.0.1.0",
            "192.0.3.0",
            "192.88.98.255",
            "192.88.100.0",
            "192.167.255.255",
            "192.169.0.0",
            "198.17.255.255",
            "198.20.0.0",
            "198.51.99.255",
            "198.51.101.0",
            "203.0.112.255",
            "203.0.114.0",
            "223.255.255.255",
            // Globally reachable by the registry: AS112, AMT.
            "192.31.196.1",
            "192.52.193.1",
            "192.175.48.1",
            "::ffff:1.1.1.1",
            "64:ff9b::101:101",
            "2001:200::",
            "2001:db7:ffff::",
            "2001:db9::",
            "2003::",
            "2000::",
            "2606:4700::1111",
            "2620:4f:8000::1",
            "3fff:1000::",
            "3ffe:ffff::",
        ] {
            assert!(open.allows(address.parse().unwrap()), "{address}");
        }
    }

    #[test]
    fn a_range_opens_what_is_in_it_and_nothing_else() {
        let local = Reach::new([range("127.0.0.0/8"), range("fd00::/8")]);
        for address in ["127.0.0.1", "127.255.0.1", "::ffff:127.0.0.1", "fd12::1", "1.1.1.1"] {
            assert!(local.allows(address.parse().unwrap()), "{address}");
        }
        for address in ["10.0.0.1", "::1", "fc00::1", "::127.0.0.1", "64:ff9b::7f00:1", "2002:7f00:1::"] {
            assert!(!local.allows(address.parse().unwrap()), "{address}");
        }
        for bad in ["", "127.0.0.1", "127.0.0.0/33", "x/8", "::/129"] {
            assert!(bad.parse::<Range>().is_err(), "{bad}");
        }
    }

    #[test]
    fn no_range_opens_the_places_where_clouds_hand_out_credentials() {
        let everything = Reach::new([range("0.0.0.0/0"), range("::/0")]);
        for address in [
            "169.254.169.254",
            "169.254.170.2",
            "169.254.170.23",
            "169.254.169.253",
            "169.254.100.1",
            "100.100.100.200",
            "192.0.0.192",
            "168.63.129.16",
            "fd00:ec2::254",
            "fd00:ec2::23",
            "fd20:ce::254",
            "fe80::a9fe:a9fe",
            "::ffff:169.254.169.254",
            "::169.254.169.254",
            "::ffff:0:169.254.169.254",
            "64:ff9b::a9fe:a9fe",
            "64:ff9b:1::a9fe:a9fe",
            "2002:a9fe:a9fe::",
            "::ffff:168.63.129.16",
        ] {
            assert!(!everything.allows(address.parse().unwrap()), "{address}");
            assert!(!Reach::default().allows(address.parse().unwrap()), "{address}");
        }
        for address in ["10.0.0.1", "127.0.0.1", "fd00:ec3::254", "100.100.100.201", "ff02::1"] {
            assert!(everything.allows(address.parse().unwrap()), "{address}");
        }
    }
}
