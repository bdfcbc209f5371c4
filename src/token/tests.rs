//! Every rule of the module's head, from both sides.

mod attacks;
mod fetching;
mod foreign;
mod properties;
mod revoking;
mod rules;
mod sets;
pub(crate) mod support;
mod vectors;
mod verifying;
