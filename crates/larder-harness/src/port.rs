//! Ports of the loopback device that nobody is given by chance.

use anyhow::{Context, Result};
use std::net::{Ipv4Addr, SocketAddr, TcpListener};
use std::ops::Range;

/// Below the range from which Linux takes the ports of clients and of whoever asks for "any": a server that is down
/// for a while would otherwise find its port taken by one of the connections that wait for it.
const PORTS: Range<u16> = 20_000..32_000;
/// Of a few that are taken at random, one is free unless something is badly wrong.
const ATTEMPTS_MAX: usize = 100;

/// A socket that listens on a port of ours.
pub(crate) fn listen() -> Result<TcpListener> {
    let mut refused = None;
    for _ in 0..ATTEMPTS_MAX {
        match TcpListener::bind(loopback(random()?)) {
            Ok(listener) => return Ok(listener),
            Err(error) => refused = Some(error),
        }
    }
    Err(refused.context("try a port")?).context("find a free port on 127.0.0.1")
}

/// A port that is free now. Somebody may be quicker, so a server that finds it taken tries another one.
pub(crate) fn free() -> Result<u16> {
    Ok(listen()?.local_addr()?.port())
}

/// This port here.
pub(crate) fn loopback(port: u16) -> SocketAddr {
    SocketAddr::from((Ipv4Addr::LOCALHOST, port))
}

fn random() -> Result<u16> {
    let number = getrandom::u32().map_err(|error| anyhow::anyhow!("ask for a number: {error}"))?;
    let count = u32::from(PORTS.end - PORTS.start);
    Ok(PORTS.start + u16::try_from(number % count)?)
}
