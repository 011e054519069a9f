//! Tests of the engine against a scripted reader.
