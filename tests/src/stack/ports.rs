//! Ports that are free and stay so.

use std::collections::HashSet;
use std::net::{Ipv4Addr, TcpListener};
use std::sync::{LazyLock, Mutex, PoisonError};

use super::error::StackError;

/// Below Linux's range for outgoing connections: a port from within it could be taken by some client while its
/// server is down between `kill` and `restart`.
const FIRST: u16 = 20_000;
const LAST: u16 = 32_000;

static TAKEN: LazyLock<Mutex<HashSet<u16>>> = LazyLock::new(Mutex::default);

/// A TCP port of the loopback interface that nothing listens on and that no other call in this process returns.
///
/// # Errors
/// [`StackError::NoFreePort`].
pub fn free_port() -> Result<u16, StackError> {
    let mut taken = TAKEN.lock().unwrap_or_else(PoisonError::into_inner);
    let range = u32::from(LAST - FIRST);
    // Processes begin at different places, so that those that start together do not race for one port.
    let begin = std::process::id().wrapping_mul(7_919) % range;
    let found = (0..range)
        .filter_map(|step| u16::try_from((begin + step) % range).ok())
        .map(|offset| FIRST + offset)
        .find(|port| !taken.contains(port) && TcpListener::bind((Ipv4Addr::LOCALHOST, *port)).is_ok())
        .ok_or(StackError::NoFreePort(FIRST, LAST))?;
    taken.insert(found);
    Ok(found)
}
