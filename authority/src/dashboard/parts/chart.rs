//! Bars: a small chart in a list, and a large one with the table that says the same.
//!
//! Drawn on the server as SVG with classes only: no style stands in a page.

use std::collections::BTreeMap;

use askama::Template;
use askama::filters::HtmlSafe;

use super::when;
use crate::store::usage::activity::{Activity, Point, Range};
use crate::store::usage::rollup::{add, sum_of};

/// Thirty bars, one a day, refused requests stacked on top.
#[derive(Clone, Debug, Template)]
#[template(path = "parts/spark.html")]
pub(in crate::dashboard) struct Spark {
    label: String,
    bars: Vec<Bar>,
}

/// One piece of a bar.
#[derive(Clone, Debug)]
pub(in crate::dashboard) struct Bar {
    x: i64,
    y: i64,
    width: i64,
    height: i64,
    class: &'static str,
    label: String,
}

/// The large chart of one range.
#[derive(Clone, Debug, Template)]
#[template(path = "parts/chart.html")]
pub(in crate::dashboard) struct Chart {
    label: String,
    bars: Vec<Bar>,
    height: i64,
    width: i64,
    top: String,
    begin: String,
    end: String,
    outcomes: Vec<Outcome>,
    rows: Vec<(String, Vec<String>, String)>,
    total: String,
    allowed_share: String,
    unit: &'static str,
}

/// An outcome in the legend and its sum.
#[derive(Clone, Debug)]
pub(in crate::dashboard) struct Outcome {
    class: &'static str,
    label: String,
    count: String,
}

impl HtmlSafe for Spark {}
impl HtmlSafe for Chart {}

const SPARK_HEIGHT: i64 = 24;
const CHART_HEIGHT: i64 = 160;
const CHART_WIDTH: i64 = 720;

impl Spark {
    /// The last thirty days.
    pub(in crate::dashboard) fn new(points: &[Point], now: i64) -> Self {
        let (from, _) = Range::Month.bounds(now);
        let (step, count) = Range::Month.steps();
        let mut sums = vec![(0_i64, 0_i64); usize::try_from(count).unwrap_or_default()];
        for point in points {
            let place = usize::try_from((point.start - from).div_euclid(step)).ok();
            if let Some(sum) = place.and_then(|place| sums.get_mut(place)) {
                let part = if point.outcome == "allowed" { &mut sum.0 } else { &mut sum.1 };
                add(part, point.count);
            }
        }
        let top = sums.iter().map(|sum| sum_of([sum.0, sum.1])).max().unwrap_or_default();
        let mut bars = Vec::new();
        for (x, (allowed, refused)) in (0_i64..).map(|place| place * 4).zip(&sums) {
            let tall = scale(sum_of([*allowed, *refused]), top, SPARK_HEIGHT);
            let upper = scale(*refused, top, SPARK_HEIGHT).min(tall);
            bars.push(Bar::of(x, SPARK_HEIGHT - tall + upper, 3, tall - upper, "o-allowed"));
            bars.push(Bar::of(x, SPARK_HEIGHT - tall, 3, upper, "o-refused"));
        }
        bars.retain(|bar| bar.height > 0);
        let refused = sum_of(sums.iter().map(|sum| sum.1));
        let all = sum_of(sums.iter().map(|sum| sum.0).chain([refused]));
        let label = if all == 0 {
            "No requests in 30 days".into()
        } else {
            format!("{} requests in 30 days, {} refused", number(all), number(refused))
        };
        Self { label, bars }
    }
}

impl Bar {
    const fn of(x: i64, y: i64, width: i64, height: i64, class: &'static str) -> Self {
        Self { x, y, width, height, class, label: String::new() }
    }
}

impl Chart {
    /// A range of activity, outcomes stacked.
    pub(in crate::dashboard) fn new(activity: &Activity, range: Range) -> Self {
        let (step, count) = range.steps();
        let mut sums = BTreeMap::<i64, BTreeMap<&str, i64>>::new();
        for point in &activity.points {
            let by = sums.entry(point.start).or_default();
            add(by.entry(point.outcome.as_str()).or_default(), point.count);
        }
        let mut totals = activity.totals();
        totals.sort_by_key(|(outcome, _)| (outcome != "allowed", outcome.clone()));
        let top = sums.values().map(|by| sum_of(by.values().copied())).max().unwrap_or_default();
        let width = CHART_WIDTH / count;
        let mut bars = Vec::new();
        for (x, start) in (0..count).map(|place| (place * width, activity.from + place * step)) {
            let by = sums.get(&start).into_iter().flatten().map(|(outcome, count)| (*outcome, *count));
            bars.extend(stack(by, top, (x, width), &when::step(start, step)));
        }
        let total = sum_of(totals.iter().map(|(_, count)| *count));
        let allowed = totals.iter().find(|(outcome, _)| outcome == "allowed").map_or(0, |(_, count)| *count);
        let rows = sums.iter().rev().map(|(start, by)| {
            let counts: Vec<_> = totals
                .iter()
                .map(|(outcome, _)| by.get(outcome.as_str()).copied().unwrap_or_default())
                .collect();
            let sum = number(sum_of(counts.iter().copied()));
            (when::step(*start, step), counts.into_iter().map(number).collect(), sum)
        });
        Self {
            label: format!("{} requests, {} allowed", number(total), number(allowed)),
            bars,
            height: CHART_HEIGHT,
            width: width * count,
            top: number(top),
            begin: when::step(activity.from, step),
            end: when::step(activity.to - step, step),
            rows: rows.collect(),
            outcomes: totals
                .iter()
                .map(|(outcome, count)| Outcome {
                    class: class(outcome),
                    label: outcome_label(outcome),
                    count: number(*count),
                })
                .collect(),
            total: number(total),
            allowed_share: share(allowed, total),
            unit: if step < 3_600 {
                "minute"
            } else if step < 86_400 {
                "hour"
            } else {
                "day"
            },
        }
    }
}

