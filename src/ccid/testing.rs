//! Scripted transport for the tests of this module.
