//! x
mod report;
mod secure;

pub use report::Report;
pub use secure::{DATE, Secure, addr, key, node, timing};
