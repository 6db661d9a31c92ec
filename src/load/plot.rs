//! A drawing of the latencies: the curve of percentiles, and their course over the run.
//!
//! Both axes of latency are logarithmic. Plain SVG, written by hand: two panels of lines are not
//! worth a library.

use std::fmt::Write;

use super::report::{Report, Second};

const WIDTH: f64 = 900.0;
const PANEL: f64 = 280.0;
const LEFT: f64 = 80.0;
const RIGHT: f64 = 30.0;
const TOP: f64 = 50.0;
const BETWEEN: f64 = 80.0;

/// One line of a panel: name, colour, points.
type Curve = (&'static str, &'static str, Vec<(f64, f64)>);

/// A rectangle with axes. Latencies are in microseconds.
struct Panel {
    top: f64,
    x: (f64, f64),
    /// Decimal logarithms.
    y: (f64, f64),
}

/// The whole file.
pub(super) fn draw(report: &Report) -> String {
    let mut out = String::new();
    // Writing to a String cannot fail.
    let _ = write(report, &mut out);
    out
}

fn write(report: &Report, out: &mut String) -> std::fmt::Result {
    let height = TOP + 2.0 * PANEL + BETWEEN + 60.0;
    writeln!(
        out,
        "<svg xmlns=\"http://www.w3.org/2000/svg\" viewBox=\"0 0 {WIDTH} {height}\" \
         font-family=\"sans-serif\" font-size=\"12\">\n\
         <rect width=\"{WIDTH}\" height=\"{height}\" fill=\"white\"/>\n\
         <text x=\"{LEFT}\" y=\"24\" font-size=\"15\">usage calls: {:.0}/s, {} containers, {} made, \
         {} answered</text>",
        report.schedule.rate(),
        report.options.containers,
        report.made,
        report.answers,
    )?;
    let at_once = percentiles(&report.recorded.at_once);
    let curves = vec![
        ("all", "#444444", percentiles(&report.all())),
        ("at once (hit, stale)", "#1b7837", at_once),
        ("waited (miss, joined)", "#b2182b", percentiles(&report.recorded.later)),
        ("command started bare", "#2166ac", percentiles(&report.bare)),
    ];
    let nines = curves.iter().flat_map(|curve| &curve.2).map(|point| point.0).fold(2.0, f64::max);
    let panel = Panel { top: TOP, x: (0.0, nines.ceil()), y: decades(&curves) };
    let ticks = (0..=nines.ceil() as i32).map(|nine| {
        let percent = 100.0 - 100.0 * 10_f64.powi(-nine);
        (f64::from(nine), if nine == 0 { "0 %".to_owned() } else { format!("{percent} %") })
    });
    panel.draw(out, "share of calls at most this late", ticks, &curves)?;

    let line = |value: fn(&Second) -> u64| {
        let point = |it: &Second| (it.at.as_secs_f64(), value(it) as f64 / 1e3);
        report.seconds.iter().map(point).collect::<Vec<_>>()
    };
    let curves = vec![
        ("p50", "#1b7837", line(|second| second.p50)),
        ("p99", "#e08214", line(|second| second.p99)),
        ("max", "#b2182b", line(|second| second.max)),
    ];
    let end = report.seconds.last().map_or(1.0, |second| second.at.as_secs_f64()).max(1.0);
    let panel = Panel { top: TOP + PANEL + BETWEEN, x: (0.0, end), y: decades(&curves) };
    let ticks = (0..=6).map(|n| {
        let second = end * f64::from(n) / 6.0;
        (second, format!("{second:.0} s"))
    });
    panel.draw(out, "time", ticks, &curves)?;
    writeln!(out, "</svg>")
}

/// Latency over the number of nines: 1 is 90 %, 2 is 99 %.
fn percentiles(histogram: &hdrhistogram::Histogram<u64>) -> Vec<(f64, f64)> {
    let count = histogram.len() as f64;
    let last = if count > 0.0 { count.log10() } else { return Vec::new() };
    let steps = (last * 20.0).floor() as u32;
    let point = |step: u32| {
        let nines = f64::from(step) / 20.0;
        let value = histogram.value_at_quantile(1.0 - 10_f64.powf(-nines));
        (nines, value as f64 / 1e3)
    };
    (0..=steps).map(point).collect()
}

/// The powers of ten around all points.
fn decades(curves: &[Curve]) -> (f64, f64) {
    let values = curves.iter().flat_map(|curve| &curve.2).map(|point| point.1.max(0.01).log10());
    let (low, high) = values.fold((f64::MAX, f64::MIN), |(low, high), v| (low.min(v), high.max(v)));
    if low > high { (0.0, 1.0) } else { (low.floor(), high.ceil().max(low.floor() + 1.0)) }
}

