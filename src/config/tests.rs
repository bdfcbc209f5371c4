//! Every rule of contract §5, from both sides.
