//! Which node of the network has which socket address.

use crate::net::mix;
use core::net::{IpAddr, Ipv6Addr, SocketAddr};
use std::collections::BTreeMap;
use tellask::{MemoryAddr, UdpAddr};

/// Socket addresses and the places that stand for them.
///
/// A place is a hash of the address, so that it is the same whoever else takes part: the network draws
/// by places, and a node more is to leave all draws of the others as they were. Where two addresses have the same
/// hash, of 31 bits, the later one gets the next place.
#[derive(Debug, Default)]
pub(super) struct Places {
    of: BTreeMap<SocketAddr, MemoryAddr>,
    at: BTreeMap<MemoryAddr, SocketAddr>,
}

/// Hashes are above this, so that no place is one that a person would write down for another node.
const HASHED: u32 = 1 << 31;

impl Places {
    pub(super) fn of(&mut self, addr: SocketAddr) -> MemoryAddr {
        // An IPv4 address is one, however it is written; flows and scopes are no addresses.
        let addr = SocketAddr::new(addr.ip().to_canonical(), addr.port());
        if let Some(place) = self.of.get(&addr) {
            return *place;
        }
        let mut place = MemoryAddr(hash(addr) | HASHED);
        while self.at.contains_key(&place) {
            place = MemoryAddr(place.0.wrapping_add(1) | HASHED);
        }
        self.of.insert(addr, place);
        self.at.insert(place, addr);
        place
    }

    /// The address of a place. One that was never mentioned, from which somebody injects, is called by its number:
    /// `[100::number]:1`, of the addresses that are nobody's (RFC 6666).
    pub(super) fn at(&mut self, place: MemoryAddr) -> UdpAddr {
        let addr = *self.at.entry(place).or_insert_with(|| {
            let [high, low] = [place.0 >> 16, place.0 & 0xffff].map(|half| half as u16);
            let ip = Ipv6Addr::new(0x100, 0, 0, 0, 0, 0, high, low);
            SocketAddr::new(IpAddr::V6(ip), 1)
        });
        self.of.entry(addr).or_insert(place);
        UdpAddr(addr)
    }
}

fn hash(addr: SocketAddr) -> u32 {
    let ip = match addr.ip() {
        IpAddr::V4(ip) => u128::from(u32::from(ip)) | 0xffff << 32,
        IpAddr::V6(ip) => ip.into(),
    };
    let [high, low] = [(ip >> 64) as u64, ip as u64];
    (mix(mix(mix(high.wrapping_add(1)) ^ low) ^ u64::from(addr.port())) >> 32) as u32
}
