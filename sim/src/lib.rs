//! tellask
