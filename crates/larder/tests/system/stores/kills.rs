//! What holds of a server on one machine that is killed, where rows and bytes are elsewhere.

use super::Cluster;
use crate::crash;
use crate::support::Store;

#[test]
#[ignore = "needs PostgreSQL and Garage"]
fn nothing_acknowledged_is_lost_when_the_server_is_killed() {
    run(5);
}

mod at_length {
    #[test]
    #[ignore = "takes minutes: `cargo xtask test --long`"]
    fn nothing_acknowledged_is_lost_when_the_server_is_killed() {
        super::run(20);
    }
}

fn run(kills: u64) {
    let cluster = Cluster::start();
    crash::kill_under_uploads(&Store::with(cluster.settings()), kills);
}
