//! The primitives of every protocol here, behind one small module with two backends.