/// One bar of the large chart, outcomes on top of each other, what was allowed at the bottom.
fn stack<'a>(
    by: impl Iterator<Item = (&'a str, i64)>,
    top: i64,
    (x, width): (i64, i64),
    begin: &str,
) -> Vec<Bar> {
    let mut by: Vec<_> = by.collect();
    by.sort_by_key(|(outcome, _)| (*outcome != "allowed", *outcome));
    let mut y = CHART_HEIGHT;
    let piece = |(outcome, count): (&str, i64)| {
        let height = scale(count, top, CHART_HEIGHT).min(y);
        y -= height;
        let label = format!("{begin}: {} {}", number(count), outcome_label(outcome));
        Bar { label, ..Bar::of(x, y, (width - 1).max(1), height, class(outcome)) }
    };
    by.into_iter().map(piece).filter(|bar| bar.height > 0).collect()
}

/// How tall a count is. Something is never nothing.
fn scale(count: i64, top: i64, height: i64) -> i64 {
    if count <= 0 || top <= 0 { 0 } else { (count * height / top).max(1) }
}

fn share(part: i64, all: i64) -> String {
    if all == 0 { "–".into() } else { format!("{}.{} %", part * 100 / all, part * 1_000 / all % 10) }
}

/// The colour of an outcome: a class of the style sheet.
fn class(outcome: &str) -> &'static str {
    match outcome {
        "allowed" => "o-allowed",
        "missing_permission" => "o-permission",
        "revoked" => "o-refused",
        "expired" | "not_yet_valid" => "o-expired",
        "address_not_allowed" => "o-address",
        "wrong_environment" => "o-environment",
        _ => "o-other",
    }
}

/// The words for an outcome.
fn outcome_label(outcome: &str) -> String {
    match outcome {
        "allowed" => "allowed".into(),
        "missing_permission" => "refused: permission".into(),
        "revoked" => "refused: revoked".into(),
        "expired" => "refused: expired".into(),
        "not_yet_valid" => "refused: not yet valid".into(),
        "address_not_allowed" => "refused: address".into(),
        "wrong_environment" => "refused: environment".into(),
        other => other.replace('_', " "),
    }
}

/// A number with its thousands apart.
pub(in crate::dashboard) fn number(value: i64) -> String {
    let digits = value.unsigned_abs().to_string();
    let mut text = String::new();
    for (place, digit) in digits.chars().enumerate() {
        if place > 0 && (digits.len() - place).is_multiple_of(3) {
            text.push(',');
        }
        text.push(digit);
    }
    if value < 0 { format!("−{text}") } else { text }
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::store::usage::rollup::MAX_SUM;

    const NOW: i64 = 1_790_000_000;

    fn point(start: i64, outcome: &str, count: i64) -> Point {
        Point { start, outcome: outcome.into(), count }
    }

    #[test]
    fn a_small_chart_stacks_what_was_refused() {
        let (from, to) = Range::Month.bounds(NOW);
        let spark = Spark::new(
            &[point(from, "allowed", 900), point(from, "revoked", 300), point(to - 86_400, "allowed", 1)],
            NOW,
        );
        let bars: Vec<_> = spark.bars.iter().map(|bar| (bar.x, bar.y, bar.height, bar.class)).collect();
        assert_eq!(bars, [(0, 6, 18, "o-allowed"), (0, 0, 6, "o-refused"), (116, 23, 1, "o-allowed")]);
        assert_eq!(spark.label, "1,201 requests in 30 days, 300 refused");
    }

    #[test]
    fn what_is_outside_the_range_is_left_out() {
        assert!(Spark::new(&[point(0, "allowed", 5), point(i64::MAX, "allowed", 5)], NOW).bars.is_empty());
    }

    #[test]
    fn the_table_says_what_the_bars_show() {
        let (from, to) = Range::Day.bounds(NOW);
        let points =
            vec![point(from, "allowed", 10), point(from, "revoked", 5), point(from + 3_600, "allowed", 15)];
        let chart = Chart::new(&Activity { from, to, step: 3_600, points }, Range::Day);
        let heights: Vec<_> = chart.bars.iter().map(|bar| (bar.y, bar.height)).collect();
        assert_eq!(heights, [(54, 106), (1, 53), (0, 160)]);
        let sums: Vec<_> = chart.rows.iter().map(|row| (row.1.clone(), row.2.clone())).collect();
        assert_eq!(
            sums,
            [(vec!["15".into(), "0".into()], "15".into()), (vec!["10".into(), "5".into()], "15".to_owned())]
        );
        assert_eq!((chart.total.as_str(), chart.allowed_share.as_str()), ("30", "83.3 %"));
    }

    #[test]
    fn the_largest_sums_are_drawn_too() {
        let (from, _) = Range::Month.bounds(NOW);
        let points = ["allowed", "revoked", "expired"].map(|outcome| point(from, outcome, MAX_SUM)).to_vec();
        let spark = Spark::new(&points, NOW);
        assert_eq!(spark.label, "9,007,199,254,740,991 requests in 30 days, 9,007,199,254,740,991 refused");
        let chart = Chart::new(&Activity { from, to: NOW, step: 86_400, points }, Range::Month);
        assert_eq!(
            (chart.total.as_str(), chart.allowed_share.as_str()),
            ("9,007,199,254,740,991", "100.0 %")
        );
    }

    #[test]
    fn thousands_stand_apart() {
        let texts = [0, 999, 1_000, 1_234_567, -1_000].map(number);
        assert_eq!(texts, ["0", "999", "1,000", "1,234,567", "−1,000"]);
    }
}
