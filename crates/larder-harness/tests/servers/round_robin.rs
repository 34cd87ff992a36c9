//! The proxy in front of several servers.

use crate::{connect, echo, hears, hears_all};
use larder_harness::RoundRobin;
use std::io::Write as _;
use std::net::{Ipv4Addr, Shutdown, SocketAddr, TcpListener};

/// An address where nobody listens.
fn nobody() -> SocketAddr {
    let listener = TcpListener::bind((Ipv4Addr::LOCALHOST, 0)).unwrap();
    listener.local_addr().unwrap()
}

fn answered_by(proxy: &RoundRobin) -> String {
    hears(&connect(proxy.address()), 1)
}

#[test]
fn each_connection_goes_to_the_next_server() {
    let proxy = RoundRobin::start(vec![echo("a"), echo("b"), echo("c")]).unwrap();
    let answers: Vec<_> = (0..6).map(|_| answered_by(&proxy)).collect();
    assert_eq!(answers, ["a", "b", "c", "a", "b", "c"]);
}

#[test]
fn a_server_that_refuses_is_passed_over() {
    let proxy = RoundRobin::start(vec![nobody(), echo("b")]).unwrap();
    for _ in 0..4 {
        assert_eq!(answered_by(&proxy), "b");
    }
    proxy.replace(vec![nobody()]);
    assert_eq!(hears_all(&connect(proxy.address())), "");
    proxy.replace(Vec::new());
    assert_eq!(hears_all(&connect(proxy.address())), "");
}

#[test]
fn servers_are_replaced_while_connections_stay() {
    let proxy = RoundRobin::start(vec![echo("a")]).unwrap();
    let mut before = connect(proxy.address());
    assert_eq!(hears(&before, 1), "a");
    proxy.replace(vec![echo("b")]);
    assert_eq!(answered_by(&proxy), "b");
    before.write_all(b"still here").unwrap();
    before.shutdown(Shutdown::Write).unwrap();
    assert_eq!(hears_all(&before), "still here");
}

#[test]
fn nobody_listens_behind_it_when_it_is_gone() {
    let proxy = RoundRobin::start(vec![echo("a")]).unwrap();
    let address = proxy.address();
    drop(proxy);
    assert!(std::net::TcpStream::connect(address).is_err());
}
