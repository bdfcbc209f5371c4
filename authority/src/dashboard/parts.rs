//! Pieces that pages are made of. They are templates too, so they escape what they show; the marker
//! tells the pages around them not to do it again.

pub(super) mod badge;
pub(super) mod chart;
pub(super) mod effect;
pub(super) mod grid;
pub(super) mod log;
pub(super) mod when;
