//! Ratios that have a target: `cargo bench -p tellask-tests --bench ratios -- --assert`.

mod support;

use std::process::ExitCode;
use support::{cipher, ratio::Ratios};

fn main() -> ExitCode {
    let mut ratios = match Ratios::from_args(std::env::args().skip(1)) {
        Ok(ratios) => ratios,
        Err(error) => {
            eprintln!("{error}");
            return ExitCode::from(2);
        }
    };
    backends(&mut ratios);
    ratios.finish()
}

/// Why there is a second backend at all.
fn backends(ratios: &mut Ratios) {
    for (size, target) in [(64, 3.0), (1200, 2.0), (16 * 1024, 1.2)] {
        let (mut ours, mut theirs) = (cipher::aws_lc(size), cipher::portable(size));
        ratios.operations(
            "cipher:aws-lc/portable",
            size,
            target,
            || ours.seal_and_open(),
            || theirs.seal_and_open(),
        );
    }
}
