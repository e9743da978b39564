//! Asks of 64 bytes beside `libp2p` request-response over QUIC, in the same run. The README of neither
//! says how fast the other is; this does.

mod peer;
#[path = "../../benches/support/ratio.rs"]
#[allow(dead_code, reason = "this needs no calibration")]
mod ratio;
#[path = "../../benches/support/tellask.rs"]
#[allow(dead_code, reason = "this needs the asks alone")]
mod tellask;

use ratio::Ratios;
use std::process::ExitCode;

fn main() -> ExitCode {
    Ratios::main(compare)
}

fn compare(ratios: &mut Ratios) {
    let (size, n) = (64, 10_000);
    let (ours, theirs) = (tellask::udp_asking(), peer::pair(size));
    for (name, parallel, target) in [("ask/libp2p", 1, 6.0), ("asks:64/libp2p", 64, 5.0)] {
        ratios.rates(
            name,
            size,
            target,
            7,
            || ours.asks(n, size, parallel),
            || theirs.asks(n, parallel),
        );
    }
}
