//! Several servers over one PostgreSQL and one Garage, and what happens to them.

mod bucket_faults;
mod cluster;
mod database_faults;
mod kills;
mod memory;
mod refusals;
mod replicas;
mod traffic;

use cluster::{Cluster, Replica};
use traffic::Traffic;
