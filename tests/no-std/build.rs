//! Leaves out what std would bring: the C run-time's entry, which would look for `main`.

fn main() {
    println!("cargo::rerun-if-changed=build.rs");
    println!("cargo::rustc-link-arg-bins=-nostartfiles");
}
