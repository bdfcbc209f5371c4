//! Every rule of the module's head, from both sides.

mod attacks;
mod fetching;
mod properties;
mod revoking;
mod rules;
mod sets;
pub(crate) mod support;
mod vectors;
mod verifying;
