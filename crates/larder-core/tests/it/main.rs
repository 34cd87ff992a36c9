//! The larder's use cases over a real embedded store, with a clock that is set.

mod damage;
mod jobs;
mod keeping;
mod latest;
mod links;
mod support;