impl Panel {
    fn place(&self, (x, y): (f64, f64)) -> (f64, f64) {
        let (left, right) = self.x;
        let (low, high) = self.y;
        let across = (x - left) / (right - left);
        let up = (y.max(0.01).log10() - low) / (high - low);
        (LEFT + across * (WIDTH - LEFT - RIGHT), self.top + PANEL * (1.0 - up))
    }

    fn draw(
        &self,
        out: &mut String,
        label: &str,
        ticks: impl Iterator<Item = (f64, String)>,
        curves: &[Curve],
    ) -> std::fmt::Result {
        self.draw_frame(out, label, ticks)?;
        for (index, (name, colour, points)) in
            curves.iter().filter(|curve| !curve.2.is_empty()).enumerate()
        {
            let mut path = String::new();
            for point in points {
                let (x, y) = self.place(*point);
                write!(path, "{}{x:.1} {y:.1}", if path.is_empty() { 'M' } else { 'L' })?;
            }
            writeln!(
                out,
                "<path d=\"{path}\" fill=\"none\" stroke=\"{colour}\" stroke-width=\"1.5\"/>\
                 <text x=\"{}\" y=\"{}\" fill=\"{colour}\">{name}</text>",
                LEFT + 12.0,
                self.top + 4.0 + 16.0 * index as f64,
            )?;
        }
        Ok(())
    }

    /// Both axes with their names.
    fn draw_frame(
        &self,
        out: &mut String,
        label: &str,
        ticks: impl Iterator<Item = (f64, String)>,
    ) -> std::fmt::Result {
        let bottom = self.top + PANEL;
        for decade in self.y.0 as i32..=self.y.1 as i32 {
            let (_, y) = self.place((0.0, 10_f64.powi(decade)));
            let name = match decade {
                ..0 => format!("{} us", 10_f64.powi(decade)),
                0..3 => format!("{} us", 10_u32.pow(decade as u32)),
                3..6 => format!("{} ms", 10_u32.pow(decade as u32 - 3)),
                _ => format!("{} s", 10_u64.pow(decade as u32 - 6)),
            };
            writeln!(
                out,
                "<path d=\"M{LEFT} {y:.1}H{}\" stroke=\"#dddddd\"/>\
                 <text x=\"{}\" y=\"{:.1}\" text-anchor=\"end\">{name}</text>",
                WIDTH - RIGHT,
                LEFT - 8.0,
                y + 4.0,
            )?;
        }
        for (x, name) in ticks {
            let (x, _) = self.place((x, 1.0));
            writeln!(
                out,
                "<path d=\"M{x:.1} {bottom}v5\" stroke=\"black\"/>\
                 <text x=\"{x:.1}\" y=\"{}\" text-anchor=\"middle\">{name}</text>",
                bottom + 20.0,
            )?;
        }
        writeln!(
            out,
            "<path d=\"M{LEFT} {}V{bottom}H{}\" fill=\"none\" stroke=\"black\"/>\
             <text x=\"{}\" y=\"{}\" text-anchor=\"middle\">{label}</text>",
            self.top,
            WIDTH - RIGHT,
            WIDTH / 2.0,
            bottom + 40.0,
        )
    }
}

#[cfg(test)]
mod tests {
    use super::*;
    use std::time::Duration;

    #[test]
    fn the_curve_of_percentiles_ends_at_the_last_call() {
        let mut histogram = super::super::recorder::histogram();
        assert!(percentiles(&histogram).is_empty());
        for ms in 1..=1000 {
            super::super::recorder::record(&mut histogram, Duration::from_millis(ms));
        }
        let points = percentiles(&histogram);
        let (nines, value) = *points.last().expect("points");
        assert!((nines - 3.0).abs() < 1e-9 && (value - 1e6).abs() < 2e3, "{nines} {value}");
        assert!(points.windows(2).all(|pair| pair[0].1 <= pair[1].1));
    }

    #[test]
    fn larger_latencies_are_higher_and_all_is_inside() {
        let curves: Vec<Curve> = vec![("a", "red", vec![(0.0, 3.0), (9.0, 4_000.0)])];
        let panel = Panel { top: TOP, x: (0.0, 9.0), y: decades(&curves) };
        assert_eq!(panel.y, (0.0, 4.0));
        let (from, to) = (panel.place((0.0, 3.0)), panel.place((9.0, 4_000.0)));
        assert!(from.0 < to.0 && from.1 > to.1);
        assert!(to.1 >= TOP && from.1 <= TOP + PANEL);
        assert_eq!(decades(&[]), (0.0, 1.0));
    }
}
