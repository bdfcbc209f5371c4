//! Precedence and normal form, case by case.
