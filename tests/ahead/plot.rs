//! The figures of the simulation as a drawing: for each pattern the share of calls that waited for
//! nothing, the runs of a container for each request, and those of them that were wasted.

use std::fmt::Write;

use crate::simulation::Course;

const ROW: f64 = 34.0;
const TOP: f64 = 86.0;
/// Left edges of the three panels, and their width.
const PANELS: [f64; 3] = [330.0, 590.0, 850.0];
const WIDTH: f64 = 200.0;
const WITH: &str = "#1b7837";
const WITHOUT: &str = "#bbbbbb";

/// One row: the pattern's name, with refreshes ahead, and without.
pub(crate) type Row = (String, Course, Course);

pub(crate) fn draw(rows: &[Row]) -> String {
    let height = TOP + ROW * rows.len() as f64 + 20.0;
    let mut out = format!(
        "<svg xmlns=\"http://www.w3.org/2000/svg\" viewBox=\"0 0 1090 {height}\" \
         font-family=\"sans-serif\" font-size=\"12\">\n\
         <rect width=\"1090\" height=\"{height}\" fill=\"white\"/>\n\
         <text x=\"20\" y=\"26\" font-size=\"15\">refreshes ahead: simulated requests, TTL 1 s, 20 \
         containers, runs of 10 ms</text>\n"
    );
    key(&mut out, 20.0, WITH, "with refreshes ahead");
    key(&mut out, 180.0, WITHOUT, "without");
    let titles =
        ["calls that waited for nothing, %", "runs per container and request", "of those, wasted"];
    for (left, title) in PANELS.into_iter().zip(titles) {
        // Writing to a String cannot fail.
        let _ = writeln!(out, "<text x=\"{left}\" y=\"70\" font-weight=\"bold\">{title}</text>");
    }
    for (index, (name, with, without)) in rows.iter().enumerate() {
        let top = TOP + ROW * index as f64;
        let (name, middle) = (name.replace('&', "&amp;"), top + 16.0);
        let _ = writeln!(out, "<text x=\"20\" y=\"{middle}\">{name}</text>");
        let share = |course: &Course| 100.0 * course.fresh_share();
        pair(&mut out, PANELS[0], top, 100.0, [share(with), share(without)], 1);
        let runs = [with.runs_per_request(), without.runs_per_request()];
        pair(&mut out, PANELS[1], top, 1.5, runs, 2);
        let wasted = with.wasted as f64 / with.asked as f64;
        bar(&mut out, PANELS[2], top, 1.5, (wasted, WITH), 2);
    }
    out + "</svg>\n"
}

fn key(out: &mut String, left: f64, colour: &str, text: &str) {
    let _ = writeln!(
        out,
        "<rect x=\"{left}\" y=\"38\" width=\"12\" height=\"12\" fill=\"{colour}\"/>\
         <text x=\"{}\" y=\"48\">{text}</text>",
        left + 18.0
    );
}

fn pair(out: &mut String, left: f64, top: f64, most: f64, values: [f64; 2], places: usize) {
    bar(out, left, top, most, (values[0], WITH), places);
    bar(out, left, top + 13.0, most, (values[1], WITHOUT), places);
}

fn bar(
    out: &mut String,
    left: f64,
    top: f64,
    most: f64,
    (value, colour): (f64, &str),
    places: usize,
) {
    let width = (value / most).min(1.0) * WIDTH;
    let _ = writeln!(
        out,
        "<rect x=\"{left}\" y=\"{top}\" width=\"{width:.1}\" height=\"11\" fill=\"{colour}\"/>\
         <text x=\"{:.1}\" y=\"{}\" font-size=\"10\">{value:.places$}</text>",
        left + width + 4.0,
        top + 9.5
    );
}
