//! The lines of a file that cannot be used: how many there are, and what is wrong with the first of
//! them.
//!
//! A file may be wrong in every line. What is kept of it, and told, must not grow with it.

use super::{Mistake, mistake};

/// How many mistakes are kept. Who mends them and sends the file again hears of the next ones.
pub const MOST_MISTAKES: usize = 20;

/// A line that cannot be used, and why.
#[derive(Clone, Debug, Eq, PartialEq, serde::Serialize)]
pub struct BadLine {
    /// Its number in the file, from 1.
    pub line: u64,
    /// What is wrong with it.
    pub mistakes: Vec<Mistake>,
}

/// All lines that cannot be used: their number, and the first [`MOST_MISTAKES`] mistakes.
#[derive(Clone, Debug, Default, Eq, PartialEq)]
pub struct BadLines {
    first: Vec<BadLine>,
    mistakes: usize,
    count: usize,
}

impl BadLine {
    /// A line with one mistake.
    #[must_use]
    pub fn new(line: u64, field: &str, message: &str) -> Self {
        Self { line, mistakes: vec![mistake(field, message)] }
    }
}

impl BadLines {
    /// Counts a line, and keeps of its mistakes what there is room for.
    pub fn add(&mut self, mut line: BadLine) {
        self.count += 1;
        line.mistakes.truncate(MOST_MISTAKES - self.mistakes);
        if !line.mistakes.is_empty() {
            self.mistakes += line.mistakes.len();
            self.first.push(line);
        }
    }

    /// Adds those that another look at the same file has found, in the order of their lines.
    pub fn merge(&mut self, other: Self) {
        let count = self.count + other.count;
        let mut lines = [std::mem::take(&mut self.first), other.first].concat();
        lines.sort_by_key(|line| line.line);
        *self = Self::default();
        lines.into_iter().for_each(|line| self.add(line));
        self.count = count;
    }

    /// How many lines there are.
    #[must_use]
    pub const fn len(&self) -> usize {
        self.count
    }

    /// Whether every line can be used.
    #[must_use]
    pub const fn is_empty(&self) -> bool {
        self.count == 0
    }

    /// The first of them, with the mistakes that were kept.
    #[must_use]
    pub fn first(&self) -> &[BadLine] {
        &self.first
    }

    /// How many lines [`Self::first`] does not name.
    #[must_use]
    pub fn unnamed(&self) -> usize {
        self.count.saturating_sub(self.first.len())
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    fn numbers(lines: &BadLines) -> Vec<u64> {
        lines.first().iter().map(|line| line.line).collect()
    }

    #[test]
    fn what_is_kept_does_not_grow_with_the_file() {
        let mut lines = BadLines::default();
        (1..=1_000).for_each(|line| lines.add(BadLine::new(line, "line", "cannot be read")));
        assert_eq!((lines.len(), lines.first().len(), lines.unnamed()), (1_000, 20, 980));
        let mut one = BadLines::default();
        one.add(BadLine { line: 7, mistakes: vec![mistake("name", "is required"); 500] });
        assert_eq!((one.len(), one.first()[0].mistakes.len(), one.unnamed()), (1, 20, 0));
    }

    #[test]
    fn two_looks_at_a_file_are_told_in_the_order_of_lines() {
        let (mut one, mut other) = (BadLines::default(), BadLines::default());
        [2, 9].into_iter().for_each(|line| one.add(BadLine::new(line, "a", "b")));
        (3..30).for_each(|line| other.add(BadLine::new(line, "a", "b")));
        one.merge(other);
        assert_eq!((one.len(), one.first().len()), (29, 20));
        assert_eq!(numbers(&one)[..3], [2, 3, 4]);
    }
}
