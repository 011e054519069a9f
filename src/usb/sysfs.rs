//! (see the module's parent)
